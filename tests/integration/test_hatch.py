"""Both ends of the hatch on a real socket: what is asked, what is told, and what happens when nobody is at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from entitlements.local.records import DecodedRecords
from entitlements.local.shelf import Shelf
from entitlements.policy.ids import CustomerId, ProductId, RecordKey
from entitlements.runtime.metrics import Meters
from entitlements.store.writer import StoreWriter
from sidecar import hatch, metrics
from sidecar.feed.errand_desk import ErrandDesk
from sidecar.serving.errands import Errands
from tests.support.signed_feed import SignedFeed

SUITE = ProductId("suite")


class Office:
    """Stands in for the fetching: notes what is asked, and tells what it is told to tell."""

    def __init__(self) -> None:
        self.wanted: list[list[str]] = []
        self.uses: list[list[str]] = []
        self.reason: str | None = None

    def want(self, customers: list[CustomerId], hearer: Callable[[dict[CustomerId, str]], None]) -> None:
        """Note, and perhaps refuse."""
        self.wanted.append(list(customers))
        if self.reason is not None:
            hearer(dict.fromkeys(customers, self.reason))

    def used(self, customers: list[CustomerId]) -> None:
        """Note."""
        self.uses.append(sorted(customers))


class Scene:
    """A partial store, a desk that may be opened and closed, and one process's errands."""

    def __init__(self, folder: Path) -> None:
        self.feed = SignedFeed("suite")
        self.feed.write_catalogue(folder, {"f/seats": b"seats"})
        self.writer: StoreWriter = self.feed.writer(folder)
        self.office: Any = Office()
        self.path = hatch.hatch_path(folder)
        self.meters = Meters((metrics.WORKING_SET_MISSES,))
        self.clock = 100.0
        self.shelf = Shelf(SUITE, self.writer.reader(), DecodedRecords(16))
        self.errands = Errands(self.path, {SUITE: self.shelf}, 1_000, self.meters, lambda: self.clock)
        self.desk = ErrandDesk(self.path, lambda product: self.office if product == "suite" else None)
        self._open: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the desk, and wait until the errands are connected."""
        self._open = asyncio.create_task(self.desk.keep())
        await until(lambda: "connected" in repr(self.errands))

    async def shut(self) -> None:
        """Close the desk."""
        if self._open is not None:
            self._open.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._open
        await until(lambda: "alone" in repr(self.errands))

    def misses(self, result: str) -> float:
        """Return how many customers came to this."""
        name = metrics.WORKING_SET_MISSES.name
        return self.meters.registry.get_sample_value(name, {"product": "suite", "result": result}) or 0.0


async def until(true: Callable[[], bool]) -> None:
    """Wait for a predicate."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.005)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Set the scene, with the errands already trying to connect."""
    made = Scene(tmp_path)
    made.errands.start()
    yield made
    made.errands.stop()
    if made._open is not None:
        made._open.cancel()
        await asyncio.gather(made._open, return_exceptions=True)
    made.writer.close()


async def test_a_customer_that_is_taken_ends_the_waiting(scene: Scene) -> None:
    """It shows in the store; nothing has to be said. Several calls are one errand."""
    await scene.open()
    awaited = scene.errands.fetch({SUITE: ["acme", "nobody"]})
    again = scene.errands.fetch({SUITE: ["acme"]})
    assert awaited is not None
    assert again is not None
    await until(lambda: bool(scene.office.wanted))
    assert (awaited.ready(), again.ready()) == (False, False)
    scene.writer.hold({RecordKey("c/acme"): b"record"})
    assert (awaited.ready(), again.ready()) == (False, True)
    scene.writer.hold({RecordKey("c/nobody"): None})
    assert awaited.ready()
    awaited.settle()
    assert scene.misses("fetched") == 2
    assert scene.office.wanted == [["acme", "nobody"]]


async def test_what_cannot_be_had_ends_the_waiting_and_is_left_alone_for_a_moment(scene: Scene) -> None:
    """Then it is asked for again."""
    await scene.open()
    scene.office.reason = "unreachable"
    awaited = scene.errands.fetch({SUITE: ["acme"]})
    assert awaited is not None
    await until(awaited.ready)
    awaited.settle()
    assert scene.errands.fetch({SUITE: ["acme"]}) is None
    assert scene.misses("unreachable") == 2
    scene.clock += 0.3
    assert scene.errands.fetch({SUITE: ["acme"]}) is not None
    await until(lambda: len(scene.office.wanted) == 2)


