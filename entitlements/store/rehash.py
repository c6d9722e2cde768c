"""Verification of a whole store: walk the keys *and* look every key up, and sum what the lookups return.

A walk alone is not enough: a flipped bit in a branch page can leave the walk complete while a lookup misses a key, which would answer
"customer unknown". LMDB itself notices next to nothing, and a corrupt page may crash it, so this runs in a child process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from entitlements.policy.digest import (
    CHECKSUM_BYTES,
    digest_of,
    record_checksum,
    record_hash,
    sum_replace,
    sum_to_bytes,
)
from entitlements.store.errors import CorruptRecord, CorruptStore, NothingStored
from entitlements.store.layout import (
    DATA_FILE,
    ENVELOPE_KEY,
    KEY_SET_KEY,
    MAX_READERS,
    META,
    RECORDS,
    STATE_KEY,
    SUM_KEY,
    StoreState,
    environment_path,
    unpack_state,
)
from entitlements.store.mapped_file import check_schema


@dataclass(frozen=True, slots=True)
class RehashResult:
    """What a store holds: the sum and digest over its looked-up records, and what the signature check above needs."""

    sum: int
    digest: bytes
    count: int
    state: StoreState
    envelope: bytes
    key_set: bytes | None


def verify_digest(directory: Path) -> RehashResult:
    """Re-hash the store of a feed directory in one read transaction.

    NothingStored when there is no store or no policy set in it, CorruptStore when it contradicts itself. Whether the digest is the *signed*
    one is for the caller to check with ``envelope``: someone who can write the file can make it consistent.
    """
    path = environment_path(directory)
    if not (path / DATA_FILE).exists():
        raise NothingStored(f"{path} holds no store")
    try:
        environment = lmdb.open(
            str(path), map_size=0, readonly=True, create=False, max_dbs=2, max_readers=MAX_READERS, readahead=True
        )
    except lmdb.Error as error:
        raise CorruptStore(f"{path} cannot be opened: {error}") from error
    try:
        return _verify(environment, path)
    except lmdb.Error as error:
        raise CorruptStore(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise CorruptStore(f"{path} holds a key that is no text") from error
    finally:
        environment.close()


def _verify(environment: lmdb.Environment, path: Path) -> RehashResult:
    try:
        records = environment.open_db(RECORDS, create=False)
        meta = environment.open_db(META, create=False)
    except lmdb.NotFoundError as error:
        raise NothingStored(f"{path} holds no policy set") from error
    with environment.begin() as txn:
        check_schema(txn, meta, path)
        packed, total = txn.get(STATE_KEY, db=meta), txn.get(SUM_KEY, db=meta)
        envelope = txn.get(ENVELOPE_KEY, db=meta)
        if packed is None:
            raise NothingStored(f"{path} holds no policy set")
        state = unpack_state(packed)
        if envelope is None or total is None:
            raise CorruptStore(f"{path} has a position, but no signed proof of it")
        summed, count = _sum_of_lookups(txn, records)
        if sum_to_bytes(summed) != total:
            raise CorruptStore(f"{path}: the records do not add up to the stored sum")
        return RehashResult(summed, digest_of(summed), count, state, envelope, txn.get(KEY_SET_KEY, db=meta))


def _sum_of_lookups(txn: lmdb.Transaction[bytes], records: Any) -> tuple[int, int]:
    expected = txn.stat(db=records)["entries"]
    total = count = 0
    previous = b""
    with txn.cursor(db=records) as cursor:
        for raw in cursor.iternext(keys=True, values=False):
            if raw <= previous or count == expected:  # also ends a walk that a damaged page sends in circles
                raise CorruptStore("the keys are not in order")
            previous = raw
            count += 1
            key = raw.decode()
            value = txn.get(raw, db=records)
            if value is None:
                raise CorruptRecord(key, "is listed, but cannot be looked up")
            body = value[CHECKSUM_BYTES:]
            if record_checksum(key, body) != value[:CHECKSUM_BYTES]:
                raise CorruptRecord(key, "does not match its checksum")
            total += record_hash(key, body)
    if count != expected:
        raise CorruptStore(f"{count} of {expected} records were found")
    return sum_replace(total, "", None, None), count
