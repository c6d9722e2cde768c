"""Control plane and sidecar on real parts: the feed's two ends speak one protocol, over Redis and over gRPC.

Real publisher, snapshotter, Valkey, gRPC feed; real feed loop and store. What happens to them is what happens in production.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from control.domain.publishing import Position
from control.publishing.epochs import begin_epoch
from control.publishing.key_files import KeyFiles
from entitlements.policy.feed_state_value import Phase
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import SystemClock
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import KeyRing
from sidecar.feed.loop import FeedLoop
from sidecar.feed.parts import Connections, Identity
from tests.support.feed_control import Control
from tests.support.valkey import ValkeyServer, running_valkey

FEED = "suite"
LIMIT_S = 30.0


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
