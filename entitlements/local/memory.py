"""A memory of bounded size for what was decided: two generations, so that looking something up costs one dictionary look-up and no lock.

What is used moves into the young generation; when that is full it becomes the old one, and what nobody has used since the last time is
forgotten with the old old one. So the most recent half of the entries is always there, and an entry goes at the earliest after as many others
as half the size have been used. Exact least-recently-used order would cost a lock and a linked list at every look-up.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
What = TypeVar("What")


class Memory(Generic[Key, What]):
    """Thread-safe. Holds at most `entries`; with none allowed it remembers nothing."""

    __slots__ = ("_gate", "_half", "_old", "_young")

    def __init__(self, entries: int) -> None:
        """Remember nothing yet."""
        self._gate = Lock()
        self._half = (entries + 1) // 2
        self._young: dict[Key, What] = {}
        self._old: dict[Key, What] = {}

    def get(self, key: Key) -> What | None:
        """Return what is remembered under a key. TypeError when it cannot be one."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Key, what: What) -> None:
        """Remember something, in the place of what had the same key."""
        if not self._half:
            return
        with self._gate:
            if len(self._young) >= self._half and key not in self._young:
                self._old = self._young
                self._young = {}
            self._young[key] = what

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Memory [{len(self)} of {2 * self._half}]>"
