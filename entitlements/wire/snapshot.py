"""Snapshots in chunks: records sorted by key, packed into zlib-compressed protobuf messages of at most 512 KiB before compression.

Unpacking is bounded: a chunk that claims to be larger than any packed one is refused before it is inflated, whoever signed it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final

from google.protobuf.message import DecodeError

from entitlements.policy.ids import RecordKey
from entitlements.v1 import policy_pb2
from entitlements.wire.codec import MAX_RECORD_BYTES
from entitlements.wire.errors import Refusal, Refused
from entitlements.wire.feed_messages import is_record_key

CHUNK_BYTES: Final = 512 * 1024
"""Aim for the size of a chunk before compression; only a chunk of one larger record exceeds it."""
_MAX_RAW: Final = MAX_RECORD_BYTES + 1024
_LEVEL: Final = 6
_AT_A_STRETCH: Final = 64
_OVERHEAD: Final = 16
"""Tags and lengths around one record, at most."""


def pack(records: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Return compressed chunks for records that come sorted by key; ValueError when they do not, or when one is too large."""
    chunk = policy_pb2.SnapshotChunk()
    size = 0
    previous = b""
    for key, body in records:
        raw = key.encode()
        if raw <= previous:
            raise ValueError(f"record {key} is out of order or listed twice")
        if len(body) > MAX_RECORD_BYTES or not body or not is_record_key(key):
            raise ValueError(f"record {key} cannot be published: {len(body)} bytes")
        previous = raw
        cost = len(raw) + len(body) + _OVERHEAD
        if size and size + cost > CHUNK_BYTES:
            yield _compressed(chunk)
            chunk = policy_pb2.SnapshotChunk()
            size = 0
        chunk.records.add(key=key, body=body)
        size += cost
    if size:
        yield _compressed(chunk)


def _compressed(chunk: policy_pb2.SnapshotChunk) -> bytes:
    return zlib.compress(chunk.SerializeToString(deterministic=True), _LEVEL)


def chunk_hash(chunk: bytes) -> bytes:
    """Return the 32 bytes by which a manifest names a compressed chunk."""
    return sha256(chunk).digest()


def unpack(chunk: bytes, pause: Callable[[], None] = lambda: None) -> list[tuple[RecordKey, bytes]]:
    """Return the records of a chunk in order; Refused (malformed) when it is none, or inflates beyond what ``pack`` makes.

    The caller has compared ``chunk_hash`` with the signed manifest before; ``pause`` is called after each few records.
    """
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(chunk, _MAX_RAW)
    except zlib.error as error:
        raise Refused(Refusal.MALFORMED, f"chunk: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof or inflater.unused_data:
        raise Refused(Refusal.MALFORMED, f"chunk: cut off, followed by something, or more than {_MAX_RAW} bytes")
    try:
        message = policy_pb2.SnapshotChunk.FromString(raw)
    except DecodeError as error:
        raise Refused(Refusal.MALFORMED, f"chunk: {error}") from error
    records: list[tuple[RecordKey, bytes]] = []
    previous = b""
    for number, record in enumerate(message.records):
        if number % _AT_A_STRETCH == 0:
            pause()
        key = record.key.encode()
        if key <= previous or record.deleted or not record.body or not is_record_key(record.key):
            raise Refused(Refusal.MALFORMED, f"chunk: record {record.key[:40]!r} is out of place")
        previous = key
        records.append((RecordKey(record.key), record.body))
    return records
