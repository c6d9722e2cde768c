"""Errors as problem+json (RFC 9457): one shape for everything that a caller may see go wrong.

A problem says what is wrong (`title`, `detail`), where (`errors[].field`, a path such as `items[2].quantity`) and what
to do about it (`errors[].remedy`). Its `type` is a relative reference that names the kind and never changes; nothing
of the program's inside (traces, SQL) is ever in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import Request

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 100
"""A reply names at most this many mistakes; the rest is counted in `detail`."""


class FieldProblem(BaseModel):
    """One mistake in the request."""

    field: str = Field(description="Path of the offending field, such as `items[2].quantity`; a header by its name.")
    problem: str = Field(description="What is wrong with it.")
    remedy: str = Field(description="What would be right.")


class Problem(BaseModel):
    """Body of every reply with a status of 400 or more (RFC 9457)."""

    type: str = Field(
        description="Kind of the problem, a stable relative reference such as `/problems/stale-revision`."
    )
    title: str = Field(description="The kind in words.")
    status: int = Field(description="HTTP status, repeated.")
    detail: str = Field(description="This occurrence in one or two sentences.")
    errors: list[FieldProblem] = Field(default_factory=list, description="Each mistake with its field and remedy.")
    request_id: str = Field(default="", description="Names this exchange in the server's log; also in X-Request-Id.")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its slug becomes the `type`."""

    slug: str
    status: int
    title: str


MALFORMED: Final = ProblemKind("malformed", 400, "The request cannot be read")
UNAUTHENTICATED: Final = ProblemKind("unauthenticated", 401, "A valid API key is needed")
FORBIDDEN: Final = ProblemKind("forbidden", 403, "This API key may not do that")
NOT_FOUND: Final = ProblemKind("not-found", 404, "There is no such thing")
METHOD_NOT_ALLOWED: Final = ProblemKind("method-not-allowed", 405, "This address does not take that method")
CONFLICT: Final = ProblemKind("conflict", 409, "The request contradicts what is stored")
STALE_REVISION: Final = ProblemKind("stale-revision", 412, "It was changed in the meantime")
TOO_LARGE: Final = ProblemKind("too-large", 413, "The request is too large")
UNSUPPORTED_TYPE: Final = ProblemKind("unsupported-media-type", 415, "The body is not JSON")
INVALID: Final = ProblemKind("invalid", 422, "The request is not valid")
IDEMPOTENCY_MISMATCH: Final = ProblemKind("idempotency-mismatch", 422, "The Idempotency-Key belongs to another request")
INTERNAL: Final = ProblemKind("internal", 500, "The server failed")
BUSY: Final = ProblemKind("busy", 503, "The server cannot answer now")

KINDS: Final = (
    MALFORMED,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    STALE_REVISION,
    TOO_LARGE,
    UNSUPPORTED_TYPE,
    INVALID,
    IDEMPOTENCY_MISMATCH,
    INTERNAL,
    BUSY,
)


class ProblemError(HTTPException):
    """Ends a request with a problem; FastAPI lets HTTPExceptions pass wherever they are raised."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        errors: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take the kind, one sentence about this occurrence, its field errors and headers to send along."""
        super().__init__(status_code=kind.status, detail=detail, headers=dict(headers) if headers else None)
        self.kind = kind
        self.errors = tuple(errors)

    def __str__(self) -> str:
        """Return the sentence with every field error."""
        return "; ".join([str(self.detail), *(f"{each.field}: {each.problem}" for each in self.errors)])


def field_problem(field: str, problem: str, remedy: str) -> FieldProblem:
    """Return one field error."""
    return FieldProblem(field=field, problem=problem, remedy=remedy)


def invalid(field: str, problem: str, remedy: str) -> ProblemError:
    """Return the refusal of one field (422)."""
    return invalid_fields([field_problem(field, problem, remedy)])


def invalid_fields(errors: Sequence[FieldProblem]) -> ProblemError:
    """Return the refusal of several fields (422)."""
    if len(errors) == 1:
        return ProblemError(INVALID, f"{errors[0].field} {errors[0].problem}.", errors)
    return ProblemError(INVALID, f"{len(errors)} fields are not valid; the first is {errors[0].field}.", errors)


def request_id_of(request: Request) -> str:
    """Return the id that the exchange carries, empty outside the application."""
    state = request.scope.get("state") or {}
    return str(state.get("request_id", ""))


def problem_response(
    request_id: str,
    kind: ProblemKind,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Render a problem; more than `MAX_ERRORS` errors are cut and counted."""
    if len(errors) > MAX_ERRORS:
        detail = f"{detail} {len(errors) - MAX_ERRORS} more errors are not listed."
    body = Problem(
        type=f"/problems/{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=list(errors[:MAX_ERRORS]),
        request_id=request_id,
    )
    return JSONResponse(body.model_dump(), status_code=kind.status, headers=headers, media_type=MEDIA_TYPE)
