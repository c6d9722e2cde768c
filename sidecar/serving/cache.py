"""Remembered answers: request bytes -> response body, with everything that must still be true for it to be given again.

Nothing here expires by itself. Whoever takes an entry out compares the store's state, the checksums of the records that were read, and
the clock (`Answer`), so the cache needs no invalidation messages and cannot be late with one. Never remembered: answers for another
instant, answers of a fallback, answers given while too stale or while waiting for a version.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from entitlements.local.records import Reads
from entitlements.local.shelf import Shelf
from entitlements.policy.ids import Epoch, Seq
from entitlements.store.layout import StoreState
from sidecar.serving.tally import Count

MAX_REQUEST_BYTES: Final = 1024
MAX_BODY_BYTES: Final = 4096
"""Ordinary questions and answers have a few hundred bytes; larger ones are decided each time."""


@dataclass(slots=True)
class Answer:
    """One remembered answer.

    `basis` is the last state of the store under which it was found true, with the monotonic reading at which that policy was
    born (None when only the wall clock can tell its age). It is replaced, both at once, when the answer is found true again.
    """

    body: bytes
    shelf: Shelf
    basis: tuple[StoreState, int | None]
    live: bool
    reads: Reads
    valid_until_ms: int
    fresh_for_ms: int
    too_stale_from_ms: int
    min_version: tuple[Epoch, Seq] | None
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
