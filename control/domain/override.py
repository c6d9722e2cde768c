"""Whether an override may be written (semantics B4). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from control.domain.account import AccountOverride, windows_meet
from control.domain.errors import Conflict


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
