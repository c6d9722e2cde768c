"""The second path: the control plane's FeedService, which serves the same bytes when Redis does not, and takes the acks.

A channel is shared by all feeds of a sidecar. Every call has a deadline and shows the sidecar's token; refusals that are answers (nothing
kept, no such feed) do not open the breaker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import grpc
import grpc.aio

from entitlements.policy.feed_state_commands import Ack
from entitlements.policy.feed_state_value import PAGE_SIZE, Position
from entitlements.policy.ids import CustomerId
from entitlements.runtime.breaker import Breaker
from entitlements.runtime.retry import Backoff, Retry
from entitlements.v1 import feed_service_pb2, feed_service_pb2_grpc
from sidecar.feed.source import (
    CALL_LIMIT_S,
    PAGE_LIMIT_S,
    Judge,
    LoadedSnapshot,
    PolicySource,
    SourceUnavailable,
    Trimmed,
    guarded,
)

SNAPSHOT_LIMIT_S: Final = 60.0
CUSTOMERS_LIMIT_S: Final = 2.0
_LARGEST_MESSAGE: Final = 64 << 20
"""A page of 500 deltas with large records; snapshots come in chunks far below this."""
_CHANNEL: Final = (
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 3_000),
)
_ANSWERS: Final = {
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""They prove that the control plane is there, so they open no breaker: nothing kept, busy, older than this sidecar."""
_BACKOFF: Final = Backoff(first_s=0.05, cap_s=0.2)


class SidecarIdentity(Protocol):
    """Who reports: names that travel with each ack."""

    @property
    def sidecar_id(self) -> str:
        """Return the stable name."""

    @property
    def boot_id(self) -> str:
        """Return what was drawn at this start."""

    @property
    def software(self) -> str:
        """Return the version of the software."""


def open_channel(target: str, authorities: Path | None = None) -> grpc.aio.Channel:
    """Return a channel to the control plane, encrypted when `authorities` names a PEM file; OSError when that cannot be read."""
    if authorities is None:
        return grpc.aio.insecure_channel(target, options=_CHANNEL)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authorities.read_bytes()), options=_CHANNEL)


class AnsweredNo(Exception):  # noqa: N818 - an answer, not a failure
    """The control plane works and says no; `code` tells in which way."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code


class AttestingSource(PolicySource, Protocol):
    """A source that also hands out signed heartbeats and takes acks."""

    async def heartbeat(self) -> bytes:
        """Return the newest heartbeat's envelope."""

    async def acknowledge(self, ack: Ack, age_ms: int, identity: SidecarIdentity) -> None:
        """Report what is applied."""


