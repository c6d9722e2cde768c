"""Beginning a new epoch of a feed: by itself when published history is missing from the database, or on request.

A restored backup lacks what sidecars have already applied. They never go back, so the feed must go on in a new epoch,
which every sidecar enters through a complete snapshot.
"""

from __future__ import annotations

import secrets
from typing import Final

import structlog

from control.domain.publishing import REEPOCH_EVERY_MS, ReEpoch, next_epoch
from control.metrics import HELD, REEPOCHS
from control.store.feed_log import FeedHead, FeedLog
from entitlements.policy.ids import Epoch, Millis
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters

ACTOR: Final = "system:publisher"
LIMIT: Final = "reepoch_limit"
_NONCE_BYTES: Final = 32


def begin_epoch(log: FeedLog, head: FeedHead, seen: Epoch, actor: str, reason: str, now_ms: Millis) -> Epoch | None:
    """Begin the epoch after the head's and `seen`; None when somebody else did meanwhile. Leaves an audit event."""
    epoch = next_epoch(Epoch(max(seen, head.position.epoch)), now_ms)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return epoch if log.begin_epoch(head.feed, head.position.epoch, epoch, nonce, actor, reason) else None


class EpochKeeper:
    """Begins epochs for the publisher, at most one an hour and feed: a stolen sidecar key must not be able to at will."""

    def __init__(self, log: FeedLog, clock: Clock, meters: Meters) -> None:
        self._log = log
        self._clock = clock
        self._meters = meters
        self._begun_mono_ms: dict[str, int] = {}
        self._limited: set[str] = set()

    def heal(self, head: FeedHead, command: ReEpoch) -> bool:
        """Begin a new epoch; False, with an alarm, when one was begun within the hour."""
        feed, witness = head.feed, command.witness.value
        mono_ms = self._clock.monotonic_ms()
        before = self._begun_mono_ms.get(feed)
        if before is not None and mono_ms - before < REEPOCH_EVERY_MS:
            if feed not in self._limited:
                structlog.get_logger().error(
                    "history_lost_again", feed=feed, witness=witness, remedy="run `entitlements feed re-epoch`"
                )
            self._limited.add(feed)
            self._meters.gauge(HELD, feed, LIMIT).set(1)
            return False
        reason = f"published history is missing from the database (witness: {witness})"
        epoch = begin_epoch(self._log, head, command.seen, ACTOR, reason, Millis(self._clock.now_ms()))
        if epoch is not None:
            self._begun_mono_ms[feed] = mono_ms
            self._meters.counter(REEPOCHS, feed, witness).inc()
            structlog.get_logger().error("history_lost_epoch_begun", feed=feed, witness=witness, epoch=epoch)
        self._limited.discard(feed)
        self._meters.gauge(HELD, feed, LIMIT).set(0)
        return True

    def __repr__(self) -> str:
        """Show which feeds needed it."""
        return f"<EpochKeeper [{len(self._begun_mono_ms)} healed | {len(self._limited)} limited]>"
