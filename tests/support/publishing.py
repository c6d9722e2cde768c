"""A control plane's publishing side in one process: a database, a Redis, keys, and a vendor who commits changes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import shake_128
from pathlib import Path

from control.feed_side import FeedSide
from control.metrics import FEED_SERVICE_METRICS, PUBLISHER_METRICS
from control.store.database import open_engine
from control.store.schema import migrate
from control.store.unit_of_work import Store
from entitlements.policy.ids import Epoch, RecordKey
from entitlements.runtime.clock import ManualClock
from entitlements.runtime.metrics import Meters

START_MS = 1_795_000_000_000
EPOCH = Epoch(1_790_000_000)


class Vendor:
    """Commits changes through the unit of work, a delta each."""

    def __init__(self, store: Store, feed: str = "suite", epoch: Epoch = EPOCH) -> None:
        """Create the feed, empty."""
        self.store = store
        self.feed = feed
        self._count = 0
        with store.begin("vendor") as uow:
            uow.feeds.create(feed, epoch, [])

    def commit(self, count: int = 1, size: int = 40, tag: str = "") -> None:
        """Commit deltas of one new customer record each, incompressible, in one transaction."""
        with self.store.begin("vendor") as uow:
            uow.lock(self.feed)
            for _ in range(count):
                self._count += 1
                body = shake_128(f"{tag}{self._count}".encode()).digest(size)
                uow.feeds.put(self.feed, RecordKey(f"c/{self._count:06}"), body)
                uow.flush()

    def goes_back_to(self, count: int) -> None:
        """Number records anew, after the database was restored."""
        self._count = count


@dataclass
class Office:
    """One control plane process on a database and, perhaps, a Redis."""

    store: Store
    keys: Path
    redis_url: str | None

    def __post_init__(self) -> None:
        """Put the parts together."""
        self.clock = manual(self.store)
        self.meters = Meters((*PUBLISHER_METRICS, *FEED_SERVICE_METRICS))
        self.side = FeedSide(self.store, self.keys, self.redis_url, self.meters)
        self.log = self.side.sources.log
        self.signer = self.side.sources.signer
        self.redis = self.side.redis
        self.shelf = self.side.shelf
        self.heartbeats = self.side.heartbeats
        self.desk = self.side.desk
        self.publisher = self.side.publisher
        self.snapshotter = self.side.snapshotter

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
        self.side.close()


def open_store(url: str) -> Store:
    """Return a migrated database with a clock that only moves when told to."""
    engine = open_engine(url)
    migrate(engine)
    return Store(engine, ManualClock(START_MS))


def manual(store: Store) -> ManualClock:
    """Return the store's clock, to move it."""
    assert isinstance(store.clock, ManualClock)
    return store.clock
