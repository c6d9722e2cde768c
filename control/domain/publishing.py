"""What to do about a feed's log, given what the database holds and what Redis shows: a pure comparison.

The database is the truth and the log a cache of it, so every difference has one of five answers: nothing, append what
is missing, start the log anew, begin a new epoch because the database itself went back (a restore), or touch nothing
and call a person. Level-triggered, as a Kubernetes controller: it compares states and never counts events, so it does
not matter why they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from entitlements.policy.ids import Epoch, Millis, Seq

REFILL_AT_LEAST: Final = 1_000
"""A log that starts anew reaches back at least this many deltas, so a sidecar a little behind needs no snapshot."""
LOG_KEEP_ENTRIES: Final = 200_000
LOG_KEEP_MS: Final = Millis(24 * 3_600_000)
SNAPSHOT_EVERY_DELTAS: Final = 10_000
SNAPSHOT_EVERY_MS: Final = Millis(15 * 60_000)
EPOCH_LEAD_S: Final = 86_400
"""Sidecars refuse an epoch further ahead of their clock than this; claims beyond it prove nothing (fast-forward)."""
REEPOCH_EVERY_MS: Final = Millis(3_600_000)


@dataclass(frozen=True, slots=True)
class Position:
    """A point in a feed's history; the chain value (32 bytes) tells branches with equal numbers apart."""

    epoch: Epoch
    seq: Seq
    chain: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """What the database holds of a feed."""

    head: Position
    oldest_seq: Seq
    """The oldest delta of the head's epoch that is still kept; head.seq + 1 when there is none."""
    snapshot_seq: Seq | None = None
    """Seq of the snapshot, in the head's epoch, that the publisher holds and can store again at no cost."""


@dataclass(frozen=True, slots=True)
class LogState:
    """What Redis shows of a feed: the head hash and the length of the stream."""

    head: Position
    min_seq: Seq
    snapshot_seq: Seq | None
    length: int

    @property
    def consistent(self) -> bool:
        """Tell whether the stream can hold what the head promises.

        The scripts keep it so; an operator's DEL, an XTRIM or an eviction does not. Trimming is approximate, so more
        entries than promised are normal.
        """
        return self.length >= self.head.seq - self.min_seq + 1


class Witness(StrEnum):
    """Where a claim about history comes from."""

    LOG = "log"
    ACK = "ack"


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word that a position was published: proven by our own signature, or by an authenticated sidecar.

    `forked` says that the sidecar has seen two signed histories of the position's epoch. Its own may be the database's; the other
    one exists all the same, and only a new epoch frees it (docs/adr/0013).
    """

    position: Position
    witness: Witness
    forked: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Publish the deltas after `after` up to and including `through`, in order."""

    after: Seq
    through: Seq


@dataclass(frozen=True, slots=True)
class Reset:
    """Start the log anew after `base`; `seen` is the head's seq in the same epoch, None when it shows none."""

    base: Seq
    seen: Seq | None


@dataclass(frozen=True, slots=True)
class ReEpoch:
    """The database lost history that was published: begin an epoch above `seen`."""

    seen: Epoch
    witness: Witness


@dataclass(frozen=True, slots=True)
class Hold:
    """Publish nothing: the log shows a history that the database does not have and nothing proves it."""

    problem: str


Command = Append | Reset | ReEpoch | Hold
ChainAt = Callable[[Seq], bytes | None]
"""The database's chain value at a seq of the head's epoch; None when it is no longer kept."""


def plan(
    truth: Truth, log: LogState | None, chain_at: ChainAt, proven: Iterable[Claim], now_ms: Millis
) -> tuple[Command, ...]:
    """Return what to do, in order; an empty tuple means that the log equals the database."""
    head = truth.head
    lost = lost_history(head, chain_at, proven, now_ms)
    if lost is not None:
        return (lost,)
    if log is None or log.head.epoch < head.epoch:
        return refill(truth, seen=None)
    if contradicts(head, log.head, chain_at):
        return (
            Hold(
                f"Redis shows {log.head.epoch}-{log.head.seq}, which the database at {head.epoch}-{head.seq} does not "
                "have, and no signed entry proves that it was ever published; check who writes to this Redis, delete "
                "the feed's head and log there, or run `entitlements feed re-epoch`"
            ),
        )
    if not log.consistent or log.head.seq < truth.oldest_seq - 1:
        return refill(truth, seen=log.head.seq)
    if log.head.seq < head.seq:
        return (Append(after=log.head.seq, through=head.seq),)
    return ()


def lost_history(head: Position, chain_at: ChainAt, proven: Iterable[Claim], now_ms: Millis) -> ReEpoch | None:
    """Return the command to begin a new epoch when a proven claim is no part of the database's history, or tells of another one."""
    lost = [
        claim
        for claim in proven
        if believable(claim, now_ms)
        and (contradicts(head, claim.position, chain_at) or (claim.forked and claim.position.epoch == head.epoch))
    ]
    if not lost:
        return None
    newest = max(lost, key=lambda claim: (claim.position.epoch, claim.position.seq))
    return ReEpoch(seen=newest.position.epoch, witness=newest.witness)


def refill(truth: Truth, seen: Seq | None) -> tuple[Command, ...]:
    """Return the commands that build a log from nothing, reaching back to the held snapshot but not over 200,000 deltas.

    Without one it is short, because a new snapshot at the head follows at once; what matters then is to be back soon.
    """
    head = truth.head.seq
    start = head - REFILL_AT_LEAST if truth.snapshot_seq is None else min(truth.snapshot_seq, head - REFILL_AT_LEAST)
    base = Seq(max(start, head - LOG_KEEP_ENTRIES, truth.oldest_seq - 1, 0))
    reset = Reset(base=base, seen=seen)
    return (reset,) if base == head else (reset, Append(after=base, through=head))


def contradicts(head: Position, other: Position, chain_at: ChainAt) -> bool:
    """Tell whether `other` cannot be a point of the history that ends in `head`.

    A chain value that is no longer kept contradicts nothing.
    """
    if other.epoch != head.epoch:
        return other.epoch > head.epoch
    if other.seq > head.seq:
        return True
    known = head.chain if other.seq == head.seq else chain_at(other.seq)
    return known is not None and known != other.chain


def believable(claim: Claim, now_ms: Millis) -> bool:
    """Tell whether an epoch lies within what sidecars accept; one beyond it would push every later epoch out of reach."""
    return claim.position.epoch <= now_ms // 1_000 + EPOCH_LEAD_S


def next_epoch(seen: Epoch, now_ms: Millis) -> Epoch:
    """Return the epoch after `seen`: the time in seconds, so branches of one database that was copied differ too."""
    return Epoch(max(now_ms // 1_000, seen + 1))


def trim_floor(head_seq: Seq, previous_snapshot_seq: Seq, oldest_recent_seq: Seq) -> Seq:
    """Return the oldest seq the log must keep.

    What is among the last 200,000 deltas, or of the last 24 hours (`oldest_recent_seq`), or not yet covered by the
    previous snapshot, stays: a sidecar that is loading that snapshot finds its continuation.
    """
    return Seq(max(0, min(head_seq - LOG_KEEP_ENTRIES + 1, oldest_recent_seq, previous_snapshot_seq + 1)))


def snapshot_due(head: Position, held: Position | None, age_ms: Millis) -> bool:
    """Tell whether a new snapshot is wanted, given the one that is held and its age in milliseconds."""
    if held is None or held.epoch != head.epoch:
        return True
    behind = head.seq - held.seq
    return behind >= SNAPSHOT_EVERY_DELTAS or (behind > 0 and age_ms >= SNAPSHOT_EVERY_MS)
