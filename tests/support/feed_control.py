"""The feed side of a real control plane in this process: database, publisher, snapshotter, gRPC feed; ended and begun again as a test likes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import shake_128
from pathlib import Path

from control.api.auth import RefusedCredentialError
from control.api.credentials import Principal, Scope
from control.domain.publishing import Position
from control.feed_side import FeedSide, Listener
from control.metrics import FEED_SERVICE_METRICS, PUBLISHER_METRICS
from control.store.database import open_engine
from control.store.schema import migrate
from control.store.unit_of_work import Store
from entitlements.policy.ids import RecordKey
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.metrics import Meters

FEED = "suite"


def authenticate(header: str | None) -> Principal:
    """Know one sidecar."""
    if header != "Bearer token":
        raise RefusedCredentialError("The API key is unknown")
    return Principal("kid", "sidecar", frozenset({Scope.SIDECAR}))


class Control:
    """One control plane process, which can be ended and begun again on the same database."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        """Open the database; the feed side starts with `start`."""
        self._folder = folder
        self._redis_url = redis_url
        self.address = f"unix:{folder / 'feed.sock'}"
        engine = open_engine(f"sqlite:///{folder / 'control.db'}")
        migrate(engine)
        self.store = Store(engine, SystemClock())
        self.side: FeedSide | None = None
        self.meters = Meters(())

    def start(self) -> None:
        """Start the feed side."""
        self.meters = Meters((*PUBLISHER_METRICS, *FEED_SERVICE_METRICS))
        listener = Listener(self.address, authenticate)
        self.side = FeedSide(self.store, self._folder / "keys", self._redis_url, self.meters, listener)
        self.side.start()

    def stop(self) -> None:
        """End the feed side; the database stays."""
        if self.side is not None:
            self.side.stop(0)
            self.side = None

    def commit(self, changes: Mapping[str, bytes | None]) -> None:
        """Commit one delta of whole records."""
        with self.store.begin("vendor") as uow:
            uow.lock(FEED)
            for key, body in changes.items():
                uow.feeds.put(FEED, RecordKey(key), body)

    def sell(self, *customers: str) -> None:
        """Commit one delta."""
        with self.store.begin("vendor") as uow:
            uow.lock(FEED)
            for customer in customers:
                stamp = f"{customer}{time.monotonic_ns()}".encode()
                uow.feeds.put(FEED, RecordKey(f"c/{customer}"), shake_128(stamp).digest(60))

    def back_up(self, file: Path) -> None:
        """Copy the database as it is."""
        with self.store.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a copy is made outside of transactions
            connection.exec_driver_sql(f"VACUUM INTO '{file}'")
            connection.exec_driver_sql("BEGIN")

    def put_back(self, file: Path) -> None:
        """Replace the database by a copy, while nothing runs."""
        self.store.engine.dispose()
        for left in self._folder.glob("control.db*"):
            left.unlink()
        file.rename(self._folder / "control.db")

    @property
    def head(self) -> Position:
        """Return the database's head."""
        assert self.side is not None
        found = self.side.sources.log.head(FEED)
        assert found is not None
        return found.position

    def count(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        return self.meters.registry.get_sample_value(name, labels) or 0.0
