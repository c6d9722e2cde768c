"""The snapshotter: a thread beside the publisher that keeps a snapshot of each feed in Redis, and the outbox in bounds.

It has a thread of its own because packing takes a second per 100,000 records, which no commit should wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from control.domain.publishing import LOG_KEEP_ENTRIES, LOG_KEEP_MS, LogState, snapshot_due, trim_floor
from control.metrics import OUTBOX_TRIMMED, SNAPSHOTS, TURNS_LOST
from control.publishing.publisher_feed import FeedPublisher, Shared
from control.publishing.redis_log import PREVIOUS_SNAPSHOT_TTL_S, Answer, LogUnavailableError, RedisLog
from control.publishing.signing import NoSigningKeyError
from control.publishing.snapshots import PackedSnapshot, SnapshotError
from control.store.feed_log import FeedHead
from entitlements.policy.ids import Millis, Seq

LOOK_EVERY_S: Final = 1.0
UPKEEP_EVERY_MS: Final = Millis(15 * 60_000)
KEY_SET_EVERY_MS: Final = Millis(30_000)
OUTBOX_KEEP_MS: Final = Millis(7 * 24 * 3_600_000)
TRIM_ROWS: Final = 2_000


@dataclass(slots=True)
class _Standing:
    """What this process knows of one feed's snapshot in Redis."""

    stored: PackedSnapshot | None = None
    catalogue_for: PackedSnapshot | None = None
    """The snapshot beside which a catalogue was stored; the log reaches back to it, so it leads on from the catalogue too."""
    upkeep_mono_ms: int = 0
    key_set_mono_ms: int | None = None
    key_set_version: int = 0
    trim_mono_ms: int | None = None


