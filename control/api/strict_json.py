"""JSON as the contract means it: no duplicate keys, no NaN, no number that loses digits, bounded depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from control.api.problems import MALFORMED, ProblemError, field_problem

MAX_DEPTH: Final = 64
"""Arrays and objects inside each other; the deepest valid document needs about 20."""
_SUSPICIOUS_ESCAPE: Final = re.compile(r"\\u(0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class JsonError(ValueError):
    """The text is not the JSON that is accepted; the message says where and why."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        """Name the place, the problem and the remedy."""
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonError(twice, "stands twice in one object", "Write each field once.")
    return members


def _not_a_number(text: str) -> Any:
    raise JsonError("body", f"{text} is not JSON", "Write a number, or leave the field out.")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise JsonError("body", f"the number {text[:20]}... is too large", "Use whole numbers of at most 64 bits.")
    return int(text)


def _fraction(text: str) -> Any:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError("body", f"the number {text[:20]} is too large", "Use whole numbers of at most 64 bits.")
    return value


def _check_texts(value: Any) -> None:
    """Refuse what no database and no UTF-8 encoder takes: half of a surrogate pair, and NUL."""
    waiting = [("", value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [(path or "body", key) for key in each]
            waiting += [(f"{path}.{key}" if path else key, inner) for key, inner in each.items()]
        elif isinstance(each, list):
            waiting += [(f"{path}[{index}]", inner) for index, inner in enumerate(each)]
        elif isinstance(each, str) and _UNSTORABLE.search(each):
            problem = f"holds NUL or half of a surrogate pair in {ascii(each)[:60]}"
            raise JsonError(path or "body", problem, "Send text that UTF-8 can encode, without NUL.")


def _check_depth(raw: str) -> None:
    """Refuse deep nesting before the recursive decoder meets it; text inside strings does not count."""
    depth = 0
    inside = escaped = False
    for character in raw:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonError(
                    "body", f"is nested deeper than {MAX_DEPTH} levels", "Flatten it; conditions may be 8 deep."
                )
        elif character in "]}":
            depth -= 1


def parse_json(raw: bytes) -> Any:
    """Return the value; raise JsonError for anything that a careful reader would not accept."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError("body", f"is not UTF-8 at byte {error.start}", "Send JSON encoded as UTF-8.") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_members, parse_constant=_not_a_number, parse_int=_whole, parse_float=_fraction
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError("body", f"is not JSON: {error.msg} at {where}", "Send one JSON value.") from None
    if _SUSPICIOUS_ESCAPE.search(text):
        _check_texts(value)
    return value


def parse_body(raw: bytes) -> Any:
    """Return the request's JSON; raise a 400 problem that names the place."""
    try:
        return parse_json(raw)
    except JsonError as error:
        detail = f"The body is refused: {error}."
        raise ProblemError(MALFORMED, detail, [field_problem(error.field, error.problem, error.remedy)]) from None