class ControlSource:
    """Reads one feed from the control plane. The breaker must count AnsweredNo as an answer."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        token: str | None,
        feed: str,
        breaker: Breaker,
        draw: Callable[[], float],
        customers_breaker: Breaker,
    ) -> None:
        """Use a channel shared with other feeds.

        Questions about customers have a breaker of their own: many and slow, they must not keep heartbeats from being asked for.
        """
        self._customers_breaker = customers_breaker
        self._stub = feed_service_pb2_grpc.FeedServiceStub(channel)
        self._metadata: Sequence[tuple[str, str]] = (("authorization", f"Bearer {token}"),) if token else ()
        self._feed = feed
        self._breaker = breaker
        self._retry = Retry(2, _BACKOFF, (grpc.aio.AioRpcError,), draw)

    async def heartbeat(self) -> bytes:
        """Return the newest heartbeat's envelope."""
        request = feed_service_pb2.GetHeartbeatRequest(feed=self._feed)
        reply = await self._ask(self._stub.GetHeartbeat, request)
        return bytes(reply.envelope)

    async def range_after(self, position: Position) -> list[bytes]:
        """Return at most a page of envelopes after a position; Trimmed when they are no longer kept."""
        request = feed_service_pb2.GetRangeRequest(
            feed=self._feed, epoch=position.epoch, after_seq=position.seq, limit=PAGE_SIZE
        )
        reply = await self._ask(self._stub.GetRange, request, PAGE_LIMIT_S)
        return list(reply.envelopes)

    async def snapshot(self, judge: Judge, *, catalogue: bool = False) -> LoadedSnapshot:
        """Return the newest snapshot, or catalogue; the stream is broken off when the judge does not want it."""
        request = feed_service_pb2.GetSnapshotRequest(feed=self._feed, catalogue_only=catalogue)
        async with self._guarded(SNAPSHOT_LIMIT_S):
            stream = self._stub.GetSnapshot(request, metadata=self._metadata, timeout=SNAPSHOT_LIMIT_S)
            parts = aiter(stream)
            first = await anext(parts, None)
            if first is None or first.WhichOneof("part") != "manifest":
                raise SourceUnavailable("the control plane's snapshot does not start with a manifest")
            try:
                manifest = judge(first.manifest)
            except Exception:
                stream.cancel()
                raise
            chunks = tuple([part.chunk async for part in parts])
        return LoadedSnapshot(manifest, first.manifest, chunks)

    async def customers(self, wanted: Sequence[CustomerId]) -> list[bytes]:
        """Return proofs made for this question, of absences too."""
        request = feed_service_pb2.GetCustomersRequest(feed=self._feed, customers=wanted)
        reply = await self._ask(self._stub.GetCustomers, request, CUSTOMERS_LIMIT_S, self._customers_breaker)
        return list(reply.envelopes)

    async def key_set(self) -> bytes:
        """Return the key set that the control plane hands out."""
        reply = await self._ask(self._stub.GetKeySet, feed_service_pb2.GetKeySetRequest())
        return bytes(reply.key_set)

    async def acknowledge(self, ack: Ack, age_ms: int, identity: SidecarIdentity) -> None:
        """Report what is applied."""
        position = ack.position
        request = feed_service_pb2.AckRequest(
            feed=self._feed,
            sidecar_id=identity.sidecar_id,
            boot_id=identity.boot_id,
            epoch=0 if position is None else position.epoch,
            seq=0 if position is None else position.seq,
            chain=b"" if position is None else position.chain,
            state=feed_service_pb2.FeedState.Name(ack.phase.value),
            digest_ok=ack.digest_ok,
            software=identity.software,
            age_ms=age_ms,
        )
        await self._ask(self._stub.Ack, request)

    async def _ask(
        self,
        method: Callable[..., Awaitable[Any]],
        request: Any,
        limit_s: float = CALL_LIMIT_S,
        breaker: Breaker | None = None,
    ) -> Any:
        async def call() -> Any:
            try:
                reply = await method(request, metadata=self._metadata, timeout=limit_s)
            except grpc.aio.AioRpcError as error:
                raise _answer(error) or error from None
            if reply is None:  # what grpcio makes of bytes that are no such message
                raise SourceUnavailable("the control plane's reply cannot be read")
            return reply

        async with self._guarded(limit_s, breaker):
            return await self._retry.run(call)

    @asynccontextmanager
    async def _guarded(self, limit_s: float, breaker: Breaker | None = None) -> AsyncIterator[None]:
        try:
            async with guarded(breaker or self._breaker, limit_s, (grpc.aio.AioRpcError, grpc.aio.UsageError)):
                try:
                    yield
                except grpc.aio.AioRpcError as error:
                    raise _answer(error) or error from None
        except AnsweredNo as answer:
            if answer.code is grpc.StatusCode.OUT_OF_RANGE:
                raise Trimmed(str(answer)) from answer
            raise SourceUnavailable(str(answer)) from answer

    def __repr__(self) -> str:
        """Show feed and breaker."""
        return f"<ControlSource {self._feed} [{self._breaker!r}]>"


def _answer(error: grpc.aio.AioRpcError) -> AnsweredNo | None:
    return AnsweredNo(error.code(), error.details() or "") if error.code() in _ANSWERS else None
