"""Heartbeats: once a second, signed, the head of each feed in the database at one instant.

They are made also while Redis is away, and the newest of each feed is kept for the gRPC feed. `issued_at` is read
before the head is, so a heartbeat never claims to be fresher than what it says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from control.domain.publishing import Position
from control.publishing.signing import Signer
from entitlements.policy.ids import Millis, Seq
from entitlements.wire import envelope

HEARTBEAT_EVERY_MS: Final = Millis(1_000)
HEARTBEAT_LIFE_MS: Final = Millis(30_000)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A signed heartbeat: what it says, and its serialized Envelope."""

    head: Position
    issued_at_ms: Millis
    envelope: bytes


class HeartbeatBook:
    """The newest heartbeat of each feed. Written by the publisher's thread, read by any."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._newest: dict[str, Heartbeat] = {}

    def newest(self, feed: str) -> Heartbeat | None:
        """Return the newest heartbeat; None before the first."""
        return self._newest.get(feed)

    def write(
        self, feed: str, head: Position, digest: bytes, asked_at_ms: Millis, min_replay_seq: Seq, snapshot_seq: Seq
    ) -> Heartbeat:
        """Sign and keep a heartbeat of a head that was read after `asked_at_ms`.

        Its time rises strictly, also when the wall clock is set back: sidecars drop what does not.
        """
        before = self._newest.get(feed)
        issued_at_ms = asked_at_ms if before is None else Millis(max(asked_at_ms, before.issued_at_ms + 1))
        body = envelope.build_heartbeat(
            feed,
            head.epoch,
            head.seq,
            head.chain,
            digest,
            issued_at_ms,
            min_replay_seq,
            snapshot_seq,
            issued_at_ms + HEARTBEAT_LIFE_MS,
        )
        beat = Heartbeat(head, issued_at_ms, self._signer.sign_heartbeat(body, issued_at_ms))
        self._newest[feed] = beat
        return beat

    def keep(self, feeds: Collection[str]) -> None:
        """Drop the heartbeats of feeds that no longer exist."""
        for feed in self._newest.keys() - set(feeds):
            del self._newest[feed]

    def __repr__(self) -> str:
        """Show how many feeds have one."""
        return f"<HeartbeatBook [{len(self._newest)} feeds]>"
