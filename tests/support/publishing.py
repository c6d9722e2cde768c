"""A control plane's publishing side in one process: a database, a Redis, keys, and a vendor who commits changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import shake_128
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from control.acks import AckDesk
from control.epochs import EpochKeeper
from control.heartbeats import HeartbeatBook
from control.key_files import KeyFiles
from control.metrics import FEED_SERVICE_METRICS, PUBLISHER_METRICS
from control.publisher import Publisher
from control.publisher_feed import Shared
from control.redis_log import RedisLog
from control.signing import Signer
from control.snapshots import SnapshotShelf
from control.snapshotter import Snapshotter
from control.store import tables
from control.store.feed_log import FeedLog
from entitlements.policy import digest
from entitlements.policy.ids import Epoch, Millis, RecordKey, Seq
from entitlements.runtime.clock import ManualClock
from entitlements.runtime.metrics import Meters
from entitlements.wire.envelope import RecordChange, build_delta

START_MS = 1_795_000_000_000
EPOCH = Epoch(1_790_000_000)


class Vendor:
    """Commits deltas as the unit of work does: record table, digest, feed row and outbox in one transaction."""

    def __init__(self, engine: Engine, clock: ManualClock, feed: str = "suite", epoch: Epoch = EPOCH) -> None:
        """Create the feed, empty."""
        self.engine = engine
        self.clock = clock
        self.feed = feed
        empty = digest.sum_to_bytes(digest.EMPTY_SUM)
        base = digest.chain_base(feed, epoch, digest.digest_of(digest.EMPTY_SUM), b"nonce")
        with engine.begin() as connection:
            connection.execute(
                sa.insert(tables.feed).values(product=feed, epoch=epoch, seq=0, chain=base, digest_sum=empty)
            )

    def commit(self, count: int = 1, size: int = 40, tag: str = "") -> Seq:
        """Commit deltas of one customer record each, incompressible, and return the seq of the last."""
        row, seq = tables.feed.c, Seq(0)
        with self.engine.begin() as connection:
            for _ in range(count):
                epoch, seq, chain, total_raw = connection.execute(
                    sa.select(row.epoch, row.seq, row.chain, row.digest_sum).where(row.product == self.feed)
                ).one()
                seq = Seq(seq + 1)
                number = 1 + connection.execute(sa.select(sa.func.count()).select_from(tables.record)).scalar_one()
                key, body = RecordKey(f"c/{number:06}"), shake_128(f"{tag}{number}".encode()).digest(size)
                total = digest.sum_replace(digest.sum_from_bytes(total_raw), key, None, body)
                made = build_delta(
                    self.feed,
                    epoch,
                    seq,
                    chain,
                    [RecordChange(key, body)],
                    digest.digest_of(total),
                    self.clock.now_ms(),
                )
                connection.execute(sa.insert(tables.record).values(feed=self.feed, key=key, body=body))
                connection.execute(
                    sa.insert(tables.outbox).values(
                        feed=self.feed,
                        epoch=epoch,
                        seq=seq,
                        body=made.body,
                        chain=made.chain,
                        digest=digest.digest_of(total),
                        committed_at_ms=self.clock.now_ms(),
                    )
                )
                connection.execute(
                    sa.update(tables.feed)
                    .where(row.product == self.feed)
                    .values(seq=seq, chain=made.chain, digest_sum=digest.sum_to_bytes(total))
                )
        return seq


@dataclass
class Office:
    """One control plane process on a database and, perhaps, a Redis."""

    engine: Engine
    keys: Path
    redis_url: str | None
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_MS))

    def __post_init__(self) -> None:
        """Put the parts together as the composition root does."""
        self.meters = Meters((*PUBLISHER_METRICS, *FEED_SERVICE_METRICS))
        self.log = FeedLog(self.engine)
        self.redis = None if self.redis_url is None else RedisLog.at(self.redis_url, self.clock, self.meters)
        self.signer = Signer.of_directory(KeyFiles(self.keys), self.clock)
        self.shelf = SnapshotShelf(self.log, self.signer, self.clock, self.meters)
        self.epochs = EpochKeeper(self.log, self.clock, self.meters)
        self.shared = Shared(self.log, self.redis, self.signer, self.shelf, self.epochs, self.clock, self.meters)
        self.heartbeats = HeartbeatBook(self.signer)
        self.desk = AckDesk()
        self.publisher = Publisher(self.shared, self.heartbeats, self.desk)
        self.snapshotter = Snapshotter(self.shared, self.publisher.feed)

    def turn(self, ms: int = 500) -> None:
        """Let time pass and the publisher and the snapshotter each work once."""
        self.clock.advance(ms)
        self.publisher.turn()
        self.snapshotter.tend()

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 when it was never touched."""
        return self.meters.registry.get_sample_value(name, labels) or 0.0

    def close(self) -> None:
        """Close connections."""
        if self.redis is not None:
            self.redis.close()


def now(office: Office) -> Millis:
    """Return the office's wall time."""
    return Millis(office.clock.now_ms())
