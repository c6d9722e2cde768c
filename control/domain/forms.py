"""Parts of document forms that many resources share: dates, conditions, values, lengths of time.

`render_*` gives the form, `restore_*` the domain object of a form that was judged before it was stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.domain.values import render_value, restore_value
from entitlements.policy.condition_json import parse_condition, parse_instant, render_condition, render_instant
from entitlements.policy.ids import Millis
from entitlements.policy.model import ALWAYS, Condition, Instant, Value, Window

Form = dict[str, Any]
"""A resource as plain JSON data."""
FormView = Mapping[str, Any]


def kept(form: Form) -> Form:
    """Return a form without the fields that say nothing."""
    return {name: value for name, value in form.items() if value not in (None, "", [], {}, ())}


def render_at(ms: Millis | None) -> str | None:
    """Return an instant as text."""
    return None if ms is None else render_instant(Instant(ms))


def restore_at(text: str | None) -> Millis | None:
    """Return the instant of a text."""
    return None if text is None else Millis(parse_instant(text).ms)


def render_dates(window: Window) -> Form:
    """Return the two ends of a window."""
    return {"from": render_at(window.from_ms), "until": render_at(window.until_ms)}


def restore_window(form: FormView) -> Window:
    """Return the window that a form has."""
    start, end = form.get("from"), form.get("until")
    return ALWAYS if start is None and end is None else Window(restore_at(start), restore_at(end))


def render_when(condition: Condition | None) -> Any:
    """Return the form of a condition."""
    return None if condition is None else render_condition(condition)


def restore_when(form: FormView, name: str = "when") -> Condition | None:
    """Return the condition that a form has."""
    return parse_condition(form[name]) if name in form else None


def render_granted(value: Value | None) -> Form:
    """Return `{value: ...}`, empty without a value."""
    return {} if value is None else {"value": render_value(value)}


def restore_granted(form: FormView, name: str = "value") -> Value | None:
    """Return the value that a form has."""
    return restore_value(form[name]) if name in form else None


def render_duration(ms: int) -> str:
    """Return a length of time with the largest unit that shows it whole."""
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if ms and ms % length == 0:
            return f"{ms // length}{unit}"
    return f"{ms}ms"


def restore_duration(text: str | None) -> int | None:
    """Return the milliseconds of such a text."""
    if text is None:
        return None
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}[text[len(digits) :]]
