"""What can happen to a feed, as `feed_state.step` is told it. Everything that carries policy has been verified before.

The three protocols name the facts a step reads of a message, so the core needs no knowledge of bytes; the messages of
`entitlements.wire` have these attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from entitlements.policy.feed_state_value import NO_VERSION, Path, Position, Version
from entitlements.policy.ids import Epoch, Millis, Seq


class DeltaFacts(Protocol):
    """What a step reads of a delta."""

    @property
    def epoch(self) -> Epoch:
        """Return the epoch."""

    @property
    def seq(self) -> Seq:
        """Return the position after the delta."""

    @property
    def prev(self) -> bytes:
        """Return the chain value before it."""

    @property
    def chain(self) -> bytes:
        """Return the chain value after it."""


class HeartbeatFacts(Protocol):
    """What a step reads of a heartbeat."""

    @property
    def epoch(self) -> Epoch:
        """Return the head's epoch."""

    @property
    def seq(self) -> Seq:
        """Return the head's seq."""

    @property
    def chain(self) -> bytes:
        """Return the head's chain value."""

    @property
    def digest(self) -> bytes:
        """Return the digest of the whole set at the head."""

    @property
    def issued_at_ms(self) -> Millis:
        """Return when it was issued, publisher's wall clock."""

    @property
    def not_after_ms(self) -> Millis:
        """Return when it ends, publisher's wall clock."""


class ManifestFacts(Protocol):
    """What a step reads of a snapshot's manifest."""

    @property
    def epoch(self) -> Epoch:
        """Return the epoch."""

    @property
    def seq(self) -> Seq:
        """Return the seq."""

    @property
    def chain(self) -> bytes:
        """Return the chain value there."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a source says the head is. Redis's word is unsigned: it is a hint where to look, and never proof of a fork."""

    epoch: Epoch
    seq: Seq
    min_replay_seq: Seq

    @property
    def version(self) -> Version:
        """Return epoch and seq."""
        return Version(self.epoch, self.seq)


@dataclass(frozen=True, slots=True)
class Started:
    """The process starts with a store that was verified, or with none (`position` None)."""

    position: Position | None = None
    digest: bytes = b""
    floor: Version = NO_VERSION
    ring_tail: tuple[bytes, ...] = ()
    forked: bool = False
    fresh_at_ms: Millis = Millis(0)
    has_keys: bool = False
    fits: bool = True
    """The store holds as much as is wanted: the whole set, or a catalogue with some of the customers."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The server confirmed the subscription, for the first time or after a silent reconnect."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The subscription is gone, or could not be opened."""


@dataclass(frozen=True, slots=True)
class DeltaArrived:
    """The bus brought a delta."""

    delta: DeltaFacts
    envelope: bytes


@dataclass(frozen=True, slots=True)
class HeartbeatArrived:
    """A heartbeat, from the bus or asked for."""

    heartbeat: HeartbeatFacts
    path: Path


@dataclass(frozen=True, slots=True)
class NudgeArrived:
    """The bus says that the head moved to a delta too large for it."""

    version: Version


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes were not accepted; `unknown_key` when a newer key set may explain it."""

    unknown_key: bool = False


@dataclass(frozen=True, slots=True)
class HeadArrived:
    """The answer to FetchHead; None when the source knows no head."""

    ticket: int
    head: Head | None


@dataclass(frozen=True, slots=True)
class RangeArrived:
    """The answer to FetchRange: one verified, unbroken page, and the envelope of its last delta."""

    ticket: int
    deltas: Sequence[DeltaFacts]
    envelope: bytes = b""


@dataclass(frozen=True, slots=True)
class SnapshotArrived:
    """The answer to FetchSnapshot: a verified manifest and, opaque to the core, its verified records."""

    ticket: int
    manifest: ManifestFacts
    envelope: bytes
    records: object = None


class FetchProblem(Enum):
    """Why a fetch brought nothing."""

    UNAVAILABLE = "unavailable"
    TRIMMED = "trimmed"
    """What was asked for is no longer kept."""
    UNSUITABLE = "unsuitable"
    """There is one, but it would take us back or not out of a fork."""
    REFUSED = "refused"
    UNKNOWN_KEY = "unknown_key"


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """The answer to any fetch that brought nothing."""

    ticket: int
    problem: FetchProblem = FetchProblem.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Applied:
    """A write is committed: where the store is now, and the digest of what it holds."""

    position: Position
    digest: bytes


class WriteProblem(Enum):
    """Why a write changed nothing."""

    DIGEST_MISMATCH = "digest_mismatch"
    """The set would not have the digest that was signed."""
    STORE = "store"
    """The store could not be written: full, read-only, failing."""


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """A write was aborted and the store is as it was."""

    problem: WriteProblem


@dataclass(frozen=True, slots=True)
class StoreDamaged:
    """A reader found a record that does not match its checksum: what is stored can no longer be built upon."""


@dataclass(frozen=True, slots=True)
class PollEnded:
    """A poll of the control plane's heartbeat is over; what it brought was told before."""


@dataclass(frozen=True, slots=True)
class KeySetArrived:
    """A key set was fetched and verified; `newer` when it replaced the installed one."""

    newer: bool


@dataclass(frozen=True, slots=True)
class KeySetFailed:
    """No key set could be fetched or accepted."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """The store is on disk up to a version, and the floor stands there; None when that failed."""

    floor: Version | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = (
    Started
    | Subscribed
    | Disconnected
    | DeltaArrived
    | HeartbeatArrived
    | NudgeArrived
    | Refused
    | HeadArrived
    | RangeArrived
    | SnapshotArrived
    | FetchFailed
    | Applied
    | ApplyFailed
    | StoreDamaged
    | PollEnded
    | KeySetArrived
    | KeySetFailed
    | Persisted
    | Tick
)
