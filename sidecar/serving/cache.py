"""Remembered answers: request bytes -> response body, with everything that must still be true for it to be given again.

Nothing here expires by itself: whoever takes an entry out holds its premises against the store and the clock first (`Vantage.standing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from entitlements.local.memory import Memory
from entitlements.local.premises import Premises
from sidecar.serving.tally import Count

MAX_REQUEST_BYTES: Final = 1024
MAX_BODY_BYTES: Final = 4096
"""Ordinary questions and answers have a few hundred bytes; larger ones are decided each time."""


@dataclass(slots=True)
class Answer:
    """One remembered answer: its encoded body, what it rests on, and where it is counted."""

    body: bytes
    premises: Premises
    count: Count


class DecisionCache(Memory[bytes, Answer]):
    """Answers by the bytes of their questions. Thread-safe; with no entries allowed it remembers nothing."""

    __slots__ = ()

    def put(self, key: bytes, what: Answer) -> None:
        """Remember an answer, unless it is one of those that would let a few callers fill the memory."""
        if len(key) <= MAX_REQUEST_BYTES and len(what.body) <= MAX_BODY_BYTES:
            super().put(key, what)
