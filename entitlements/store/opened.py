"""The store's file opened for reading: found by its identity, of a schema that this version knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from entitlements.store.layout import DATA_FILE, MAX_READERS, META, RECORDS
from entitlements.store.mapped_file import check_schema
from entitlements.store.marks import Marks, marks_of


class Opened(NamedTuple):
    """An open environment with its two databases, the identity (device, inode) of its file, and what tells of commits without a transaction."""

    environment: lmdb.Environment
    records: Any
    meta: Any
    identity: tuple[int, int]
    marks: Marks | None = None


def identity_of(path: Path) -> tuple[int, int]:
    """Return which file lies at an environment's path; OSError when there is none, or none that may be seen."""
    found = (path / DATA_FILE).stat()
    return found.st_dev, found.st_ino


def open_for_reading(path: Path, identity: tuple[int, int]) -> Opened:
    """Open an environment read-only. lmdb.Error when that fails or is being created just now, CorruptStore for another schema.

    The right to write is needed all the same, on `lock.mdb` alone: there a reader says which pages it still needs.
    """
    environment = lmdb.open(
        str(path),
        map_size=0,  # as large as the writer's
        readonly=True,
        create=False,
        max_dbs=2,
        max_readers=MAX_READERS,
        max_spare_txns=16,
        readahead=False,
    )
    try:
        records = environment.open_db(RECORDS, create=False)
        meta = environment.open_db(META, create=False)
        with environment.begin() as txn:
            check_schema(txn, meta, path)
    except BaseException:
        environment.close()
        raise
    return Opened(environment, records, meta, identity, marks_of(path / DATA_FILE, identity, environment))
