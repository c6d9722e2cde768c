"""How every REST request is read: authenticate first, then take a bounded body, then parse it strictly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from control.api.auth import BEARER, authenticate_request
from control.api.problems import (
    MALFORMED,
    MEDIA_TYPE,
    TOO_LARGE,
    UNSUPPORTED_TYPE,
    Problem,
    ProblemError,
    field_problem,
)
from control.api.strict_json import parse_body

PREFIX: Final = "/api/v1"
BODY_LIMIT: Final = 1 << 20
"""Bytes of a request's body."""
DOCUMENT_LIMIT: Final = 16 << 20
"""Bytes of a whole catalogue document (POST /api/v1/apply)."""
_PATIENCE: Final = 4
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})


class StrictRequest(Request):
    """A request whose JSON has no duplicate keys."""

    async def json(self) -> Any:
        """Return the body as JSON."""
        return parse_body(await self.body())


class StrictRoute(APIRoute):
    """A route of /api/v1."""

    body_limit: int = BODY_LIMIT

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def read_and_handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            authenticator = request.app.state.authenticator
            strict.state.principal = await run_in_threadpool(authenticate_request, authenticator, strict)
            if strict.method in _WITHOUT_BODY:
                return await handle(strict)
            body = await _bounded_body(strict, self.body_limit)
            if body and self.body_field is None:
                remedy = "Send the request without a body."
                raise ProblemError(
                    MALFORMED, "This action takes no body.", [field_problem("body", "is not expected", remedy)]
                )
            if body and not _is_json(strict.headers.get("content-type", "")):
                remedy = "Send `Content-Type: application/json`."
                raise ProblemError(
                    UNSUPPORTED_TYPE,
                    "The body must be JSON.",
                    [field_problem("Content-Type", "is not application/json", remedy)],
                )
            return await handle(strict)

        return read_and_handle


def api_router(tag: str, route: type[StrictRoute] = StrictRoute) -> APIRouter:
    """Return an empty router for /api/v1 whose operations are listed under a tag."""
    return APIRouter(
        prefix=PREFIX,
        tags=[tag],
        route_class=route,
        dependencies=[Depends(BEARER)],
        responses={
            "4XX": {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "Refused; see `errors`."},
            "5XX": {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "Failed; 503 may be repeated."},
        },
    )


class DocumentRoute(StrictRoute):
    """A route that takes whole documents."""

    body_limit = DOCUMENT_LIMIT


def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    return media_type.strip() == "application/json" and charset in {"", "charset=utf-8"}


async def _bounded_body(request: StrictRequest, limit: int) -> bytes:
    """Read the body and keep at most `limit` bytes of it, whatever Content-Length claims.

    A body that is not much larger is read to its end and thrown away: a caller who is still sending would see the
    connection break instead of the reply.
    """
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > _PATIENCE * limit:
        raise _too_large(limit)
    taken = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _PATIENCE * limit:
            break
        if size <= limit:
            taken += part
    if size > limit:
        raise _too_large(limit)
    body = bytes(taken)
    request._body = body  # noqa: SLF001  what Request.body() keeps; FastAPI and dependencies read it from there
    return body


def _too_large(limit: int) -> ProblemError:
    remedy = f"Send at most {limit >> 20} MiB; split the write, or use `entitlements apply` for a whole catalogue."
    return ProblemError(
        TOO_LARGE,
        f"The body is larger than {limit >> 20} MiB.",
        [field_problem("body", f"is larger than {limit} bytes", remedy)],
        {"Connection": "close"},
    )