async def test_nobody_waits_for_a_main_process_that_is_away(scene: Scene) -> None:
    """Unless it was there a moment ago, or is about to be: whoever comes next is found by itself, and told what is wanted."""
    assert scene.errands.fetch({SUITE: ["acme"]}) is not None
    await scene.open()
    await until(lambda: scene.office.wanted == [["acme"]])
    await scene.shut()
    scene.clock += 0.3
    assert scene.errands.fetch({SUITE: ["acme"]}) is not None
    scene.clock += 2
    assert scene.errands.fetch({SUITE: ["acme"]}) is None
    assert scene.misses("no_main_process") == 1
    await scene.open()
    scene.clock += 0.3
    assert scene.errands.fetch({SUITE: ["acme"]}) is not None


async def test_a_waiting_call_is_not_forgotten_with_its_main_process(scene: Scene) -> None:
    """Whoever comes in its place is asked again, and so is one that lost the errand."""
    await scene.open()
    awaited = scene.errands.fetch({SUITE: ["acme"]})
    assert awaited is not None
    await until(lambda: scene.office.wanted == [["acme"]])
    await scene.shut()
    await scene.open()
    assert not awaited.ready()
    scene.clock += 0.3
    assert not awaited.ready()
    await until(lambda: scene.office.wanted == [["acme"], ["acme"]])
    assert not awaited.ready()
    await asyncio.sleep(0.05)
    assert len(scene.office.wanted) == 2, "not more often than that"


async def test_a_main_process_that_hangs_is_not_waited_for(scene: Scene) -> None:
    """Its buffer fills, and then nothing is said any more: no call is ever held up by a full one."""
    listener = hatch.listen(scene.path)
    await until(lambda: "connected" in repr(scene.errands))
    customers = [f"{number:0100}" for number in range(390)]
    asked = 0
    while scene.errands.fetch({SUITE: customers}) is not None:
        asked += 1
        scene.clock += 0.3
        assert asked < 1_000
    assert scene.misses("timed_out") == len(customers)
    listener.close()


async def test_uses_are_reported_now_and_then(scene: Scene) -> None:
    """Each customer once, however often it was asked about, from whichever thread."""
    await scene.open()

    def ask() -> None:
        for customer in ("acme", "globex", "acme"):
            scene.errands.used(SUITE, customer)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scene.clock += 2
    await until(lambda: bool(scene.office.uses))
    assert scene.office.uses == [["acme", "globex"]]


async def test_only_ids_get_through_and_an_unknown_product_is_told_so(scene: Scene) -> None:
    """A broken message costs itself alone."""
    await scene.open()
    with hatch.dial(scene.path) as stranger:
        for packet in (b"no json", b"{}", b'{"kind":"want","product":"suite","customers":["", 5, "good"]}'):
            stranger.send(packet)
        stranger.send(next(hatch.packets(hatch.WANT, "other", ["acme"])))
        await until(lambda: scene.office.wanted == [["good"]])
        await until(lambda: bool(_peek(stranger)))
        assert hatch.opened(stranger.recv(hatch.PACKET_BYTES)) == (hatch.GONE, "other", {"acme": "not_ready"})
    assert scene.path.stat().st_mode & 0o777 == 0o600


def _peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


def test_messages_are_cut_to_packets() -> None:
    """Even ids that JSON doubles fit."""
    worst = ['"' * 128] * (2 * hatch.CUSTOMERS_AT_ONCE + 1)
    sent = list(hatch.packets(hatch.USED, "suite", worst))
    assert [len(hatch.opened(packet)[2]) for packet in sent] == [hatch.CUSTOMERS_AT_ONCE] * 2 + [1]
    assert max(map(len, sent)) < hatch.PACKET_BYTES
    told = list(hatch.gone_packets("suite", [(str(n), "busy") for n in range(hatch.CUSTOMERS_AT_ONCE + 1)]))
    assert [len(hatch.opened(packet)[2]) for packet in told] == [hatch.CUSTOMERS_AT_ONCE, 1]
