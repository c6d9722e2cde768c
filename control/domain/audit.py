"""The audit trail as a hash chain: pure.

The hash of an event is SHA-256 over a zero byte (the leaf prefix of RFC 9162, so that a tree over the same rows can be added later) and the
canonical JSON of the event with the hash before it. A linear chain shows every edit, removal inside, insertion and change of order;
that the end was cut off shows only against a head kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

GENESIS: Final = bytes(32)
"""What the first event names as the hash before it."""
_LEAF: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was done; ``before`` and ``after`` are JSON texts, None where there was or is nothing."""

    seq: int
    at_ms: int
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event as it is stored."""

    event: AuditEvent
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What checking a chain found. ``first_bad_seq`` and ``problem`` are None when all is well."""

    count: int
    head: bytes
    first_bad_seq: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Return whether the chain is whole."""
        return self.problem is None


def event_hash(prev_hash: bytes, event: AuditEvent) -> bytes:
    """Return the 32-byte hash that chains an event to the one before it."""
    parts = [
        prev_hash.hex(), event.seq, event.at_ms, event.actor, event.action, event.subject, event.before, event.after,
    ]  # fmt: skip
    canonical = json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()
    return sha256(_LEAF + canonical).digest()


def chain_event(prev_hash: bytes, event: AuditEvent) -> ChainedEvent:
    """Return an event with its place in the chain."""
    return ChainedEvent(event, prev_hash, event_hash(prev_hash, event))


def verify_chain(events: Iterable[ChainedEvent], head_seq: int, head_hash: bytes) -> AuditVerdict:
    """Check events, given in order from the first, and that they end at the head that is recorded beside them."""
    previous, count = GENESIS, 0
    for chained in events:
        seq = chained.event.seq
        if seq != count + 1:
            return AuditVerdict(
                count, previous, seq, f"expected event {count + 1}, found {seq}: one is missing or out of order"
            )
        if chained.prev_hash != previous:
            return AuditVerdict(count, previous, seq, "does not continue the event before it")
        if event_hash(previous, chained.event) != chained.hash:
            return AuditVerdict(count, previous, seq, "was changed: its content does not have its hash")
        previous, count = chained.hash, count + 1
    if (count, previous) != (head_seq, head_hash):
        return AuditVerdict(
            count, previous, count + 1, f"the trail ends at event {count}, the head names event {head_seq}"
        )
    return AuditVerdict(count, previous)
