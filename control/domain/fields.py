"""Reads one mapping of a document field by field and notes every mistake instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Final, TypeVar

from control.domain.errors import Problem
from entitlements.policy.condition_json import parse_condition
from entitlements.policy.conditions import ConditionError
from entitlements.policy.ids import Millis, id_problem
from entitlements.policy.model import ALWAYS, Condition, Window

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DURATION: Final = re.compile(r"(\d{1,12})(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CENTURY_MS: Final = 36_525 * 86_400_000
_MAX_DURATION_MS: Final = 400 * 86_400_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_TEXT: Final = 512
INT_MAX: Final = (1 << 63) - 1

_Choice = TypeVar("_Choice")


@dataclass(slots=True)
class Findings:
    """The mistakes found so far; ``now_ms`` lets absurd years be refused."""

    now_ms: int
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, problem: str, remedy: str) -> None:
        """Note one mistake."""
        self.problems.append(Problem(path, problem, remedy))


def at(path: str, name: str) -> str:
    """Return the path of a field."""
    return f"{path}.{name}" if path else name


class Fields:
    """One mapping of the document; fields that are not in ``allowed`` are refused at once."""

    __slots__ = ("_values", "findings", "path")

    def __init__(self, findings: Findings, value: object, path: str, allowed: Collection[str]) -> None:
        """Take a value that should be a mapping with text keys."""
        self.findings = findings
        self.path = path
        self._values: Mapping[object, object] = {}
        if not isinstance(value, Mapping):
            findings.refuse(path, "is not an object", "Write fields and values")
            return
        self._values = value
        for name in value:
            if name not in allowed:
                close = get_close_matches(str(name), allowed, 1)
                remedy = f"Did you mean {close[0]}?" if close else f"Use one of {', '.join(sorted(allowed))}"
                findings.refuse(at(path, str(name)), "is not a known field", remedy)

    def __contains__(self, name: str) -> bool:
        """Return whether the field is given; null counts as not given."""
        return self._values.get(name) is not None

    def raw(self, name: str) -> object:
        """Return the value as it stands, None when it is not given."""
        return self._values.get(name)

    def refuse(self, name: str, problem: str, remedy: str) -> None:
        """Note a mistake in a field."""
        self.findings.refuse(at(self.path, name), problem, remedy)

    def missing(self, name: str, remedy: str) -> None:
        """Note that a field is missing."""
        self.refuse(name, "is missing", remedy)

    def ident(self, name: str, *, required: bool = True) -> str:
        """Return an id (semantics A1); the empty text when it is missing or refused."""
        value = self.raw(name)
        if value is None:
            if required:
                self.missing(name, "Add an id of 1 to 128 bytes")
            return ""
        if not isinstance(value, str):
            self.refuse(name, "is not a text", "Put the id in quotes")
            return ""
        problem = id_problem(value)
        if problem is not None:
            self.refuse(name, problem, "Use 1 to 128 bytes of UTF-8, no control characters, no outer blanks")
            return ""
        return value

    def text(self, name: str) -> str:
        """Return a free text of at most 512 characters, empty when it is not given."""
        value = self.raw(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(name, "is not a text", "Put it in quotes")
        elif len(value) > _MAX_TEXT or _CONTROL.search(value):
            self.refuse(name, f"is longer than {_MAX_TEXT} characters or holds control characters", "Shorten it")
        else:
            return value
        return ""

    def flag(self, name: str) -> bool:
        """Return a truth value, False when it is not given."""
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.refuse(name, "is not true or false", "Write true or false")
        return False

    def whole(self, name: str, default: int | None, least: int, most: int) -> int:
        """Return a whole number between two bounds; without a default it is required."""
        value = self.raw(name)
        if value is None:
            if default is not None:
                return default
            self.missing(name, f"Add a whole number of at least {least}")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "is not a whole number", "Write a whole number without quotes")
        elif not least <= value <= most:
            self.refuse(name, f"is {value}", f"Use a whole number from {least} to {most}")
        else:
            return value
        return least

    def choice(self, name: str, table: Mapping[str, _Choice], default: _Choice | None) -> _Choice | None:
        """Return what a word stands for; None when it is refused, or missing without a default."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, str) and value in table:
            return table[value]
        self.refuse(name, f"is not one of {', '.join(table)}", "Write one of these words")
        return None

    def instant(self, name: str) -> Millis | None:
        """Return an instant in UTC milliseconds from ISO-8601 text with offset, or from an aware datetime."""
        value = self.raw(name)
        if value is None:
            return None
        remedy = "Write ISO-8601 with offset, such as 2027-01-31T00:00:00Z"
        moment: object = value
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                moment = None
        if not isinstance(moment, datetime):
            self.refuse(name, "is not an instant", remedy)
            return None
        if moment.tzinfo is None:
            self.refuse(name, "has no offset from UTC", remedy)
            return None
        ms = (moment - _EPOCH) // _MILLISECOND
        if not 0 < ms < self.findings.now_ms + _CENTURY_MS:
            self.refuse(
                name, f"lies in the year {moment.year}", "Use an instant after 1970 and within a century from now"
            )
            return None
        return Millis(ms)

    def window(self) -> Window:
        """Return [from, until) of this mapping; an end that is not given is open."""
        start, end = self.instant("from"), self.instant("until")
        if start is None and end is None:
            return ALWAYS
        if start is not None and end is not None and end <= start:
            self.refuse("until", "is not after `from`", "Let the window end later than it begins")
            return ALWAYS
        return Window(start, end)

    def duration(self, name: str) -> int | None:
        """Return a length of time in milliseconds from texts such as ``300ms``, ``5s``, ``24h``, ``7d``."""
        value = self.raw(name)
        if value is None:
            return None
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.refuse(name, "is not a length of time", "Write a number and a unit: 300ms, 5s, 10m, 24h, 7d")
            return None
        ms = int(match[1]) * _UNIT_MS[match[2]]
        if ms > _MAX_DURATION_MS:
            self.refuse(name, "is longer than 400 days", "Use at most 400d")
            return None
        return ms

    def condition(self, name: str) -> Condition | None:
        """Return a condition or None (semantics C)."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            return parse_condition(value)
        except ConditionError as error:
            path = at(name, error.path) if error.path else name
            self.refuse(path, error.problem, "See the forms of conditions in docs/semantics.md, section C")
            return None

    def each(self, name: str) -> Iterator[tuple[object, str]]:
        """Yield the elements of a list with their paths; nothing when it is not given."""
        value = self.raw(name)
        if value is None:
            return
        if not isinstance(value, list | tuple):
            self.refuse(name, "is not a list", "Write a list")
            return
        for index, element in enumerate(value):
            yield element, f"{at(self.path, name)}[{index}]"

    def entries(self, name: str) -> Iterator[tuple[str, object, str]]:
        """Yield (key, value, path) of a mapping; keys that are not texts are refused."""
        value = self.raw(name)
        if value is None:
            return
        if not isinstance(value, Mapping):
            self.refuse(name, "is not an object", "Write keys and values")
            return
        for key, element in value.items():
            if isinstance(key, str):
                yield key, element, f"{at(self.path, name)}.{key}"
            else:
                self.refuse(f"{name}.{key}", "has a key that is not a text", "Put the key in quotes")
