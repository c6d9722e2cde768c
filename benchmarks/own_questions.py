"""Questions of a load tester's own, for a sidecar that holds their customers: JSON lines.

    {"customer": "acme", "feature": "exports", "expected": "allow"}
    {"customer": "acme", "feature": "sso", "product": "suite", "expected": "deny", "code": "NOT_IN_PLAN"}
    {"customer": "globex", "feature": "exports"}

`expected` (allow or deny) and `code` (a reason code) are what the answer must be; without them any answer is taken, but its status is still checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.generators.question import Expectation, Question, numbers
from benchmarks.subjects.our_questions import ALLOWED_FIELD, CODE_FIELD, SERVICE
from entitlements.v1 import check_service_pb2, decision_pb2

FIELDS: Final = ("customer", "feature", "product", "expected", "code")
VERDICTS: Final = {"allow": 1, "deny": 0}


class BadLine(ValueError):  # noqa: N818 - names what is wrong
    """A line is no question; the text names file, line, field and remedy."""


def read_own_questions(path: Path) -> tuple[Question, ...]:
    """Return the questions of a file, in its order; BadLine for the first that cannot be understood. Empty lines are passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLine(f"{path} cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(_question(line))
            except BadLine as problem:
                raise BadLine(f"{path}, line {number}: {problem}") from None
    if not found:
        raise BadLine(
            f'{path} holds no question; write one a line, such as {{"customer": "acme", "feature": "exports"}}'
        )
    return tuple(found)


def _question(line: str) -> Question:
    try:
        plain = json.loads(line)
    except ValueError as error:
        raise BadLine(f"is no JSON ({error})") from None
    if not isinstance(plain, dict):
        raise BadLine('is no JSON object; write {"customer": "acme", "feature": "exports"}')
    unknown = sorted(set(plain) - set(FIELDS))
    if unknown:
        raise BadLine(f"has the unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}")
    texts = {name: _text(plain, name) for name in ("customer", "feature", "product", "code")}
    for name in ("customer", "feature"):
        if not texts[name]:
            raise BadLine(f"needs the field {name!r}")
    message = check_service_pb2.CheckRequest(
        customer_id=texts["customer"], feature=texts["feature"], product=texts["product"]
    )
    return Question(f"{SERVICE}Check", message.SerializeToString(), tuple(_expected(plain, texts["code"])))


def _text(plain: Mapping[str, Any], name: str) -> str:
    value = plain.get(name, "")
    if not isinstance(value, str):
        raise BadLine(f"has a {name!r} that is no text; put it into quotation marks")
    return value


def _expected(plain: Mapping[str, Any], code: str) -> list[Expectation]:
    made = []
    if "expected" in plain:
        verdict = plain["expected"]
        wanted = (
            int(verdict) if isinstance(verdict, bool) else VERDICTS.get(verdict) if isinstance(verdict, str) else None
        )
        if wanted is None:
            raise BadLine(f"has the field 'expected' {verdict!r}; write allow or deny")
        made.append(numbers((), ALLOWED_FIELD, [wanted]))
    if code:
        try:
            made.append(numbers((), CODE_FIELD, [int(decision_pb2.Code.Value(f"CODE_{code}"))]))
        except ValueError:
            raise BadLine(f"has the unknown code {code!r}; docs/reference/reasons.md lists them") from None
    return made
