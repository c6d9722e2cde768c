"""Whether an override may be written (semantics B4). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from control.domain.account import AccountOverride, windows_meet
from control.domain.errors import Conflict
from entitlements.policy.model import Window


def settle(existing: Iterable[AccountOverride], override: AccountOverride, now_ms: int) -> AccountOverride:
    """Let an override without a beginning begin where the last ended one of its feature stopped.

    So a feature can be revoked, restored and revoked again without naming dates. Without an earlier one the beginning stays open: a revoke
    then holds at once also where a clock runs behind.
    """
    if override.window.from_ms is not None:
        return override
    ends = [
        other.window.until_ms
        for other in existing
        if other.id != override.id
        and (other.product, other.feature) == (override.product, override.feature)
        and other.window.until_ms is not None
        and other.window.until_ms <= now_ms
    ]
    start, end = max(ends, default=None), override.window.until_ms
    if start is None or (end is not None and end <= start):
        return override
    return replace(override, window=Window(start, end))


def others_live(existing: Iterable[AccountOverride], override: AccountOverride) -> None:
    """Raise Conflict when another override of the same feature would be live at the same time."""
    for other in existing:
        if other.id == override.id or (other.product, other.feature) != (override.product, override.feature):
            continue
        if windows_meet(other.window, override.window):
            raise Conflict(
                "feature",
                f"{override.feature!r} has the override {other.id!r} at the same time",
                f"End {other.id!r} first, or choose a window that does not meet it",
            )
