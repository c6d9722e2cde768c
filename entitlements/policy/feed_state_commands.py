"""What the shell shall do next. A step only says it; executing, and reporting what came of it as an event, is the shell's part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from entitlements.policy.feed_state_events import DeltaFacts, ManifestFacts
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import Path, Phase, Position, Version
from entitlements.policy.ids import Epoch, Millis


@dataclass(frozen=True, slots=True)
class Apply:
    """Write a run of deltas in one transaction; report Applied or ApplyFailed."""

    deltas: Sequence[DeltaFacts]
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Replace:
    """Write a snapshot over everything in one transaction; report Applied or ApplyFailed."""

    manifest: ManifestFacts
    envelope: bytes
    records: object


@dataclass(frozen=True, slots=True)
class Pulse:
    """Note in the store that a heartbeat confirmed it; the only thing that makes an age younger."""

    issued_at_ms: Millis
    wall_rx_ms: Millis
    mono_rx_ms: Millis


@dataclass(frozen=True, slots=True)
class SetForked:
    """Note in the store that it stands on a history which the control plane does not have."""


@dataclass(frozen=True, slots=True)
class FetchHead:
    """Ask a source for the head; report HeadArrived or FetchFailed with the ticket."""

    ticket: int
    path: Path


@dataclass(frozen=True, slots=True)
class FetchRange:
    """Ask a source for one page of deltas after a position; report RangeArrived or FetchFailed with the ticket."""

    ticket: int
    path: Path
    after: Position


@dataclass(frozen=True, slots=True)
class FetchSnapshot:
    """Ask a source for its newest snapshot; report SnapshotArrived or FetchFailed with the ticket.

    A snapshot below `at_least`, or not above the epoch `above` when one is given, will be refused: do not load its chunks.
    """

    ticket: int
    path: Path
    at_least: Version
    above: Epoch | None


@dataclass(frozen=True, slots=True)
class PollSecondPath:
    """Ask the control plane for its newest heartbeat; report HeartbeatArrived if it came, then PollEnded."""


@dataclass(frozen=True, slots=True)
class FetchKeySet:
    """Fetch and install the key set; report KeySetArrived or KeySetFailed."""


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Open the subscription; report Subscribed or Disconnected."""


@dataclass(frozen=True, slots=True)
class DropLink:
    """Close the subscription; nothing is reported."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Bring the store to disk and raise the floor to what is there; report Persisted."""


@dataclass(frozen=True, slots=True)
class Ack:
    """Tell the control plane what is applied; best effort, nothing is reported."""

    position: Position | None
    phase: Phase
    digest_ok: bool
    fresh_at_ms: Millis


@dataclass(frozen=True, slots=True)
class Note:
    """A rule of the table was applied; for counting and for logs."""

    rule: Rule


Command: TypeAlias = (
    Apply
    | Replace
    | Pulse
    | SetForked
    | FetchHead
    | FetchRange
    | FetchSnapshot
    | PollSecondPath
    | FetchKeySet
    | OpenLink
    | DropLink
    | Persist
    | Ack
    | Note
)
