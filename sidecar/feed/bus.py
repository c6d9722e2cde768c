"""The doorbell and fast path: one subscription on Redis, handed frame by frame to a listener.

The port has two methods, because when to open and when to give up is the protocol's decision (`policy.feed_state`), not the transport's.
Frames reach the listener by a direct call inside the reading task: nothing is queued between the socket and the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Protocol

import redis
from redis.asyncio.client import PubSub

from entitlements.runtime.breaker import Breaker, BreakerOpen
from entitlements.runtime.courtesy import give_way
from entitlements.runtime.redis import TIMEOUT_S, Role, connect
from entitlements.wire import names

_CLOSE_LIMIT_S: Final = 1.0


class BusListener(Protocol):
    """Who hears the bus. Calls come from the event loop's thread, one after another."""

    def subscribed(self) -> None:
        """Hear that the server confirmed the subscription, the first time or after a silent reconnect."""

    def frame(self, raw: bytes) -> None:
        """Hear one message, unverified."""

    def disconnected(self) -> None:
        """Hear that the subscription ended or could not be opened; never after `drop`."""


class PolicyBus(Protocol):
    """A subscription that can be opened and dropped, any number of times."""

    def open(self, listener: BusListener) -> None:
        """Start to connect; the outcome is told to the listener."""

    async def drop(self) -> None:
        """End the subscription; the listener hears nothing more of it from this moment."""


class RedisBus:
    """Subscribes to a feed's channel, on a client of its own with no retries and no ignored frames.

    redis-py reconnects by itself on a second attempt, and a subscribe frame is then the only sign of it, so these are never ignored.
    """

    def __init__(self, url: str, feed: str, breaker: Breaker) -> None:
        """Prepare; nothing is opened yet."""
        self._url = url
        self._channel = names.channel(feed)
        self._breaker = breaker
        self._reading: asyncio.Task[None] | None = None

    def open(self, listener: BusListener) -> None:
        """Start a reading task with a connection of its own."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.create_task(self._read(listener), name=f"bus {self._channel}")

    async def drop(self) -> None:
        """Cancel the reading task and wait until its connection is closed."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self, listener: BusListener) -> None:
        client = connect(self._url, Role.SUBSCRIBER)
        subscription = client.pubsub()
        try:
            await self._subscribe(subscription)
            while self._mine():
                listener.subscribed()
                await self._pump(subscription, listener)
        except (redis.RedisError, OSError, BreakerOpen):
            pass
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                async with asyncio.timeout(_CLOSE_LIMIT_S):
                    await subscription.aclose()  # type: ignore[no-untyped-call]
                    await client.aclose()
        if self._mine():
            self._reading = None
            listener.disconnected()

    def _mine(self) -> bool:
        """Return whether this very task still is the subscription."""
        return self._reading is asyncio.current_task()

    async def _subscribe(self, subscription: PubSub) -> None:
        """Subscribe and wait for the confirmation; a refusal by access control shows up here, not at `subscribe`."""
        async with self._breaker.calling():
            await subscription.subscribe(self._channel)
            confirmation = await subscription.get_message(timeout=TIMEOUT_S)
            if confirmation is None or confirmation["type"] != "subscribe":
                raise redis.TimeoutError("the subscription was not confirmed")

    async def _pump(self, subscription: PubSub, listener: BusListener) -> None:
        """Hand on frames until the server confirms a subscription again."""
        while self._mine():
            message = await subscription.get_message(timeout=None)
            if message is None:
                continue
            if message["type"] == "subscribe":
                return
            if message["type"] == "message":
                listener.frame(message["data"])
                give_way()

    def __repr__(self) -> str:
        """Show the channel and whether it is being read."""
        return f"<RedisBus {self._channel} [{'reading' if self._reading else 'closed'}]>"
