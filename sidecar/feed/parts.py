"""What a feed is made of, and the connections that all feeds of a sidecar share: one Redis client, one channel, two breakers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

from entitlements.runtime.breaker import Breaker, BreakerState
from entitlements.runtime.clock import Clock
from entitlements.runtime.redis import Role, connect
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import KeyRing, Refused
from sidecar.feed.bus import PolicyBus, RedisBus
from sidecar.feed.control_source import (
    AnsweredNo,
    AttestingSource,
    ControlSource,
    SidecarIdentity,
    open_channel,
)
from sidecar.feed.nowhere import NoBus, NoSource
from sidecar.feed.source import HintingSource, RedisSource, Unsuitable
from sidecar.feed.status import FeedMetrics

_FAIL_MAX: Final = 3
_RESET_S: Final = 1.0
_ANSWERS: Final = (AnsweredNo, Unsuitable, Refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this sidecar is: its stable name, what was drawn at this start, the version of its software."""

    sidecar_id: str
    boot_id: str
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedParts:
    """What a feed is made of. The ring pins the root keys; breakers, metrics, clock and identity may be shared between feeds."""

    product: str
    writer: StoreWriter
    ring: KeyRing
    bus: PolicyBus
    redis: HintingSource
    control: AttestingSource
    redis_breaker: Breaker
    control_breaker: Breaker
    clock: Clock
    draw: Callable[[], float]
    identity: SidecarIdentity
    metrics: FeedMetrics
    room: int = 0
    """The most customers that are held at once; 0 holds the whole set."""


class Connections:
    """Where policy comes from. Either address may be missing: the feed then lives on the other path alone.

    Must be made inside a running event loop. `on_breaker` hears `redis`, `control` or `customers` and the new state of that breaker; `draw` gives
    numbers in [0, 1).
    """

    def __init__(
        self,
        redis_url: str | None,
        control_target: str | None,
        control_token: str | None,
        *,
        control_authorities: Path | None = None,
        clock: Clock,
        draw: Callable[[], float],
        on_breaker: Callable[[str, BreakerState], None],
    ) -> None:
        """Prepare clients; the first call opens them. RedisUrlError or OSError when an address or a file is not usable."""
        self._clock = clock
        self._draw = draw
        self._redis_url = redis_url
        self._token = control_token
        self._client = None if redis_url is None else connect(redis_url, Role.COMMANDS)
        self._channel = None if control_target is None else open_channel(control_target, control_authorities)
        self.redis_breaker = Breaker("redis", clock, _FAIL_MAX, _RESET_S, lambda state: on_breaker("redis", state))
        self.control_breaker, self._customers_breaker = (
            Breaker(name, clock, _FAIL_MAX, _RESET_S, partial(on_breaker, name), answers=_ANSWERS)
            for name in ("control", "customers")
        )

    def parts(
        self,
        product: str,
        writer: StoreWriter,
        ring: KeyRing,
        identity: SidecarIdentity,
        metrics: FeedMetrics,
        room: int = 0,
    ) -> FeedParts:
        """Return everything that a feed of this product needs."""
        bus: PolicyBus = NoBus()
        redis: HintingSource = NoSource("Redis")
        control: AttestingSource = NoSource("the control plane's address")
        if self._client is not None and self._redis_url is not None:
            bus = RedisBus(self._redis_url, product, self.redis_breaker)
            redis = RedisSource(self._client, product, self.redis_breaker, self._draw)
        if self._channel is not None:
            control = ControlSource(
                self._channel, self._token, product, self.control_breaker, self._draw, self._customers_breaker
            )
        return FeedParts(
            product=product,
            writer=writer,
            ring=ring,
            bus=bus,
            redis=redis,
            control=control,
            redis_breaker=self.redis_breaker,
            control_breaker=self.control_breaker,
            clock=self._clock,
            draw=self._draw,
            identity=identity,
            metrics=metrics,
            room=room,
        )

    async def close(self) -> None:
        """Close client and channel, after the feeds have ended."""
        if self._client is not None:
            await self._client.aclose()
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    def __repr__(self) -> str:
        """Show both breakers."""
        return f"<Connections [{self.redis_breaker!r} | {self.control_breaker!r}]>"
