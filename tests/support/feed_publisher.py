"""A control plane in miniature for one feed: signs what it is told, right or wrong, and brings it to Redis or serves it over gRPC.

The log is written by the control plane's own scripts; nothing else of the control plane takes part, so a test can publish what a real
one never would: forged envelopes, another branch, a digest that is not true.
"""

import secrets
import time
from collections.abc import AsyncIterator, Sequence

import grpc
import grpc.aio

# ruff: noqa: N802, ARG002 - the names and the signatures of the service are those of the contract
from control.domain.publishing import Position
from control.metrics import PUBLISHER_METRICS
from control.publishing.redis_log import Answer, Entry, RedisLog
from entitlements.policy.digest import chain_base, digest_of, sum_records
from entitlements.policy.ids import Epoch, RecordKey, Seq
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.metrics import Meters
from entitlements.runtime.redis import connect_sync
from entitlements.v1 import feed_service_pb2 as pb
from entitlements.v1 import feed_service_pb2_grpc
from entitlements.wire import names, snapshot
from entitlements.wire.envelope import (
    KeyGrant,
    KeyRole,
    RecordChange,
    SigningKeyPair,
    build_catalogue,
    build_customer,
    build_delta,
    build_heartbeat,
    build_manifest,
    build_nudge,
    sign,
    sign_key_set,
)

KEEP_ALL = Seq(0)


