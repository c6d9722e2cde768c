"""One sidecar's feed loop on a real Redis and a small FeedService, in this process."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import grpc.aio

from entitlements.policy.feed_state_value import Phase
from entitlements.runtime.clock import SystemClock
from entitlements.store.writer import StoreWriter
from entitlements.v1 import feed_service_pb2_grpc
from entitlements.wire.envelope import KeyRing
from sidecar.feed.loop import FeedLoop
from sidecar.feed.parts import Connections, Identity
from sidecar.feed.status import FeedMetrics, NoMetrics
from tests.support.feed_publisher import FeedPublisher, FeedServiceDouble
from tests.support.valkey import ValkeyServer

FEED = "suite"
LIMIT_S = 20.0
IDENTITY = Identity(sidecar_id="sidecar-1", boot_id="boot-1", software="test")


class Scene:
    """A Valkey, a publisher, perhaps a FeedService, and one feed loop at a time on one store."""

    def __init__(self, folder: Path, valkey: ValkeyServer) -> None:
        """Prepare; the log is filled, nobody follows yet."""
        self.folder = folder
        self.valkey = valkey
        self.publisher = FeedPublisher(FEED, valkey.url)
        self.publisher.refill()
        self.directory = folder / "feed"
        self.address = f"unix:{folder / 'control.sock'}"
        self.metrics: FeedMetrics = NoMetrics()
        self._service: grpc.aio.Server | None = None
        self._stop: contextlib.AsyncExitStack | None = None

    async def serve(self) -> None:
        """Start the FeedService."""
        self._service = grpc.aio.server()
        feed_service_pb2_grpc.add_FeedServiceServicer_to_server(FeedServiceDouble(self.publisher), self._service)
        self._service.add_insecure_port(self.address)
        await self._service.start()

    async def silence(self) -> None:
        """Stop the FeedService."""
        if self._service is not None:
            await self._service.stop(None)
            self._service = None

    async def follow(self, token: str = "token", *, room: int = 0) -> None:
        """Start a feed loop on the store; with room for a working set when told so."""
        async with contextlib.AsyncExitStack() as stack:
            self.writer = stack.enter_context(StoreWriter(self.directory, 64 << 20, "boot"))
            connections = Connections(
                self.valkey.url,
                self.address,
                token,
                clock=SystemClock(),
                draw=random.random,
                on_breaker=lambda *_: None,
            )
            await stack.enter_async_context(connections)
            ring = KeyRing([self.publisher.root.public], self.writer.floor.key_set_version)
            self.loop = FeedLoop(connections.parts(FEED, self.writer, ring, IDENTITY, self.metrics, room))
            self._task = asyncio.create_task(self.loop.run())
            stack.push_async_callback(self._end)
            self._stop = stack.pop_all()

    async def _end(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def leave(self) -> None:
        """End the feed loop; the store stays."""
        if self._stop is not None:
            await self._stop.aclose()
            self._stop = None

    async def close(self) -> None:
        """End everything but the Valkey."""
        await self.leave()
        await self.silence()
        self.publisher.client.close()

    def applied(self, rule: str) -> int:
        """Return how often a rule was applied, or bytes were refused for a reason."""
        return self.loop.status.counters.get(rule, 0)

    def more(self, rule: str, before: int) -> bool:
        """Return whether a rule was applied more often than before."""
        return self.applied(rule) > before

    def records(self) -> dict[str, bytes]:
        """Return what the store holds."""
        with self.writer.reader().view() as view:
            found = {key: view.get(key) for key in view.keys("c/", limit=1_000)}
        return {key: record[1] for key, record in found.items() if record is not None}

    def at_head(self) -> bool:
        """Return whether the store holds exactly the truth and says so."""
        head, state = self.publisher.head, self.writer.state
        there = state is not None and (state.epoch, state.seq, state.chain) == (head.epoch, head.seq, head.chain)
        return there and self.loop.status.state is Phase.LIVE and self.records() == self.publisher.records

    async def until(self, true: Callable[[], bool], *, beating: bool = True) -> None:
        """Wait for a predicate while heartbeats go out on the bus; says where the feed stands when it never comes true."""
        limit = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < limit, (self.loop, self.loop.status)
            if self._task.done():
                await self._task
            if beating:
                self.publisher.beat()
            await asyncio.sleep(0.01)
