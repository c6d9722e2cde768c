"""The LMDB file opened for writing: its exclusive lock, its schema mark, transactions that grow the map, sync, and its exchange."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

import lmdb

from entitlements.store.access import Access
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


class Room(NamedTuple):
    """What a file takes on disk, and how much of that holds something; in bytes."""

    file_bytes: int
    used_bytes: int

    @property
    def free_share(self) -> float:
        """Return the share of free pages, 0 to 1."""
        return 1 - self.used_bytes / self.file_bytes if self.file_bytes else 0.0


class MappedFile:
    """The environment of one feed directory; directory and files are given the rights that `access` says.

    While a compaction asks for it, the keys of changed records are noted (`note`, `note_all`), and the file may be exchanged between two
    transactions. Raises StoreBusy when another process has it open for writing, CorruptStore when it is no usable store of this schema.
    """

    __slots__ = (
        "_changed",
        "_limit",
        "_lock",
        "_syncing",
        "_void",
        "_writing",
        "access",
        "environment",
        "meta",
        "records",
        "syncs",
    )

    def __init__(self, directory: Path, map_bytes: int, access: Access = Access.PRIVATE) -> None:
        access.over_directory(directory)
        self.access = access
        self._limit = map_bytes * MAX_GROWTH
        self._writing = Lock()
        self._syncing = Lock()
        self._changed: set[bytes] | None = None
        self._void = False
        self.syncs = 0
        self._lock = _take_lock(directory / WRITER_LOCK)
        try:
            self.environment, self.records, self.meta = open_for_writing(environment_path(directory), map_bytes, access)
        except BaseException:
            os.close(self._lock)
            raise

    def transact(self, change: Callable[[lmdb.Transaction[bytes]], Outcome], *, again: bool = True) -> Outcome:
        """Run one write transaction and return what ``change`` returned; whatever it raises aborts the transaction.

        A full map is grown and, if ``again``, the change is made once more; StoreFull otherwise, or when the map has reached its limit.
        """
        while True:
            try:
                with self._writing, self.environment.begin(write=True) as txn:
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
        with self._syncing:
            self.syncs += 1
            try:
                self.environment.sync(True)
            except lmdb.Error as error:
                raise StoreUnwritable(f"the store cannot be synced: {error}") from error

    def clear_dead_readers(self) -> int:
        """Free the slots of readers that were killed, which would keep old pages alive; return how many."""
        with self._syncing:
            return self.environment.reader_check()

    def fill(self) -> float:
        """Return the used share of the map as it may grow, 0 to 1."""
        used = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        return used / self._limit

    def room(self) -> Room:
        """Return how large the file is and how much of it is in use: a look at counters, not at pages. Waits for a write to end."""
        with self._writing, self.environment.begin() as txn:
            trees = [self.environment.stat(), txn.stat(db=self.records), txn.stat(db=self.meta)]
        pages = 2 + sum(tree["branch_pages"] + tree["leaf_pages"] + tree["overflow_pages"] for tree in trees)
        size = trees[0]["psize"]
        return Room((self.environment.info()["last_pgno"] + 1) * size, pages * size)

    def whole_meta(self) -> tuple[dict[bytes, bytes], int]:
        """Return everything that is kept beside the records, and how many records there are; inside `still`."""
        with self.environment.begin() as txn, txn.cursor(db=self.meta) as cursor:
            return dict(cursor), txn.stat(db=self.records)["entries"]

    def note_changes(self) -> None:
        """Begin to note the keys of changed records."""
        with self._writing:
            self._changed, self._void = set(), False

    def note_no_changes(self) -> None:
        """Note them no longer."""
        with self._writing:
            self._changed = None

    def note(self, key: bytes) -> None:
        """Hear, inside a transaction, that a record is changed."""
        if self._changed is not None:
            self._changed.add(key)

    def note_all(self) -> None:
        """Hear that all records are replaced: what was copied before is void."""
        self._void = True

    def changed_values(self, most: int, *, locked: bool = False) -> dict[bytes, bytes | None]:
        """Return at most so many noted keys, which are forgotten, with their present values; None for one that is gone.

        `locked` inside `still`. StoreUnwritable when everything was replaced since the noting began.
        """
        if not locked:
            with self._writing:
                return self.changed_values(most, locked=True)
        if self._void or self._changed is None:
            raise StoreUnwritable("a snapshot has replaced what was copied")
        keys = [self._changed.pop() for _ in range(min(most, len(self._changed)))]
        with self.environment.begin() as txn:
            return {key: txn.get(key, db=self.records) for key in keys}

    @contextmanager
    def still(self) -> Iterator[bool]:
        """Keep transactions and syncs of other threads out for the length of the block; False, at once, when one is under way."""
        writing = self._writing.acquire(blocking=False)
        syncing = self._syncing.acquire(blocking=False)
        try:
            yield writing and syncing
        finally:
            if writing:
                self._writing.release()
            if syncing:
                self._syncing.release()

    def adopt(self, environment: lmdb.Environment, records: Any, meta: Any) -> None:
        """Go on in another file that says the same; inside `still`."""
        old = self.environment
        self.environment, self.records, self.meta = environment, records, meta
        self._changed = None
        old.close()

    def close(self) -> None:
        """Close the file and let another writer in; closing twice is harmless."""
        self.environment.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _grow(self) -> None:
        with self._writing:  # no look of another thread into the old map
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


def open_for_writing(path: Path, map_bytes: int, access: Access) -> tuple[lmdb.Environment, Any, Any]:
    """Open or create an environment; CorruptStore when it is no usable store of this schema."""
    access.over_directory(path)
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
        access.over_files(path)
    except lmdb.Error as error:
        environment.close()
        raise CorruptStore(f"{path} cannot be used: {error}") from error
    except BaseException:
        environment.close()
        raise
    return environment, records, meta
