"""FeedService: the feed over gRPC, the same signed bytes as on Redis, for when Redis is away.

Nothing here decides: heartbeats come from the publisher's book, deltas from the outbox, snapshots from the shelf, and
acknowledgements go to the desk. `feed_server` puts it on the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc

from control.domain.acknowledgement import SidecarAck
from control.domain.publishing import EPOCH_LEAD_S
from control.publishing.ack_desk import AckDesk
from control.publishing.heartbeats import HeartbeatBook
from control.publishing.proofs import ProofDesk
from control.publishing.signing import Signer
from control.publishing.snapshots import PackedSnapshot, SnapshotError, SnapshotShelf
from control.store.feed_log import FeedLog
from entitlements.policy.ids import Epoch, Millis, Seq, id_problem
from entitlements.runtime.clock import Clock
from entitlements.v1 import feed_service_pb2
from entitlements.wire.errors import FieldError, FieldReason

PAGE: Final = 500
PAGE_BYTES: Final = 1 << 20
"""A page ends once it is this large; a single larger delta is a page of its own."""
CUSTOMERS: Final = 100
"""The most customers of one call."""
PROVING: Final = 8
"""Calls that may make proofs at once; signing is work, and heartbeats must never wait for it."""
SERVE_SNAPSHOT_FOR_MS: Final = Millis(5_000)
"""A snapshot this young serves everybody who asks; ranges lead from it to the head."""
_CHAIN_BYTES: Final = 32
_MAX_SOFTWARE_BYTES: Final = 256
_STATES: Final = {
    feed_service_pb2.FEED_STATE_UNLOADED: "unloaded",
    feed_service_pb2.FEED_STATE_LIVE: "live",
    feed_service_pb2.FEED_STATE_BEHIND: "behind",
    feed_service_pb2.FEED_STATE_FORKED: "forked",
}


class FeedRefusal(Exception):  # noqa: N818 - an answer of the protocol, not a failure
    """A call cannot be answered as asked: `status` and the closed `reason` tell the sidecar, the message tells a person."""

    def __init__(
        self, status: grpc.StatusCode, reason: str, message: str, *, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after_ms = retry_after_ms


@dataclass(frozen=True, slots=True)
class FeedSources:
    """Where the service finds what it hands out."""

    log: FeedLog
    heartbeats: HeartbeatBook
    shelf: SnapshotShelf
    catalogues: SnapshotShelf
    proofs: ProofDesk
    signer: Signer
    desk: AckDesk
    clock: Clock


class FeedService:
    """Answers the six calls; messages in and out, no transport. Safe for many threads."""

    def __init__(self, sources: FeedSources, snapshot_streams: int) -> None:
        """Serve at most `snapshot_streams` snapshots at once, so that they never keep heartbeats waiting."""
        self._from = sources
        self._streams = threading.BoundedSemaphore(snapshot_streams)
        self._proofs = threading.BoundedSemaphore(PROVING)

    def get_heartbeat(self, request: feed_service_pb2.GetHeartbeatRequest) -> feed_service_pb2.GetHeartbeatResponse:
        """Return the newest heartbeat. NOT_FOUND: no such feed, or this process has not looked at it yet."""
        beat = self._from.heartbeats.newest(_feed(request.feed))
        if beat is None:
            raise _no_feed(request.feed)
        return feed_service_pb2.GetHeartbeatResponse(envelope=beat.envelope)

    def get_range(self, request: feed_service_pb2.GetRangeRequest) -> feed_service_pb2.GetRangeResponse:
        """Return deltas after a position. OUT_OF_RANGE: another epoch, or no longer kept; a snapshot leads on."""
        feed = _feed(request.feed)
        if request.limit > PAGE:
            raise FieldError("limit", f"is {request.limit}", f"ask for at most {PAGE}", FieldReason.FIELD_INVALID)
        head = self._from.log.head(feed)
        if head is None:
            raise _no_feed(feed)
        at = head.position
        if request.epoch != at.epoch:
            raise FeedRefusal(
                grpc.StatusCode.OUT_OF_RANGE,
                "OTHER_EPOCH",
                f"the feed is in epoch {at.epoch}, not {request.epoch}; take a snapshot",
            )
        if request.after_seq + 1 < head.oldest_seq:
            raise FeedRefusal(
                grpc.StatusCode.OUT_OF_RANGE,
                "NO_LONGER_KEPT",
                f"deltas are kept from {head.oldest_seq} on, not from {request.after_seq + 1}; take a snapshot",
            )
        envelopes: list[bytes] = []
        size = 0
        if request.after_seq < at.seq:
            for row in self._from.log.page(feed, at.epoch, Seq(request.after_seq), request.limit or PAGE):
                envelopes.append(self._from.signer.sign_policy(row.body, row.committed_at_ms))
                size += len(envelopes[-1])
                if size >= PAGE_BYTES:
                    break
        return feed_service_pb2.GetRangeResponse(envelopes=envelopes)

    def get_snapshot(
        self, request: feed_service_pb2.GetSnapshotRequest
    ) -> Iterator[feed_service_pb2.GetSnapshotResponse]:
        """Yield the manifest, then the chunks. RESOURCE_EXHAUSTED: too many are being sent, ask again."""
        feed = _feed(request.feed)
        if not self._streams.acquire(blocking=False):
            raise FeedRefusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "SNAPSHOTS_BUSY",
                "too many snapshots are being sent; ask again in a second",
                retry_after_ms=1_000,
            )
        try:
            packed = self._snapshot(feed, self._from.catalogues if request.catalogue_only else self._from.shelf)
            yield feed_service_pb2.GetSnapshotResponse(manifest=packed.manifest)
            for chunk in packed.chunks:
                yield feed_service_pb2.GetSnapshotResponse(chunk=chunk)
        finally:
            self._streams.release()

    def _snapshot(self, feed: str, shelf: SnapshotShelf) -> PackedSnapshot:
        if self._from.heartbeats.newest(feed) is None and self._from.log.head(feed) is None:
            raise _no_feed(feed)
        try:
            return shelf.obtain(feed, serve_for_ms=SERVE_SNAPSHOT_FOR_MS)
        except SnapshotError as error:
            raise FeedRefusal(grpc.StatusCode.DATA_LOSS, "SNAPSHOT_REFUSED", str(error)) from error

    def get_customers(self, request: feed_service_pb2.GetCustomersRequest) -> feed_service_pb2.GetCustomersResponse:
        """Return a proof for each customer. RESOURCE_EXHAUSTED: too many are being made, ask again."""
        feed = _feed(request.feed)
        if not 1 <= len(request.customers) <= CUSTOMERS:
            problem, remedy = f"has {len(request.customers)} entries", f"ask for 1 to {CUSTOMERS} customers"
            raise FieldError("customers", problem, remedy, FieldReason.FIELD_INVALID)
        for index, customer in enumerate(request.customers):
            if problem := id_problem(customer) or "":
                raise FieldError(f"customers[{index}]", problem, "send an id", FieldReason.FIELD_INVALID)
        if not self._proofs.acquire(blocking=False):
            raise FeedRefusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "PROOFS_BUSY", "too many proofs are being made", retry_after_ms=100
            )
        try:
            envelopes = self._from.proofs.prove(feed, request.customers)
        finally:
            self._proofs.release()
        if envelopes is None:
            raise _no_feed(feed)
        return feed_service_pb2.GetCustomersResponse(envelopes=envelopes)

    def get_key_set(self, _request: feed_service_pb2.GetKeySetRequest) -> feed_service_pb2.GetKeySetResponse:
        """Return the root-signed key set."""
        return feed_service_pb2.GetKeySetResponse(key_set=self._from.signer.key_set)

    def ack(self, request: feed_service_pb2.AckRequest) -> feed_service_pb2.AckResponse:
        """Take a report to the desk; it is stored with the publisher's next turn."""
        feed = _feed(request.feed)
        for name, text in (("sidecar_id", request.sidecar_id), ("boot_id", request.boot_id)):
            if problem := id_problem(text):
                raise FieldError(name, problem, "send 1-128 bytes of UTF-8", FieldReason.FIELD_INVALID)
        if len(request.software.encode()) > _MAX_SOFTWARE_BYTES:
            raise FieldError(
                "software", "is too long", f"send at most {_MAX_SOFTWARE_BYTES} bytes", FieldReason.FIELD_TOO_LONG
            )
        if len(request.chain) not in {0, _CHAIN_BYTES}:
            raise FieldError(
                "chain",
                f"has {len(request.chain)} bytes",
                f"send {_CHAIN_BYTES} bytes, or none when nothing is loaded",
                FieldReason.FIELD_INVALID,
            )
        state = _STATES.get(request.state)
        if state is None:
            raise FieldError("state", "is not a known state", "send a FeedState", FieldReason.FIELD_INVALID)
        now_ms = self._from.clock.now_ms()
        if request.epoch > now_ms // 1_000 + EPOCH_LEAD_S:
            raise FieldError(
                "epoch", "lies more than a day ahead", "set the clocks; no feed is there", FieldReason.FIELD_INVALID
            )
        if request.seq >> 63:
            raise FieldError("seq", "is beyond 63 bits", "send the applied seq", FieldReason.FIELD_INVALID)
        if self._from.heartbeats.newest(feed) is None:
            raise _no_feed(feed)
        ack = SidecarAck(
            feed=feed,
            sidecar_id=request.sidecar_id,
            boot_id=request.boot_id,
            epoch=Epoch(request.epoch),
            seq=Seq(request.seq),
            chain=request.chain,
            state=state,
            digest_ok=request.digest_ok,
            software=request.software,
            age_ms=Millis(max(0, request.age_ms)),
            acked_at_ms=Millis(now_ms),
        )
        if not self._from.desk.put(ack):
            raise FeedRefusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "ACKS_BUSY",
                "too many sidecars report at once",
                retry_after_ms=1_000,
            )
        return feed_service_pb2.AckResponse()


def _feed(name: str) -> str:
    problem = id_problem(name)
    if problem is not None:
        raise FieldError("feed", problem, "send the key of a product", FieldReason.FIELD_INVALID)
    return name


def _no_feed(name: str) -> FeedRefusal:
    return FeedRefusal(
        grpc.StatusCode.NOT_FOUND, "FEED_UNKNOWN", f"there is no feed {name!r} here; a feed is a product's key"
    )
