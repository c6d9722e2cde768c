"""Translates what FastAPI, pydantic and Starlette raise into problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from control.api.problems import (
    BUSY,
    CONFLICT,
    INTERNAL,
    INVALID,
    KINDS,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    STALE_REVISION,
    FieldProblem,
    ProblemError,
    field_problem,
    invalid_fields,
    problem_response,
    request_id_of,
)
from control.domain.errors import Busy, Conflict, ControlError, Invalid, NotFound, Problem, StaleRevision
from entitlements.runtime.logs import logger

_PLACES: Final = frozenset({"body", "query", "path", "header"})
_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is missing", "Add it."),
    "extra_forbidden": ("is not a field of this request", "Remove it, or correct its name."),
    "string_type": ("is not a text", "Write a text in quotes."),
    "bool_type": ("is not true or false", "Write true or false."),
    "int_type": ("is not a whole number", "Write a whole number without quotes."),
    "int_from_float": ("is not a whole number", "Write a whole number."),
    "list_type": ("is not a list", "Write a list in square brackets."),
    "dict_type": ("is not an object", "Write an object in braces."),
    "model_type": ("is not an object", "Write an object in braces."),
    "model_attributes_type": ("is not an object", "Write an object in braces."),
}
_BY_STATUS: Final = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 400: MALFORMED}


def field_path(location: Sequence[Any]) -> str:
    """Return ``items[2].quantity`` for pydantic's ('body', 'items', 2, 'quantity')."""
    parts = list(location[1:]) if location and location[0] in _PLACES else list(location)
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else str(part)
    return path or "body"


def field_problems(errors: Sequence[Any]) -> list[FieldProblem]:
    """Translate pydantic's errors; one per field, in the order of the request."""
    found: dict[str, FieldProblem] = {}
    for error in errors:
        path = field_path(error["loc"])
        found.setdefault(path, _translate(path, error))
    return list(found.values())


def _translate(path: str, error: Mapping[str, Any]) -> FieldProblem:
    kind = str(error["type"])
    context = error.get("ctx") or {}
    if kind in _SENTENCES:
        problem, remedy = _SENTENCES[kind]
    elif kind == "value_error":
        problem, _, remedy = str(context.get("error", error["msg"])).partition("|")
    elif kind in {"literal_error", "enum"}:
        problem, remedy = "is not one of the allowed words", f"Use {context.get('expected')}."
    elif kind == "greater_than_equal":
        problem, remedy = f"is less than {context['ge']}", f"Use {context['ge']} or more."
    elif kind == "less_than_equal":
        problem, remedy = f"is greater than {context['le']}", f"Use {context['le']} or less."
    elif kind == "too_long":
        problem = f"has {context.get('actual_length')} entries"
        remedy = f"Use at most {context['max_length']}."
    elif kind == "too_short":
        problem, remedy = "has too few entries", f"Use at least {context['min_length']}."
    elif kind == "string_too_long":
        problem, remedy = "is too long", f"Use at most {context['max_length']} characters."
    elif kind == "string_too_short":
        problem, remedy = "is too short", f"Use at least {context['min_length']} characters."
    elif kind == "string_pattern_mismatch":
        problem, remedy = "has not the right form", f"Write it so that {context['pattern']} matches."
    else:
        problem, remedy = str(error["msg"])[:200], "Correct it; /openapi.json describes the field."
    return field_problem(path, problem, remedy or "Correct it; /openapi.json describes the field.")


def control_problem(error: ControlError, prefix: str = "") -> ProblemError:
    """Return what the domain refused as a problem; `prefix` is where its input stood in the request's body."""
    if isinstance(error, Invalid):
        return invalid_fields(domain_fields(error.problems, prefix))
    if isinstance(error, Conflict):
        return ProblemError(
            CONFLICT, f"{_sentence(str(error.problem.problem))}", [_domain_field(error.problem, prefix)]
        )
    if isinstance(error, NotFound):
        remedy = f"Name an existing {error.kind}, or create it first."
        return ProblemError(
            NOT_FOUND, f"There is no {error.kind} {error.key!r}.", [field_problem(error.kind, "does not exist", remedy)]
        )
    if isinstance(error, StaleRevision):
        remedy = "Read it again, repeat your change on what you find, and send its ETag."
        stale = field_problem("If-Match", f"names revision {error.expected}", remedy)
        return ProblemError(STALE_REVISION, _sentence(str(error)), [stale])
    if isinstance(error, Busy):
        return ProblemError(BUSY, _sentence(str(error)), headers={"Retry-After": "1"})
    return ProblemError(CONFLICT, _sentence(str(error)))


def domain_fields(problems: Iterable[Problem], prefix: str = "") -> list[FieldProblem]:
    """Return mistakes that the domain found, with their paths seen from the request's body."""
    return [_domain_field(each, prefix) for each in problems]


def _domain_field(each: Problem, prefix: str) -> FieldProblem:
    path = ".".join(part for part in (prefix, each.path) if part) or "body"
    return field_problem(path, each.problem, _sentence(each.remedy))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def install_refusals(app: FastAPI) -> None:
    """Let every error of an application leave as problem+json."""
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ControlError, _control)
    app.add_exception_handler(OperationalError, _database)


def _not_valid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as registered above
    translated = invalid_fields(field_problems(error.errors()))
    return problem_response(request_id_of(request), INVALID, str(translated.detail), translated.errors)


def _control(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ControlError)  # noqa: S101  as registered above
    return _http(request, control_problem(error))


def _database(request: Request, error: Exception) -> JSONResponse:
    logger().error("database_failed", problem=type(error).__name__, request_id=request_id_of(request))
    detail = "The database does not answer. Nothing was changed; repeat the request."
    return problem_response(request_id_of(request), BUSY, detail, headers={"Retry-After": "1"})


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  as registered above
    if isinstance(error, ProblemError):
        return problem_response(request_id_of(request), error.kind, str(error.detail), error.errors, error.headers)
    kind = _BY_STATUS.get(error.status_code) or next((k for k in KINDS if k.status == error.status_code), INTERNAL)
    detail = {
        404: "Nothing is at this address; /openapi.json lists what is.",
        405: "Use one of the methods in the Allow header.",
    }.get(error.status_code, f"{error.detail}.")
    return problem_response(request_id_of(request), kind, detail, headers=error.headers)
