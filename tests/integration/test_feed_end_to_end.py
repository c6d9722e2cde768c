"""Control plane and sidecar on real parts: the feed's two ends speak one protocol, over Redis and over gRPC.

Real publisher, snapshotter, Valkey, gRPC feed; real feed loop and store. What happens to them is what happens in production.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import shake_128
from pathlib import Path
from typing import Any

import pytest
import redis

from control.api.auth import RefusedCredentialError
from control.api.credentials import Principal, Scope
from control.domain.publishing import Position
from control.feed_side import FeedSide, Listener
from control.metrics import FEED_SERVICE_METRICS, PUBLISHER_METRICS
from control.publishing.epochs import begin_epoch
from control.publishing.key_files import KeyFiles
from control.store.database import open_engine
from control.store.schema import migrate
from control.store.unit_of_work import Store
from entitlements.policy.feed_state_value import Phase
from entitlements.policy.ids import Millis, RecordKey
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.metrics import Meters
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import KeyRing
from sidecar.feed.loop import FeedLoop
from sidecar.feed.parts import Connections, Identity
from tests.support.valkey import ValkeyServer, running_valkey

FEED = "suite"
LIMIT_S = 30.0


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


class Silent:
    """Metrics that nobody looks at."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        """Accept everything."""
        return lambda *_args, **_labels: None


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey of its own for each test, because it will be killed."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as server:
        yield server


@pytest.fixture
def control(tmp_path: Path, valkey: ValkeyServer) -> Iterator[Control]:
    """Run a control plane with one product and three customers."""
    KeyFiles(tmp_path / "keys").initialise()
    made = Control(tmp_path, valkey.url)
    with made.store.begin("vendor") as uow:
        uow.feeds.create(FEED, int(time.time()) - 100, [])
    made.sell("acme", "globex", "initech")
    made.start()
    yield made
    made.stop()
    made.store.engine.dispose()


class Follower:
    """One sidecar's feed."""

    def __init__(self, loop: FeedLoop, writer: StoreWriter) -> None:
        """Watch a running loop."""
        self.loop = loop
        self.writer = writer

    def applied(self, rule: str) -> int:
        """Return how often a rule of the protocol was applied."""
        return self.loop.status.counters.get(rule, 0)

    def at(self, position: Position) -> bool:
        """Tell whether the store stands at a position, on its branch, LIVE and young."""
        state, status = self.writer.state, self.loop.status
        return (
            state is not None
            and (state.epoch, state.seq, state.chain) == (position.epoch, position.seq, position.chain)
            and status.state is Phase.LIVE
            and status.age_ms is not None
            and status.age_ms < 3_000
        )


@pytest.fixture
async def follower(tmp_path: Path, control: Control, valkey: ValkeyServer) -> AsyncIterator[Follower]:
    """Run one sidecar's feed loop on a store of its own."""
    roots = KeyFiles(tmp_path / "keys").load().roots
    writer = StoreWriter(tmp_path / "store", 64 << 20, "boot")
    identity = Identity(sidecar_id="sidecar-1", boot_id="boot-1", software="test")
    clock = SystemClock()
    async with Connections(
        valkey.url, control.address, "token", clock=clock, draw=random.random, on_breaker=lambda *_: None
    ) as connections:
        metrics: Any = Silent()
        loop = FeedLoop(connections.parts(FEED, writer, KeyRing(roots), identity, metrics))
        task = asyncio.create_task(loop.run())
        yield Follower(loop, writer)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    writer.close()


async def until(true: Callable[[], bool], follower: Follower) -> None:
    """Wait for a predicate; says where the sidecar stands when it never comes true."""
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit, (follower.loop.status, follower.writer.state)
        await asyncio.sleep(0.01)


async def test_a_sidecar_loads_and_follows(control: Control, follower: Follower) -> None:
    """From nothing to LIVE by a snapshot, then change by change; the report arrives at the control plane."""
    await until(lambda: follower.at(control.head), follower)
    for number in range(20):
        control.sell(f"customer-{number}")
    await until(lambda: follower.at(control.head), follower)
    side = control.side
    assert side is not None
    await until(lambda: control.count("entitlements_feed_calls_total", method="Ack", status="OK") > 0, follower)


async def test_flushall_costs_no_snapshot_and_no_change(
    control: Control, follower: Follower, valkey: ValkeyServer
) -> None:
    """Redis is emptied under a sidecar at the head: the log comes back, the sidecar goes on from where it is."""
    await until(lambda: follower.at(control.head), follower)
    packed = control.count("entitlements_snapshots_total", feed=FEED, outcome="packed")
    replaced = follower.applied("WRITE_REPLACED")
    assert replaced == 1  # the first load
    client = redis.Redis.from_url(valkey.url)
    client.flushall()
    client.close()
    control.sell("after the flush")
    await until(lambda: follower.at(control.head), follower)
    assert control.count("entitlements_snapshots_total", feed=FEED, outcome="packed") == packed
    assert follower.applied("WRITE_REPLACED") == replaced


async def test_redis_killed_and_back(control: Control, follower: Follower, valkey: ValkeyServer) -> None:
    """Changes arrive over gRPC while Redis is gone, and over an empty Redis once it is back; LIVE all along."""
    await until(lambda: follower.at(control.head), follower)
    valkey.kill()
    control.sell("over grpc")
    await until(lambda: follower.at(control.head), follower)
    valkey.start()
    control.sell("over redis")
    await until(lambda: follower.at(control.head), follower)
    client = redis.Redis.from_url(valkey.url)
    await until(lambda: bool(client.exists(f"ent:{{f:{FEED}}}:head")), follower)
    client.close()


async def test_the_control_plane_restarts(control: Control, follower: Follower) -> None:
    """What was committed while nobody published is published by the next process."""
    await until(lambda: follower.at(control.head), follower)
    control.stop()
    control.sell("while nobody published")
    control.start()
    await until(lambda: follower.at(control.head), follower)


async def test_a_new_epoch_takes_everybody_along(control: Control, follower: Follower) -> None:
    """The sidecar enters the new epoch through a complete snapshot."""
    await until(lambda: follower.at(control.head), follower)
    side = control.side
    assert side is not None
    log = side.sources.log
    at = log.head(FEED)
    assert at is not None
    epoch = begin_epoch(log, at, at.position.epoch, "key:test", "drill", Millis(int(time.time() * 1_000)))
    assert epoch is not None
    control.sell("in the new epoch")
    await until(lambda: control.head.epoch == epoch and follower.at(control.head), follower)


@pytest.mark.parametrize("sold_since", [0, 3])
async def test_a_restore_without_re_epoch_heals_itself(
    control: Control, follower: Follower, valkey: ValkeyServer, tmp_path: Path, sold_since: int
) -> None:
    """The backup lacks what the sidecar has, and Redis is empty too: the report proves it, a new epoch heals it."""
    await until(lambda: follower.at(control.head), follower)
    backup = tmp_path / "backup.db"
    control.back_up(backup)
    for number in range(3):
        control.sell(f"lost-{number}")
    await until(lambda: follower.at(control.head), follower)
    lost = control.head
    control.stop()
    control.put_back(backup)
    client = redis.Redis.from_url(valkey.url)
    client.flushall()
    client.close()
    for number in range(sold_since):
        control.sell(f"other-{number}")
    control.start()
    await until(lambda: control.head.epoch > lost.epoch and follower.at(control.head), follower)
    assert control.count("entitlements_reepochs_total", feed=FEED, witness="ack") == 1
