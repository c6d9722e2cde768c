"""The LMDB file opened for writing: its exclusive lock, its schema mark, transactions that grow the map, sync."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb

from entitlements.store.errors import CorruptStore, StoreBusy, StoreFull, StoreUnwritable
from entitlements.store.layout import (
    MAX_READERS,
    META,
    RECORDS,
    SCHEMA_KEY,
    SCHEMA_MAJOR,
    WRITER_LOCK,
    environment_path,
)

MAX_GROWTH: Final = 16
"""The map may grow to this many times its configured size before StoreFull is raised."""
_SCHEMA: Final = SCHEMA_MAJOR.to_bytes(4, "big")
Outcome = TypeVar("Outcome")


class MappedFile:
    """The environment of one feed directory; the directory is made private (0700), the files are (0600).

    Raises StoreBusy when another process has it open for writing, CorruptStore when it is no usable store of this schema.
    """

    __slots__ = ("_limit", "_lock", "environment", "meta", "records")

    def __init__(self, directory: Path, map_bytes: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._limit = map_bytes * MAX_GROWTH
        self._lock = _take_lock(directory / WRITER_LOCK)
        try:
            self.environment, self.records, self.meta = _open(environment_path(directory), map_bytes)
        except BaseException:
            os.close(self._lock)
            raise

    def transact(self, change: Callable[[lmdb.Transaction[bytes]], Outcome], *, again: bool = True) -> Outcome:
        """Run one write transaction and return what ``change`` returned; whatever it raises aborts the transaction.

        A full map is grown and, if ``again``, the change is made once more; StoreFull otherwise, or when the map has reached its limit.
        """
        while True:
            try:
                with self.environment.begin(write=True) as txn:
                    return change(txn)
            except lmdb.MapFullError:
                self._grow()
                if not again:
                    raise StoreFull("the map was full and has grown; repeat the change") from None
            except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.BadTxnError) as error:
                raise CorruptStore(f"the store cannot be changed: {error}") from error
            except lmdb.Error as error:
                raise StoreUnwritable(f"the store cannot be written: {error}") from error

    def read(self, key: bytes) -> bytes | None:
        """Return a meta value."""
        try:
            with self.environment.begin() as txn:
                return txn.get(key, db=self.meta)
        except lmdb.Error as error:
            raise CorruptStore(f"{key.decode()} cannot be read: {error}") from error

    def sync(self) -> None:
        """Bring everything committed to the disk; StoreUnwritable when it refuses."""
        try:
            self.environment.sync(True)
        except lmdb.Error as error:
            raise StoreUnwritable(f"the store cannot be synced: {error}") from error

    def fill(self) -> float:
        """Return the used share of the map as it may grow, 0 to 1."""
        used = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        return used / self._limit

    def close(self) -> None:
        """Close the file and let another writer in; closing twice is harmless."""
        self.environment.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _grow(self) -> None:
        size = self.environment.info()["map_size"]
        if size >= self._limit:
            raise StoreFull(f"the policy set does not fit into {size} bytes; raise the map size of the store")
        self.environment.set_mapsize(min(size * 2, self._limit))


def check_schema(txn: lmdb.Transaction[bytes], meta: Any, path: Path) -> None:
    """Raise CorruptStore when the store has a mark of another schema; a new store has none yet."""
    found = txn.get(SCHEMA_KEY, db=meta)
    if found is not None and found != _SCHEMA:
        raise CorruptStore(f"{path} has schema major {int.from_bytes(found, 'big')}, this version knows {SCHEMA_MAJOR}")


def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreBusy(f"{path.parent} already has a writer") from error
    return descriptor


def _open(path: Path, map_bytes: int) -> tuple[lmdb.Environment, Any, Any]:
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    try:
        environment = lmdb.open(
            str(path),
            map_size=map_bytes,
            max_dbs=2,
            max_readers=MAX_READERS,
            mode=0o600,
            sync=False,
            metasync=False,
            writemap=False,
        )
    except lmdb.Error as error:
        raise CorruptStore(f"{path} cannot be opened: {error}") from error
    try:
        with environment.begin(write=True) as txn:
            records = environment.open_db(RECORDS, txn=txn)
            meta = environment.open_db(META, txn=txn)
            check_schema(txn, meta, path)
            txn.put(SCHEMA_KEY, _SCHEMA, db=meta)
    except lmdb.Error as error:
        environment.close()
        raise CorruptStore(f"{path} cannot be used: {error}") from error
    except BaseException:
        environment.close()
        raise
    return environment, records, meta
