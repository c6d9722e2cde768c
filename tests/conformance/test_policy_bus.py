"""Every policy bus keeps the promises of the port: the one in memory, and the one on a real Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import redis

from entitlements.runtime.breaker import Breaker
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.redis import connect_sync
from entitlements.wire import names
from sidecar.feed.bus import PolicyBus, RedisBus
from tests.support.memory_bus import MemoryBus, MemoryChannel
from tests.support.valkey import ValkeyServer, running_valkey

FEED = "suite"
LIMIT_S = 10.0


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        """Begin with silence."""
        self.heard: list[str | bytes] = []

    def subscribed(self) -> None:
        """Hear a confirmation."""
        self.heard.append("subscribed")

    def frame(self, raw: bytes) -> None:
        """Hear a message."""
        self.heard.append(raw)

    def disconnected(self) -> None:
        """Hear the end."""
        self.heard.append("disconnected")

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for a predicate."""
        limit = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < limit, self.heard
            await asyncio.sleep(0.002)

    async def hears(self, *expected: str | bytes) -> None:
        """Wait until exactly this was heard."""
        await self.until(lambda: len(self.heard) >= len(expected))
        assert list(expected) == self.heard


class Line(Protocol):
    """What the suite needs of a bus and of what lies behind it."""

    bus: PolicyBus

    def publish(self, raw: bytes) -> int:
        """Send a message and return how many heard it."""

    def fault(self) -> None:
        """Break the server."""

    def recover(self) -> None:
        """Mend it."""


class MemoryLine:
    """In memory."""

    def __init__(self) -> None:
        """Make a channel and a bus."""
        self.channel = MemoryChannel()
        self.bus: PolicyBus = MemoryBus(self.channel)

    def publish(self, raw: bytes) -> int:
        """Send a message."""
        return self.channel.publish(raw)

    def fault(self) -> None:
        """Break the channel."""
        self.channel.fault()

    def recover(self) -> None:
        """Mend it."""
        self.channel.recover()


class ValkeyLine:
    """On a server."""

    def __init__(self, server: ValkeyServer) -> None:
        """Make a bus and a client that publishes."""
        self.server = server
        self.bus: PolicyBus = RedisBus(server.url, FEED, Breaker("redis", SystemClock(), 100, 0.0))
        self.client: redis.Redis = connect_sync(server.url)

    def publish(self, raw: bytes) -> int:
        """Send a message."""
        return int(self.client.publish(names.channel(FEED), raw))

    def fault(self) -> None:
        """Kill the server."""
        self.server.kill()

    def recover(self) -> None:
        """Start it again."""
        self.server.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that the test may kill."""
    with running_valkey(tmp_path) as running:
        yield running


@pytest.fixture(params=["memory", "valkey"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """Give each implementation in turn."""
    made = MemoryLine() if request.param == "memory" else ValkeyLine(request.getfixturevalue("server"))
    yield made
    await made.bus.drop()
    if isinstance(made, ValkeyLine):
        made.client.close()


async def test_tells_the_confirmation_then_every_message_in_order(line: Line) -> None:
    """Nothing is heard before the confirmation, everything after it, byte for byte."""
    listener = Listener()
    line.publish(b"too early")
    line.bus.open(listener)
    await listener.hears("subscribed")
    messages = [b"", b"\x00\xff", *(b"%d" % number for number in range(200))]
    for message in messages:
        assert line.publish(message) == 1
    await listener.hears("subscribed", *messages)


async def test_says_nothing_after_drop(line: Line) -> None:
    """A dropped subscription is silent, even about its end."""
    listener = Listener()
    line.bus.open(listener)
    await listener.hears("subscribed")
    await line.bus.drop()
    await listener.until(lambda: line.publish(b"late") == 0)
    line.fault()
    assert listener.heard == ["subscribed"]


async def test_tells_the_end_once_and_can_be_opened_again(line: Line) -> None:
    """A failing server ends the subscription; opening fails while it is away and succeeds when it is back."""
    listener = Listener()
    line.bus.open(listener)
    await listener.hears("subscribed")
    line.fault()
    await listener.hears("subscribed", "disconnected")
    line.bus.open(listener)
    await listener.hears("subscribed", "disconnected", "disconnected")
    line.recover()
    line.bus.open(listener)
    await listener.hears("subscribed", "disconnected", "disconnected", "subscribed")
    assert line.publish(b"again") == 1
    await listener.hears("subscribed", "disconnected", "disconnected", "subscribed", b"again")


async def test_drop_before_the_confirmation_and_twice(line: Line) -> None:
    """Dropping what is only being opened, or nothing, is harmless."""
    listener = Listener()
    line.bus.open(listener)
    await line.bus.drop()
    await line.bus.drop()
    await listener.until(lambda: line.publish(b"nobody") == 0)
    assert listener.heard == []
