"""What a feed says, as frozen objects; ``feed_bodies`` builds what is read here.

Deltas, heartbeats, manifests and nudges travel by themselves; proofs of customers and descriptions of catalogues are made on request.

Reading assumes that the signature (or the chain) has been checked, and is strict all the same: Refused is the only exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from entitlements.policy.digest import chain_next
from entitlements.policy.ids import CustomerId, Epoch, Millis, RecordKey, Seq, id_problem
from entitlements.v1 import policy_pb2
from entitlements.wire.codec import MAX_RECORD_BYTES, MAX_RECORD_KEY_BYTES, SCHEMA_MAJOR
from entitlements.wire.errors import Refusal, Refused

HASH_BYTES: Final = 32
_PREFIXES: Final = ("f/", "p/", "c/")


class RecordChange(NamedTuple):
    """One record put (``body``) or removed (None)."""

    key: RecordKey
    body: bytes | None


@dataclass(frozen=True, slots=True)
class FeedDelta:
    """One committed business action: the position after it, the chain before and after it, the changes.

    ``digest`` is empty in the inner deltas of a verified page, because only the last one's is attested (see ``page``).
    """

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    prev: bytes
    chain: bytes
    digest: bytes
    ops: tuple[RecordChange, ...]
    kid: str = ""


@dataclass(frozen=True, slots=True)
class FeedHeartbeat:
    """The head of a feed at one instant. ``not_after_ms`` ends its use."""

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    chain: bytes
    digest: bytes
    min_replay_seq: Seq
    snapshot_seq: Seq
    not_after_ms: Millis
    kid: str = ""


@dataclass(frozen=True, slots=True)
class FeedManifest:
    """The description of a snapshot: position, number of records, SHA-256 of each compressed chunk in order."""

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    chain: bytes
    digest: bytes
    schema_major: int
    record_count: int
    chunk_sha256: tuple[bytes, ...]
    kid: str = ""


@dataclass(frozen=True, slots=True)
class FeedNudge:
    """A hint that the head moved to a position whose delta is too large for the doorbell."""

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    kid: str = ""


@dataclass(frozen=True, slots=True)
class FeedCustomer:
    """One customer at one position: its record's ``body``, or None when there was no such customer then."""

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    chain: bytes
    digest: bytes
    customer: CustomerId
    body: bytes | None
    kid: str = ""


@dataclass(frozen=True, slots=True)
class FeedCatalogue:
    """The description of a snapshot without customers. ``digest`` is that of the whole set, ``part_digest`` that of these records."""

    feed: str
    epoch: Epoch
    seq: Seq
    issued_at_ms: Millis
    chain: bytes
    digest: bytes
    schema_major: int
    record_count: int
    chunk_sha256: tuple[bytes, ...]
    part_digest: bytes
    kid: str = ""


FeedMessage: TypeAlias = FeedDelta | FeedHeartbeat | FeedManifest | FeedNudge | FeedCustomer | FeedCatalogue


def parse_outer(body: bytes) -> policy_pb2.FeedMessage:
    """Return the outer message alone, for the chain over a page; Refused when it is none."""
    try:
        return policy_pb2.FeedMessage.FromString(body)
    except DecodeError as error:
        raise Refused(Refusal.MALFORMED, f"body: {error}") from error


def read_body(body: bytes, kid: str = "") -> FeedMessage:
    """Return the message of a body; Refused (malformed, schema, bad_chain) when it is not as declared."""
    return read_message(parse_outer(body), kid)


def read_message(outer: policy_pb2.FeedMessage, kid: str = "") -> FeedMessage:
    """Return the message with its payload; as ``read_body``."""
    if not outer.feed:
        raise _malformed("feed is empty")
    if outer.issued_at_ms <= 0:
        raise _malformed("issued_at_ms is not after 1970")
    if outer.kind == policy_pb2.FEED_KIND_NUDGE:
        return FeedNudge(outer.feed, Epoch(outer.epoch), Seq(outer.seq), Millis(outer.issued_at_ms), kid)
    if len(outer.chain) != HASH_BYTES or len(outer.digest) != HASH_BYTES:
        raise _malformed(f"chain and digest must have {HASH_BYTES} bytes")
    try:
        if outer.kind == policy_pb2.FEED_KIND_DELTA:
            return _delta(outer, kid)
        if outer.kind == policy_pb2.FEED_KIND_HEARTBEAT:
            return _heartbeat(outer, kid)
        if outer.kind == policy_pb2.FEED_KIND_MANIFEST:
            return _manifest(outer, kid)
        if outer.kind == policy_pb2.FEED_KIND_CUSTOMER:
            return _customer(outer, kid)
        if outer.kind == policy_pb2.FEED_KIND_CATALOGUE:
            return _catalogue(outer, kid)
    except DecodeError as error:
        raise _malformed(f"payload: {error}") from error
    raise _malformed(f"unknown kind {outer.kind}")


def _malformed(detail: str) -> Refused:
    return Refused(Refusal.MALFORMED, detail)


