"""What a client that decides in its own process counts, for the application's metrics (semantics F5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from entitlements.policy.freshness import ServedFrom
from entitlements.policy.reasons import Code


class Detour(StrEnum):
    """Why a question was not decided here, but put to the sidecar."""

    NO_STORE = "no_store"
    """There is none, it may not be read, or it is of a schema that this version does not know; `LocalFigures.trouble` says which."""
    INCOMPLETE = "incomplete"
    """There is a store, but no complete policy set in it yet."""
    UNVERIFIED = "unverified"
    """No heartbeat has come since the machine was started. After a power loss a store is re-hashed before it may answer; the sidecar knows."""
    BEHIND = "behind"
    """The store has not reached `min_version`: the sidecar can wait for it."""
    NOT_HELD = "not_held"
    """The store holds some of the customers, and not this one: the sidecar can fetch it."""
    UNREADABLE = "unreadable"
    """A record or the store does not match its checksum, or cannot be read; `LocalFigures.trouble` says more."""
    TOO_LARGE = "too_large"
    """The question is larger than a sidecar takes, and hears so from it."""
    INTERNAL = "internal"
    """Something broke while deciding."""


@dataclass(frozen=True, slots=True)
class LocalFigures:
    """A client's counts since it was made, or since the fork that made its process.

    Attributes:
        recalled: Answers from memory, found true on the same state of the store as before.
        revalidated: Answers from memory, found true on another state: a new heartbeat or a change elsewhere.
        decided: Answers decided anew.
        detours: Questions put to the sidecar, by reason (the values of Detour).
        by_code: Answers given here, by reason code.
        by_tier: Answers given here, by `served_from`.
        trouble: Why the store could not be opened, as of the last attempt; empty when it could.
    """

    recalled: int
    revalidated: int
    decided: int
    detours: Mapping[str, int]
    by_code: Mapping[str, int]
    by_tier: Mapping[str, int]
    trouble: str

    @property
    def answered(self) -> int:
        """All answers that were given here."""
        return self.recalled + self.revalidated + self.decided


class Count:
    """How many answers carried one code from one tier.

    Counting takes no lock. Under the interpreter's lock nothing is lost, because a thread is not switched within `+= 1`; an interpreter
    without that lock may lose a few of many.
    """

    __slots__ = ("decided", "recalled", "revalidated")

    def __init__(self) -> None:
        self.recalled = self.revalidated = self.decided = 0


class Tally:
    """The counts while they grow."""

    __slots__ = ("_counts", "_detours")

    def __init__(self) -> None:
        self._counts: dict[tuple[Code, ServedFrom], Count] = {}
        self._detours: dict[Detour, int] = {}

    def count(self, code: Code, tier: ServedFrom) -> Count:
        """Return what counts answers with this code from this tier."""
        found = self._counts.get((code, tier))
        return self._counts.setdefault((code, tier), Count()) if found is None else found

    def detour(self, why: Detour, questions: int = 1) -> None:
        """Count questions that go to the sidecar."""
        self._detours[why] = self._detours.get(why, 0) + questions

    def figures(self, trouble: str) -> LocalFigures:
        """Return the counts as they are now."""
        counts = dict(self._counts)
        by_code: Counter[str] = Counter()
        by_tier: Counter[str] = Counter()
        for (code, tier), count in counts.items():
            answers = count.recalled + count.revalidated + count.decided
            by_code[code.name] += answers
            by_tier[tier.name] += answers
        return LocalFigures(
            recalled=sum(count.recalled for count in counts.values()),
            revalidated=sum(count.revalidated for count in counts.values()),
            decided=sum(count.decided for count in counts.values()),
            detours={why.value: number for why, number in self._detours.items()},
            by_code=dict(by_code),
            by_tier=dict(by_tier),
            trouble=trouble,
        )
