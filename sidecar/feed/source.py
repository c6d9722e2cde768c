"""Where a feed is fetched from when the bus is not enough: the port, and Redis behind it.

Redis and the control plane (`control_source`) give the same bytes. Which of the two is asked is the protocol's decision; each is guarded
by a breaker of its own, and calls are bounded and repeated once, because every one of them only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import redis
import redis.asyncio

from entitlements.policy.feed_state_events import Head
from entitlements.policy.feed_state_value import PAGE_SIZE, Position
from entitlements.policy.ids import CustomerId, Epoch, Seq
from entitlements.runtime.breaker import Breaker, BreakerOpen
from entitlements.runtime.retry import Backoff, Retry
from entitlements.wire import names
from entitlements.wire.envelope import FeedCatalogue, FeedManifest

T = TypeVar("T")

CALL_LIMIT_S: Final = 1.0
"""For one question and its answer, repeated attempt included."""
PAGE_LIMIT_S: Final = 5.0
CHUNK_LIMIT_S: Final = 5.0
_BACKOFF: Final = Backoff(first_s=0.05, cap_s=0.2)


class SourceUnavailable(Exception):  # noqa: N818 - a state of the dependency
    """The source did not answer, is being left alone by its breaker, or answered nonsense."""


class Trimmed(Exception):  # noqa: N818 - a state of the log
    """What was asked for is no longer kept: take a snapshot."""


class Unsuitable(Exception):  # noqa: N818 - raised by the judge of manifests
    """The snapshot would take us back, or not out of a fork: its chunks are not worth loading."""


@dataclass(frozen=True, slots=True)
class LoadedSnapshot:
    """A manifest that was verified, its envelope, and the compressed chunks as they came, unverified."""

    manifest: FeedManifest | FeedCatalogue
    envelope: bytes
    chunks: tuple[bytes, ...]


Judge = Callable[[bytes], FeedManifest | FeedCatalogue]
"""Verifies a manifest's envelope and decides whether the snapshot is wanted, before any chunk is loaded."""


class PolicySource(Protocol):
    """Reads one feed. SourceUnavailable whenever there is no answer."""

    async def range_after(self, position: Position) -> list[bytes]:
        """Return at most a page of envelopes after a position, in order; Trimmed when they are no longer kept."""

    async def snapshot(self, judge: Judge, *, catalogue: bool = False) -> LoadedSnapshot:
        """Return the newest snapshot, or that of the catalogue alone; chunks are loaded only when the judge accepts the manifest."""

    async def customers(self, wanted: Sequence[CustomerId]) -> list[bytes]:
        """Return envelopes with proofs of customers, of those that the source knows of, in no order."""

    async def key_set(self) -> bytes:
        """Return the root-signed key set."""


class HintingSource(PolicySource, Protocol):
    """A source that also says, without proof, where the head is."""

    async def head(self) -> Head | None:
        """Return where the log ends, None when there is none."""


class RedisSource:
    """Reads the log, the head, snapshots and the key set of one feed from Redis."""

    def __init__(self, client: redis.asyncio.Redis, feed: str, breaker: Breaker, draw: Callable[[], float]) -> None:
        """Use a client whose calls are bounded (`runtime.redis`), shared with other feeds."""
        self._client = client
        self._feed = feed
        self._breaker = breaker
        self._retry = Retry(2, _BACKOFF, (redis.ConnectionError,), draw)

    async def head(self) -> Head | None:
        """Return where the log ends, None when there is none; unsigned, so only a hint."""
        found = await self._ask(lambda: self._client.hmget(names.head_key(self._feed), ["e", "s", "min"]))
        if found[0] is None:
            return None
        try:
            return Head(Epoch(int(found[0])), Seq(int(found[1])), Seq(int(found[2])))
        except (TypeError, ValueError) as error:
            raise SourceUnavailable(f"the head is not one: {error}") from error

    async def range_after(self, position: Position) -> list[bytes]:
        """Return at most a page of envelopes from the stream."""
        after = f"({names.stream_id(position.epoch, position.seq)}"
        entries = await self._ask(
            lambda: self._client.xrange(names.log_key(self._feed), after, "+", PAGE_SIZE), PAGE_LIMIT_S
        )
        try:
            return [fields[b"d"] for _, fields in entries]
        except (KeyError, TypeError, ValueError) as error:
            raise SourceUnavailable(f"the log holds something else than envelopes: {error!r}") from error

    async def snapshot(self, judge: Judge, *, catalogue: bool = False) -> LoadedSnapshot:
        """Return the snapshot, or the catalogue, that the head points at."""
        field = "cat" if catalogue else "snap"
        epoch, seq = await self._ask(lambda: self._client.hmget(names.head_key(self._feed), ["e", field]))
        if epoch is None or seq is None:
            raise SourceUnavailable("there is no snapshot in Redis")
        try:
            at = int(epoch), int(seq)
        except ValueError as error:
            raise SourceUnavailable(f"the head names no snapshot: {error}") from error
        key = names.catalogue_manifest_key if catalogue else names.snapshot_manifest_key
        chunk_key = names.catalogue_chunk_key if catalogue else names.snapshot_chunk_key
        envelope = await self._get(key(self._feed, *at))
        manifest = judge(envelope)
        chunks = [
            await self._get(chunk_key(self._feed, *at, index), CHUNK_LIMIT_S)
            for index in range(len(manifest.chunk_sha256))
        ]
        return LoadedSnapshot(manifest, envelope, tuple(chunks))

    async def customers(self, wanted: Sequence[CustomerId]) -> list[bytes]:
        """Return the proofs that were left there for whoever needs them."""

        async def ask() -> list[object]:
            pipeline = self._client.pipeline(transaction=False)
            for customer in wanted:
                pipeline.get(names.customer_key(self._feed, customer))
            found: list[object] = await pipeline.execute()
            return found

        return [proof for proof in await self._ask(ask) if isinstance(proof, bytes)]

    async def key_set(self) -> bytes:
        """Return the key set that lies beside the feed."""
        return await self._get(names.key_set_key(self._feed))

    async def _get(self, key: str, limit_s: float = CALL_LIMIT_S) -> bytes:
        found = await self._ask(lambda: self._client.get(key), limit_s)
        if not isinstance(found, bytes):
            raise SourceUnavailable(f"{key} is not in Redis")
        return found

    async def _ask(self, call: Callable[[], Awaitable[Any]], limit_s: float = CALL_LIMIT_S) -> Any:
        async with guarded(self._breaker, limit_s, (redis.RedisError, OSError)):
            return await self._retry.run(call)

    def __repr__(self) -> str:
        """Show feed and breaker."""
        return f"<RedisSource {self._feed} [{self._breaker!r}]>"


@asynccontextmanager
async def guarded(breaker: Breaker, limit_s: float, failures: tuple[type[Exception], ...]) -> AsyncIterator[None]:
    """Bound a call, count its outcome, and let every failure leave as SourceUnavailable."""
    caught: tuple[type[Exception], ...] = (*failures, TimeoutError, BreakerOpen)
    try:
        async with breaker.calling(), asyncio.timeout(limit_s):
            yield
    except caught as error:
        raise SourceUnavailable(f"{breaker.name}: {error!r}") from error
