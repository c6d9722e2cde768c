"""Snapshot chunks: bounded in both directions."""

from __future__ import annotations

import os
import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.v1 import policy_pb2
from entitlements.wire import snapshot
from entitlements.wire.codec import MAX_RECORD_BYTES
from entitlements.wire.errors import Refusal, Refused


def refusal_of(chunk: bytes) -> Refusal:
    """Return why a chunk is refused."""
    with pytest.raises(Refused) as caught:
        snapshot.unpack(chunk)
    return caught.value.reason


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=8).map("c/".__add__), st.binary(min_size=1, max_size=99)))
def test_records_survive(records: dict[str, bytes]) -> None:
    """What was packed comes back in order."""
    ordered = sorted(records.items())
    chunks = list(snapshot.pack(ordered))
    assert [record for chunk in chunks for record in snapshot.unpack(chunk)] == ordered
    assert bool(chunks) == bool(records)


def test_chunks_are_bounded() -> None:
    """Two megabytes of records come in chunks of at most 512 KiB before compression."""
    records = [(f"c/{number:06}", os.urandom(400)) for number in range(5000)]
    chunks = list(snapshot.pack(records))
    assert len(chunks) == 5
    assert all(len(zlib.decompress(chunk)) <= snapshot.CHUNK_BYTES for chunk in chunks)
    assert [record for chunk in chunks for record in snapshot.unpack(chunk)] == records
    assert snapshot.chunk_hash(chunks[0]) == sha256(chunks[0]).digest()


def test_one_large_record_is_one_chunk() -> None:
    """A record larger than a chunk travels alone."""
    records = [("c/a", b"x"), ("c/b", bytes(MAX_RECORD_BYTES)), ("c/c", b"y")]
    chunks = list(snapshot.pack(records))
    assert [len(snapshot.unpack(chunk)) for chunk in chunks] == [1, 1, 1]


@pytest.mark.parametrize(
    "records",
    [
        [("c/b", b"x"), ("c/a", b"x")],
        [("c/a", b"x"), ("c/a", b"x")],
        [("c/a", b"")],
        [("x/a", b"x")],
        [("c/a", bytes(MAX_RECORD_BYTES + 1))],
    ],
    ids=["unsorted", "twice", "empty", "unknown-kind", "huge"],
)
def test_what_readers_would_refuse_is_not_packed(records: list[tuple[str, bytes]]) -> None:
    """A publisher notices before anything is sent."""
    with pytest.raises(ValueError, match="record"):
        list(snapshot.pack(records))


def test_a_bomb_is_not_inflated() -> None:
    """A chunk of a gigabyte of zeros is refused after its first few megabytes."""
    inflater = zlib.compressobj(9)
    megabyte = bytes(1 << 20)
    bomb = b"".join(inflater.compress(megabyte) for _ in range(1024)) + inflater.flush()
    assert len(bomb) < 2 << 20
    assert refusal_of(bomb) is Refusal.MALFORMED


def test_records_out_of_place_are_refused() -> None:
    """Order, kind and content of records are checked on the way in as well."""
    for records in (
        [policy_pb2.RecordOp(key="c/b", body=b"x"), policy_pb2.RecordOp(key="c/a", body=b"x")],
        [policy_pb2.RecordOp(key="c/a", deleted=True)],
        [policy_pb2.RecordOp(key="c/a")],
        [policy_pb2.RecordOp(key="x/a", body=b"x")],
    ):
        chunk = policy_pb2.SnapshotChunk(records=records).SerializeToString()
        assert refusal_of(zlib.compress(chunk)) is Refusal.MALFORMED


@given(st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    """A changed byte, a cut or an addition is Refused or leaves a list of records, never another exception."""
    (chunk,) = snapshot.pack([("c/a", b"one"), ("c/b", b"two")])
    damaged = bytearray(chunk)
    place = data.draw(st.integers(0, len(damaged) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "add"])):
        case "flip":
            damaged[place] ^= data.draw(st.integers(1, 255))
        case "cut":
            del damaged[place:]
        case _:
            damaged += data.draw(st.binary(min_size=1, max_size=5))
    try:
        records = snapshot.unpack(bytes(damaged))
    except Refused:
        return
    assert records == [("c/a", b"one"), ("c/b", b"two")], "zlib's own checksum lets no other content through"
