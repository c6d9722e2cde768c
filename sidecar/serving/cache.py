"""Remembered answers: request bytes -> response body, with everything that must still be true for it to be given again.

Nothing here expires by itself: whoever takes an entry out holds its premises against the store and the clock first (`Vantage.standing`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

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


class DecisionCache:
    """Least recently used answers first out. Thread-safe; with no entries allowed it remembers nothing."""

    def __init__(self, entries: int) -> None:
        """Keep at most `entries` answers."""
        self._gate = threading.Lock()
        self._held: LRUCache[bytes, Answer] = LRUCache(max(1, entries))
        self._enabled = entries > 0

    def get(self, request: bytes) -> Answer | None:
        """Return the remembered answer to these very bytes."""
        with self._gate:
            return self._held.get(request)

    def put(self, request: bytes, answer: Answer) -> None:
        """Remember an answer, unless it is one of those that would let a few callers fill the memory."""
        if self._enabled and len(request) <= MAX_REQUEST_BYTES and len(answer.body) <= MAX_BODY_BYTES:
            with self._gate:
                self._held[request] = answer

    def discard(self, request: bytes) -> None:
        """Forget an answer."""
        with self._gate:
            self._held.pop(request, None)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<DecisionCache [{len(self._held)} of {self._held.maxsize if self._enabled else 0}]>"