def _delta(outer: policy_pb2.FeedMessage, kid: str) -> FeedDelta:
    payload = policy_pb2.Delta.FromString(outer.payload)
    if outer.seq < 1:
        raise _malformed("a delta has seq 1 or greater")
    if len(payload.prev) != HASH_BYTES:
        raise _malformed(f"prev must have {HASH_BYTES} bytes")
    if chain_next(payload.prev, outer.epoch, outer.seq, outer.payload) != outer.chain:
        raise Refused(Refusal.BAD_CHAIN, "the chain value does not follow from the payload")
    ops = tuple(_change(op) for op in payload.ops)
    if len({op.key for op in ops}) != len(ops):
        raise _malformed("a delta changes one record twice")
    return FeedDelta(
        feed=outer.feed,
        epoch=Epoch(outer.epoch),
        seq=Seq(outer.seq),
        issued_at_ms=Millis(outer.issued_at_ms),
        prev=payload.prev,
        chain=outer.chain,
        digest=outer.digest,
        ops=ops,
        kid=kid,
    )


def _change(op: policy_pb2.RecordOp) -> RecordChange:
    if not is_record_key(op.key):
        raise _malformed(f"record key {op.key[:40]!r} is not one")
    if len(op.body) > MAX_RECORD_BYTES:
        raise _malformed(f"record {op.key} has more than {MAX_RECORD_BYTES} bytes")
    if op.deleted == bool(op.body):
        raise _malformed(f"record {op.key} must have either a body or the mark of removal")
    return RecordChange(RecordKey(op.key), None if op.deleted else op.body)


def is_record_key(key: str) -> bool:
    """Return whether a text can be the key of a record: a known prefix, and short enough for the store."""
    return key.startswith(_PREFIXES) and 2 < len(key.encode()) <= MAX_RECORD_KEY_BYTES


def _heartbeat(outer: policy_pb2.FeedMessage, kid: str) -> FeedHeartbeat:
    payload = policy_pb2.Heartbeat.FromString(outer.payload)
    if payload.not_after_ms <= outer.issued_at_ms:
        raise _malformed("not_after_ms is not after issued_at_ms")
    return FeedHeartbeat(
        feed=outer.feed,
        epoch=Epoch(outer.epoch),
        seq=Seq(outer.seq),
        issued_at_ms=Millis(outer.issued_at_ms),
        chain=outer.chain,
        digest=outer.digest,
        min_replay_seq=Seq(payload.min_replay_seq),
        snapshot_seq=Seq(payload.snapshot_seq),
        not_after_ms=Millis(payload.not_after_ms),
        kid=kid,
    )


def _manifest(outer: policy_pb2.FeedMessage, kid: str) -> FeedManifest:
    payload = policy_pb2.Manifest.FromString(outer.payload)
    _check_snapshot(payload)
    return FeedManifest(
        feed=outer.feed,
        epoch=Epoch(outer.epoch),
        seq=Seq(outer.seq),
        issued_at_ms=Millis(outer.issued_at_ms),
        chain=outer.chain,
        digest=outer.digest,
        schema_major=payload.schema_major,
        record_count=payload.record_count,
        chunk_sha256=tuple(payload.chunk_sha256),
        kid=kid,
    )


def _check_snapshot(payload: policy_pb2.Manifest | policy_pb2.Catalogue) -> None:
    if payload.schema_major != SCHEMA_MAJOR:
        raise Refused(Refusal.SCHEMA, f"schema major {payload.schema_major}, this reader knows {SCHEMA_MAJOR}")
    if any(len(digest) != HASH_BYTES for digest in payload.chunk_sha256):
        raise _malformed(f"chunk_sha256 must have {HASH_BYTES} bytes each")


def _catalogue(outer: policy_pb2.FeedMessage, kid: str) -> FeedCatalogue:
    payload = policy_pb2.Catalogue.FromString(outer.payload)
    _check_snapshot(payload)
    if len(payload.part_digest) != HASH_BYTES:
        raise _malformed(f"part_digest must have {HASH_BYTES} bytes")
    return FeedCatalogue(
        feed=outer.feed,
        epoch=Epoch(outer.epoch),
        seq=Seq(outer.seq),
        issued_at_ms=Millis(outer.issued_at_ms),
        chain=outer.chain,
        digest=outer.digest,
        schema_major=payload.schema_major,
        record_count=payload.record_count,
        chunk_sha256=tuple(payload.chunk_sha256),
        part_digest=payload.part_digest,
        kid=kid,
    )


def _customer(outer: policy_pb2.FeedMessage, kid: str) -> FeedCustomer:
    payload = policy_pb2.CustomerProof.FromString(outer.payload)
    if id_problem(payload.customer) is not None:
        raise _malformed("the proof names no customer")
    if len(payload.body) > MAX_RECORD_BYTES:
        raise _malformed(f"the customer's record has more than {MAX_RECORD_BYTES} bytes")
    if payload.absent == bool(payload.body):
        raise _malformed("a proof has either a record or the mark of absence")
    return FeedCustomer(
        feed=outer.feed,
        epoch=Epoch(outer.epoch),
        seq=Seq(outer.seq),
        issued_at_ms=Millis(outer.issued_at_ms),
        chain=outer.chain,
        digest=outer.digest,
        customer=CustomerId(payload.customer),
        body=None if payload.absent else payload.body,
        kid=kid,
    )
