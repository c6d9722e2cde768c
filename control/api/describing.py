"""What every operation says about itself: the scope it asks for, and the replies it may give."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends

from control.api.auth import needs
from control.api.credentials import Scope
from control.api.problems import MEDIA_TYPE, Problem

_PROBLEM: Final = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_VERSION: Final = {
    "Entitlements-Version": {
        "description": "`product=epoch-seq`, several separated by commas; ids percent-encoded.",
        "schema": {"type": "string"},
    }
}
_ETAG: Final = {"ETag": {"description": "The revision in quotes.", "schema": {"type": "string"}}}


def scoped(scope: Scope) -> dict[str, Any]:
    """Return the arguments of a route that needs a scope."""
    return {"dependencies": [Depends(needs(scope))], "openapi_extra": {"x-scope": scope.value}}


def reads(scope: Scope = Scope.READ, *, tagged: bool = False) -> dict[str, Any]:
    """Return the arguments of a route that reads; `tagged` ones send an ETag."""
    answers: dict[int | str, dict[str, Any]] = {404: {**_PROBLEM, "description": "There is no such thing."}}
    if tagged:
        answers[200] = {"headers": _ETAG}
    return {**scoped(scope), "responses": answers}


def writes(scope: Scope, reply: Any, *, creates: bool = False, always: bool = False) -> dict[str, Any]:
    """Return the arguments of a route that writes; one that `creates` answers 201 for something new, or `always`."""
    headers = {**_ETAG, **_VERSION}
    answers: dict[int | str, dict[str, Any]] = {
        404: {**_PROBLEM, "description": "What it refers to in the path does not exist."},
        409: {**_PROBLEM, "description": "It contradicts what is stored."},
        412: {**_PROBLEM, "description": "If-Match or If-None-Match does not hold."},
        422: {**_PROBLEM, "description": "Fields are not valid, or the Idempotency-Key belongs to another request."},
    }
    if not always:
        answers[200] = {"headers": headers}
    if creates or always:
        answers[201] = {"model": reply, "description": "It is new.", "headers": headers}
    status = 201 if always else 200
    return {**scoped(scope), "response_model": reply, "status_code": status, "responses": answers}
