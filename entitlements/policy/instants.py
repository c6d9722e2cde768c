"""Instants as text: ISO-8601 with offset in, UTC with milliseconds out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from entitlements.policy.model import Instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def parse_instant(text: str) -> Instant:
    """Return the instant of an ISO-8601 text with offset, to the millisecond; ValueError says what is wrong."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO-8601 instant such as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; add Z or +01:00")
    return Instant((moment - _EPOCH) // _MILLISECOND)


def render_instant(instant: Instant) -> str:
    """Return an instant as ISO-8601 in UTC with milliseconds."""
    moment = _EPOCH + instant.ms * _MILLISECOND
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def date_of(ms: int) -> str:
    """Return an instant for people; one beyond the calendar as the bare number."""
    return render_instant(Instant(ms)) if _FIRST_MS <= ms <= _LAST_MS else f"{ms} ms"