class Snapshotter:
    """Tends all feeds of one control plane. `tend` is its whole work; the thread only calls it."""

    def __init__(self, shared: Shared, line_of: Callable[[str], FeedPublisher | None]) -> None:
        """Take what the publisher uses, and how to find its feeds."""
        self._shared = shared
        self._line_of = line_of
        self._standings: dict[str, _Standing] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="snapshotter", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread; a snapshot that is being packed is given up with the process."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def tend(self) -> None:
        """Look once after every feed."""
        for head in self._shared.log.heads():
            standing = self._standings.setdefault(head.feed, _Standing())
            line = self._line_of(head.feed)
            redis = self._shared.redis
            try:
                if redis is not None and line is not None and line.log_state is not None and line.held is None:
                    self._tend_redis(redis, line, line.log_state, head, standing)
            except LogUnavailableError as error:
                structlog.get_logger().warning("snapshot_not_stored", feed=head.feed, problem=str(error))
            except SnapshotError as error:
                structlog.get_logger().error("snapshot_refused", feed=head.feed, problem=str(error))
            self._trim(head, line, standing)

    def _tend_redis(
        self, redis: RedisLog, line: FeedPublisher, log: LogState, head: FeedHead, standing: _Standing
    ) -> None:
        if log.head.epoch != head.position.epoch:
            return  # the publisher starts the log of this epoch first
        mono_ms = self._shared.clock.monotonic_ms()
        self._put_key_set(redis, head.feed, standing, mono_ms)
        held = self._shared.shelf.newest(head.feed)
        age_ms = Millis(0 if held is None else mono_ms - held.packed_mono_ms)
        upkeep = mono_ms - standing.upkeep_mono_ms >= UPKEEP_EVERY_MS
        if held is None or snapshot_due(head.position, held.at, age_ms):
            self._store(redis, line, log, self._shared.shelf.obtain(head.feed), standing)
        elif log.snapshot_seq is None or log.snapshot_seq < held.at.seq:
            self._store(redis, line, log, held, standing)
        elif upkeep and not self._still_there(redis, held, log):
            self._store(redis, line, log, self._shared.shelf.obtain(head.feed), standing)
        if upkeep:
            standing.upkeep_mono_ms = mono_ms
        if upkeep or standing.catalogue_for is not standing.stored:
            self._store_catalogue(redis, head.feed, standing)

    def _still_there(self, redis: RedisLog, held: PackedSnapshot, log: LogState) -> bool:
        """Renew the life of what Redis holds; False when it is not ours, or no longer whole."""
        return log.snapshot_seq == held.at.seq and redis.keep_snapshot(
            held.feed, held.at.epoch, held.at.seq, len(held.chunks)
        )

    def _store(
        self, redis: RedisLog, line: FeedPublisher, log: LogState, packed: PackedSnapshot, standing: _Standing
    ) -> None:
        """Store a snapshot, let the one before expire, and tell the publisher how far back the log is still needed."""
        answer = redis.put_snapshot(packed.feed, packed.at, packed.manifest, packed.chunks)
        if answer not in {Answer.DONE, Answer.DUPLICATE}:
            return  # the log has changed meanwhile; the next look sees how
        self._shared.meters.counter(SNAPSHOTS, packed.feed, "stored").inc()
        before, standing.stored, standing.catalogue_for = standing.stored, packed, None
        standing.upkeep_mono_ms = self._shared.clock.monotonic_ms()
        if before is not None and before.at != packed.at:
            redis.keep_snapshot(
                before.feed, before.at.epoch, before.at.seq, len(before.chunks), PREVIOUS_SNAPSHOT_TTL_S
            )
        same_epoch = before is not None and before.at.epoch == packed.at.epoch
        covered = before.at.seq if before is not None and same_epoch else Seq(log.min_seq - 1)
        since_ms = Millis(self._shared.clock.now_ms() - LOG_KEEP_MS)
        recent = self._shared.log.oldest_since(packed.feed, packed.at.epoch, since_ms)
        line.keep_from = trim_floor(packed.at.seq, covered, Seq(packed.at.seq + 1) if recent is None else recent)

    def _store_catalogue(self, redis: RedisLog, feed: str, standing: _Standing) -> None:
        packed = self._shared.catalogues.obtain(feed)
        if redis.put_catalogue(feed, packed.at, packed.manifest, packed.chunks) in {Answer.DONE, Answer.DUPLICATE}:
            standing.catalogue_for = standing.stored

    def _put_key_set(self, redis: RedisLog, feed: str, standing: _Standing, mono_ms: int) -> None:
        """Put the key set where sidecars look, at once when it changed and now and then in any case."""
        before = standing.key_set_mono_ms
        version = self._shared.signer.version
        if before is None or mono_ms - before >= KEY_SET_EVERY_MS or standing.key_set_version != version:
            redis.put_key_set(feed, self._shared.signer.key_set)
            standing.key_set_mono_ms, standing.key_set_version = mono_ms, version

    def _trim(self, head: FeedHead, line: FeedPublisher | None, standing: _Standing) -> None:
        """Delete deltas that are older than a week and that neither the log nor the newest snapshot still needs."""
        mono_ms = self._shared.clock.monotonic_ms()
        if standing.trim_mono_ms is not None and mono_ms - standing.trim_mono_ms < UPKEEP_EVERY_MS:
            return
        standing.trim_mono_ms = mono_ms
        at = head.position
        below = at.seq - LOG_KEEP_ENTRIES
        if line is not None and line.log_state is not None and line.log_state.head.epoch == at.epoch:
            below = min(below, line.log_state.min_seq)
        elif self._shared.redis is not None:
            return  # what the log holds is not known now
        before_ms = Millis(self._shared.clock.now_ms() - OUTBOX_KEEP_MS)
        while not self._stopping.is_set():
            deleted = self._shared.log.trim(head.feed, at.epoch, Seq(max(0, below)), before_ms, TRIM_ROWS)
            if deleted:
                self._shared.meters.counter(OUTBOX_TRIMMED, head.feed).inc(deleted)
            if deleted < TRIM_ROWS:
                return

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.tend()
            except (SQLAlchemyError, NoSigningKeyError) as error:
                self._shared.meters.counter(TURNS_LOST, "snapshotter").inc()
                structlog.get_logger().error("snapshotter_turn_lost", problem=f"{type(error).__name__}: {error}")
            except Exception:  # noqa: BLE001 - the seam of a thread: a mistake costs one turn, never all that follow
                self._shared.meters.counter(TURNS_LOST, "snapshotter").inc()
                structlog.get_logger().exception("snapshotter_turn_lost")

    def __repr__(self) -> str:
        """Show how many feeds have a snapshot in Redis that this process stored."""
        stored = sum(standing.stored is not None for standing in self._standings.values())
        return f"<Snapshotter [{stored} of {len(self._standings)} feeds stored]>"