class FeedPublisher:
    """The truth of one feed and the keys that vouch for it."""

    def __init__(self, feed: str, redis_url: str) -> None:
        """Begin an epoch with no records; Redis holds nothing before `refill`."""
        self.feed = feed
        self.root = SigningKeyPair.generate()
        self.policy = SigningKeyPair.generate()
        self.heart = SigningKeyPair.generate()
        self.key_version = 1
        self.revoked: list[SigningKeyPair] = []
        self.client = connect_sync(redis_url)
        self.log = RedisLog(self.client, SystemClock(), Meters(PUBLISHER_METRICS))
        self.records: dict[str, bytes] = {}
        self.epoch = Epoch(int(time.time()) - 1_000)
        self.issued_ms = 0
        self.reached_over_grpc: list[tuple[int, int]] = []
        self.acks: list[pb.AckRequest] = []
        self.asked_for: list[list[str]] = []
        self.proves_nothing = False
        self.begin_epoch(self.epoch)

    def begin_epoch(self, epoch: int | None = None) -> None:
        """Begin a new epoch at the present records."""
        self.epoch = Epoch(self.epoch + 1 if epoch is None else epoch)
        self.entries: list[Entry] = []
        self.base = Position(self.epoch, Seq(0), chain_base(self.feed, self.epoch, self.digest, secrets.token_bytes(8)))

    def branch_off(self, seq: int) -> None:
        """Go back to a seq of this epoch, as a database restored from a backup does; records stay as they are."""
        self.entries = self.entries[:seq]

    @property
    def digest(self) -> bytes:
        """Return the digest of the whole set."""
        return digest_of(sum_records(self.records.items()))

    @property
    def head(self) -> Position:
        """Return where the truth stands."""
        if not self.entries:
            return self.base
        return Position(self.epoch, self.entries[-1].seq, self.entries[-1].chain)

    def key_set(self) -> bytes:
        """Return the signed key set."""
        grants = [KeyGrant(self.policy.public, KeyRole.POLICY), KeyGrant(self.heart.public, KeyRole.HEARTBEAT)]
        grants += [KeyGrant(key.public, KeyRole.POLICY, revoked=True) for key in self.revoked]
        return sign_key_set(self.key_version, grants, self.root)

    def rotate(self) -> None:
        """Put another policy key in place of the present one, which is revoked; nobody is told."""
        self.revoked.append(self.policy)
        self.policy = SigningKeyPair.generate()
        self.key_version += 1

    def signed_delta(
        self, changes: dict[str, bytes | None], *, key: SigningKeyPair | None = None, digest: bytes | None = None
    ) -> Entry:
        """Return the next delta, not yet part of the truth; `digest` replaces the true one."""
        after = {name: body for name, body in {**self.records, **changes}.items() if body is not None}
        head = self.head
        made = build_delta(
            self.feed,
            self.epoch,
            head.seq + 1,
            head.chain,
            [RecordChange(RecordKey(name), body) for name, body in changes.items()],
            digest or digest_of(sum_records(after.items())),
            time.time_ns() // 1_000_000,
        )
        return Entry(Seq(head.seq + 1), made.chain, sign(made.body, key or self.policy))

    def commit(self, *customers: str, body: bytes = b"record") -> Entry:
        """Make one delta part of the truth, unpublished."""
        return self.commit_changes({f"c/{name}": body for name in customers})

    def commit_changes(self, changes: dict[str, bytes | None]) -> Entry:
        """Make one delta of puts and removals part of the truth, unpublished."""
        entry = self.signed_delta(changes)
        after = {**self.records, **changes}
        self.records = {name: body for name, body in after.items() if body is not None}
        self.entries.append(entry)
        return entry

    def publish(self) -> None:
        """Append what the log lacks, ringing the bell for each."""
        state = self.log.state(self.feed)
        assert state is not None
        missing = self.entries[state.head.seq :]
        nudge = sign(build_nudge(self.feed, self.epoch, self.head.seq, time.time_ns() // 1_000_000), self.heart)
        answers = self.log.append(self.feed, self.epoch, missing, KEEP_ALL, nudge)
        assert all(answer is Answer.DONE for answer in answers)

    def append_silently(self) -> None:
        """Append what the log lacks without a sound on the bus, as when every message is lost."""
        for entry in self.entries[self._log_seq() :]:
            self.client.xadd(names.log_key(self.feed), {"d": entry.envelope}, id=names.stream_id(self.epoch, entry.seq))
            self.client.hset(names.head_key(self.feed), mapping={"s": entry.seq, "c": entry.chain.hex()})

    def _log_seq(self) -> int:
        state = self.log.state(self.feed)
        return 0 if state is None else state.head.seq

    def refill(self) -> None:
        """Begin the log anew, fill it, and put the key set and a snapshot beside it."""
        state = self.log.state(self.feed)
        seen = state.head.seq if state is not None and state.head.epoch == self.epoch else None
        assert self.log.reset(self.feed, self.base, seen) is Answer.DONE
        self.log.put_key_set(self.feed, self.key_set())
        self.publish()
        self.put_snapshot()

    def trim(self, keep_from: int) -> None:
        """Forget the log below a seq."""
        self.client.xtrim(names.log_key(self.feed), minid=names.stream_id(self.epoch, keep_from), approximate=False)
        self.client.hset(names.head_key(self.feed), "min", str(keep_from))

    def packed(self) -> tuple[bytes, list[bytes]]:
        """Return a signed manifest of the head, and the chunks."""
        return self._packed(self.records)

    def packed_catalogue(self) -> tuple[bytes, list[bytes]]:
        """Return a signed description of the head's catalogue, and the chunks."""
        return self._packed({key: body for key, body in self.records.items() if not key.startswith("c/")}, part=True)

    def _packed(self, held: dict[str, bytes], *, part: bool = False) -> tuple[bytes, list[bytes]]:
        records = sorted(held.items(), key=lambda record: record[0].encode())
        chunks = list(snapshot.pack(records))
        hashes = [snapshot.chunk_hash(chunk) for chunk in chunks]
        head = self.head
        now_ms = time.time_ns() // 1_000_000
        facts = (self.feed, self.epoch, head.seq, head.chain, self.digest, now_ms, len(records), hashes)
        body = build_catalogue(*facts, digest_of(sum_records(records))) if part else build_manifest(*facts)
        return sign(body, self.policy), chunks

    def proof(self, customer: str, *, key: SigningKeyPair | None = None, body: bytes | None = None) -> bytes:
        """Return a signed proof of a customer at the head; a body replaces the true one."""
        head, record = self.head, self.records.get(f"c/{customer}") if body is None else body
        now_ms = time.time_ns() // 1_000_000
        made = build_customer(self.feed, self.epoch, head.seq, head.chain, self.digest, now_ms, customer, record)
        return sign(made, key or self.policy)

    def leave(self, customer: str, proof: bytes | None = None) -> None:
        """Leave a proof in Redis, that of the head unless another is given."""
        self.log.put_customers(self.feed, [(customer, proof or self.proof(customer))])

    def put_catalogue(self) -> None:
        """Store the catalogue of the head."""
        manifest, chunks = self.packed_catalogue()
        self.log.put_catalogue(self.feed, self.head, manifest, chunks)

    def put_snapshot(self) -> None:
        """Store a snapshot of the head."""
        manifest, chunks = self.packed()
        self.log.put_snapshot(self.feed, self.head, manifest, chunks)

    def heartbeat(self) -> bytes:
        """Return a signed heartbeat of the head, later than all before."""
        self.issued_ms = max(self.issued_ms + 1, time.time_ns() // 1_000_000)
        head = self.head
        body = build_heartbeat(
            self.feed,
            head.epoch,
            head.seq,
            head.chain,
            self.digest,
            self.issued_ms,
            1,
            head.seq,
            self.issued_ms + 30_000,
        )
        return sign(body, self.heart)

    def beat(self) -> None:
        """Send a heartbeat over the bus."""
        self.log.broadcast(self.feed, self.heartbeat())


class FeedServiceDouble(feed_service_pb2_grpc.FeedServiceServicer):
    """Serves a publisher's truth over gRPC, to whoever shows the token."""

    def __init__(self, publisher: FeedPublisher) -> None:
        """Serve one feed."""
        self._publisher = publisher

    @staticmethod
    async def _admit(context: grpc.aio.ServicerContext[object, object]) -> None:
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("authorization") != "Bearer token":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "show the token")

    async def GetHeartbeat(
        self, request: pb.GetHeartbeatRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.GetHeartbeatResponse:
        """Answer with the head."""
        await self._admit(context)
        return pb.GetHeartbeatResponse(envelope=self._publisher.heartbeat())

    async def GetRange(
        self, request: pb.GetRangeRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.GetRangeResponse:
        """Answer with a page."""
        await self._admit(context)
        publisher = self._publisher
        if request.epoch != publisher.epoch:
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, "another epoch")
        publisher.reached_over_grpc.append((request.epoch, request.after_seq))
        page: Sequence[Entry] = publisher.entries[request.after_seq : request.after_seq + request.limit]
        return pb.GetRangeResponse(envelopes=[entry.envelope for entry in page])

    async def GetSnapshot(
        self, request: pb.GetSnapshotRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[pb.GetSnapshotResponse]:
        """Answer with a snapshot of the head."""
        await self._admit(context)
        publisher = self._publisher
        manifest, chunks = publisher.packed_catalogue() if request.catalogue_only else publisher.packed()
        yield pb.GetSnapshotResponse(manifest=manifest)
        for chunk in chunks:
            yield pb.GetSnapshotResponse(chunk=chunk)

    async def GetCustomers(
        self, request: pb.GetCustomersRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.GetCustomersResponse:
        """Answer with proofs of the head."""
        await self._admit(context)
        self._publisher.asked_for.append(list(request.customers))
        if self._publisher.proves_nothing:
            await context.abort(grpc.StatusCode.INTERNAL, "no proofs today")
        proofs = [self._publisher.proof(customer) for customer in request.customers]
        return pb.GetCustomersResponse(envelopes=proofs)

    async def GetKeySet(
        self, request: pb.GetKeySetRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.GetKeySetResponse:
        """Answer with the key set."""
        await self._admit(context)
        return pb.GetKeySetResponse(key_set=self._publisher.key_set())

    async def Ack(self, request: pb.AckRequest, context: grpc.aio.ServicerContext[object, object]) -> pb.AckResponse:
        """Take a report."""
        await self._admit(context)
        self._publisher.acks.append(request)
        return pb.AckResponse()
