"""Bodies of feed messages: serialized FeedMessages, ready to be signed.

Building is a pure function, so any publisher makes the same bytes from the same outbox row, and a message may be published again at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from entitlements.policy.digest import chain_next
from entitlements.v1 import policy_pb2
from entitlements.wire.codec import SCHEMA_MAJOR
from entitlements.wire.feed_messages import RecordChange, read_body


class DeltaBody(NamedTuple):
    """A delta ready to be signed, and the chain value after it."""

    body: bytes
    chain: bytes


def build_delta(
    feed: str,
    epoch: int,
    seq: int,
    prev: bytes,
    ops: Sequence[RecordChange],
    digest: bytes,
    issued_at_ms: int,
) -> DeltaBody:
    """Return the body of a delta; ``issued_at_ms`` is the commit time, ``digest`` that of the whole set after it."""
    delta = policy_pb2.Delta(
        prev=prev,
        ops=[
            policy_pb2.RecordOp(key=key, body=body or b"", deleted=body is None)
            for key, body in sorted(ops, key=lambda change: change.key)
        ],
    )
    payload = delta.SerializeToString(deterministic=True)
    chain = chain_next(prev, epoch, seq, payload)
    body = _body(feed, policy_pb2.FEED_KIND_DELTA, epoch, seq, issued_at_ms, chain, digest, payload)
    return DeltaBody(body, chain)


def build_heartbeat(
    feed: str,
    epoch: int,
    seq: int,
    chain: bytes,
    digest: bytes,
    issued_at_ms: int,
    min_replay_seq: int,
    snapshot_seq: int,
    not_after_ms: int,
) -> bytes:
    """Return the body of a heartbeat of the database's head."""
    payload = policy_pb2.Heartbeat(
        min_replay_seq=min_replay_seq, snapshot_seq=snapshot_seq, not_after_ms=not_after_ms
    ).SerializeToString(deterministic=True)
    return _body(feed, policy_pb2.FEED_KIND_HEARTBEAT, epoch, seq, issued_at_ms, chain, digest, payload)


def build_manifest(
    feed: str,
    epoch: int,
    seq: int,
    chain: bytes,
    digest: bytes,
    issued_at_ms: int,
    record_count: int,
    chunk_sha256: Sequence[bytes],
) -> bytes:
    """Return the body of a snapshot's manifest."""
    payload = policy_pb2.Manifest(
        schema_major=SCHEMA_MAJOR, record_count=record_count, chunk_sha256=chunk_sha256
    ).SerializeToString(deterministic=True)
    return _body(feed, policy_pb2.FEED_KIND_MANIFEST, epoch, seq, issued_at_ms, chain, digest, payload)


def build_catalogue(
    feed: str,
    epoch: int,
    seq: int,
    chain: bytes,
    digest: bytes,
    issued_at_ms: int,
    record_count: int,
    chunk_sha256: Sequence[bytes],
    part_digest: bytes,
) -> bytes:
    """Return the body that describes a snapshot of features and plan versions; ``digest`` is that of the whole set."""
    payload = policy_pb2.Catalogue(
        schema_major=SCHEMA_MAJOR, record_count=record_count, chunk_sha256=chunk_sha256, part_digest=part_digest
    ).SerializeToString(deterministic=True)
    return _body(feed, policy_pb2.FEED_KIND_CATALOGUE, epoch, seq, issued_at_ms, chain, digest, payload)


def build_customer(
    feed: str,
    epoch: int,
    seq: int,
    chain: bytes,
    digest: bytes,
    issued_at_ms: int,
    customer: str,
    record: bytes | None,
) -> bytes:
    """Return the body that proves what a customer's record is at a position; None proves that there is none."""
    payload = policy_pb2.CustomerProof(customer=customer, body=record or b"", absent=record is None).SerializeToString(
        deterministic=True
    )
    return _body(feed, policy_pb2.FEED_KIND_CUSTOMER, epoch, seq, issued_at_ms, chain, digest, payload)


def build_nudge(feed: str, epoch: int, seq: int, issued_at_ms: int) -> bytes:
    """Return the body of a nudge."""
    return _body(feed, policy_pb2.FEED_KIND_NUDGE, epoch, seq, issued_at_ms, b"", b"", b"")


def _body(
    feed: str,
    kind: policy_pb2.FeedKind,
    epoch: int,
    seq: int,
    issued_at_ms: int,
    chain: bytes,
    digest: bytes,
    payload: bytes,
) -> bytes:
    body = policy_pb2.FeedMessage(
        feed=feed,
        kind=kind,
        epoch=epoch,
        seq=seq,
        issued_at_ms=issued_at_ms,
        chain=chain,
        digest=digest,
        payload=payload,
    ).SerializeToString(deterministic=True)
    read_body(body)  # nothing may be published that readers would refuse
    return body
