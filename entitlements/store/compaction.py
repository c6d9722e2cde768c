"""Compaction: the store's file without its free pages, put in the old one's place while it is read and written.

A snapshot is written beside the set that it replaces, so after it half of the file is free, and LMDB never gives a page back. The steps:

1. `begin`, and from here on the writer notes the keys that it changes; then `compact_copy` copies and verifies, in a process of its own;
2. `catch_up`, in a thread: what was changed since is written to the copy, round by round, and brought to disk;
3. `swap`, on the writer's thread: the last changes, then the directories change places in one step, and the writer goes on in the new file.

Writes never wait for the copy. Readers see one version throughout: they keep the old file until they look for its identity again, a few
hundredths of a second later, and the old and the new file say the same. A process that is killed leaves a good store after every step: the
old one before the exchange, the new one after it, and rubbish beside it that the next `begin` or `remove_leftovers` removes. The copy is on
disk as far as the floor reaches before it takes the old one's place.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import lmdb

from entitlements.store.errors import CorruptStore, StoreUnwritable
from entitlements.store.exchange import exchange
from entitlements.store.layout import environment_path
from entitlements.store.mapped_file import MappedFile, open_for_writing

COPY_MODULE: Final = "entitlements.store.compact_copy"
PLACE: Final = "compact"
"""The directory beside the store where the copy is made."""
AT_ONCE: Final = 500
"""So many changed keys are read while the writer waits: about a millisecond."""
ROUNDS: Final = 100


def remove_leftovers(directory: Path) -> None:
    """Remove what an interrupted compaction has left in a feed directory; nothing in use is there."""
    shutil.rmtree(directory / PLACE, ignore_errors=True)


class Compaction:
    """One attempt on the file of one feed directory. After `swap` has returned True, or when anything fails, `end` must be called."""

    def __init__(self, file: MappedFile, directory: Path, exchange: Callable[[Path, Path], None] = exchange) -> None:
        """Do nothing yet."""
        self._file = file
        self._directory = directory
        self._place = directory / PLACE
        self._exchange = exchange
        self._copy: tuple[lmdb.Environment, Any, Any] | None = None
        self._synced = -1

    def begin(self) -> list[str]:
        """Let the writer note what it changes; return the command of the process that makes the copy. StoreUnwritable without room."""
        remove_leftovers(self._directory)
        room = self._file.room()
        free = shutil.disk_usage(self._directory).free
        if free < 2 * room.used_bytes:
            raise StoreUnwritable(f"{free} bytes are free, twice {room.used_bytes} are wanted to make a copy")
        self._place.mkdir(mode=0o700)
        self._file.note_changes()
        return [sys.executable, "-m", COPY_MODULE, "--store", str(self._directory), "--into", str(self._place)]

    def catch_up(self) -> None:
        """Bring the copy to the present and to disk; in a thread. CorruptStore or StoreUnwritable when that cannot be done."""
        if self._copy is None:
            path = environment_path(self._place)
            self._copy = open_for_writing(path, self._file.environment.info()["map_size"], self._file.access)
        self._synced = self._file.syncs
        try:
            for _ in range(ROUNDS):
                changed = self._file.changed_values(AT_ONCE)
                if not changed:
                    break
                self._write(changed)
            self._copy[0].sync(True)
        except lmdb.Error as error:
            raise StoreUnwritable(f"the copy cannot be written: {error}") from error
        for folder in (environment_path(self._place), self._place, self._directory):
            _sync_directory(folder)

    def swap(self) -> bool:
        """Put the copy in the store's place; on the writer's thread. Return False when it must catch up once more.

        StoreUnwritable or CorruptStore when this attempt is void: a snapshot has replaced everything meanwhile, the copy is not
        what it should be, or the file system cannot exchange directories. The store is as it was then.
        """
        if self._copy is None:
            return False
        with self._file.still() as quiet:
            if (
                not quiet or self._synced != self._file.syncs
            ):  # the floor has risen since: the copy must be on disk as far
                return False
            changed = self._file.changed_values(AT_ONCE + 1, locked=True)
            if len(changed) > AT_ONCE:
                self._write(changed)
                return False
            try:
                meta, expected = self._file.whole_meta()
                found = self._write(changed, meta)
            except lmdb.Error as error:
                raise StoreUnwritable(f"the copy cannot be written: {error}") from error
            if found != expected:
                raise CorruptStore(f"the copy has {found} records, the store {expected}")
            try:
                self._exchange(environment_path(self._place), environment_path(self._directory))
            except OSError as error:
                raise StoreUnwritable(f"the compacted store cannot take its place: {error}") from error
            copy, self._copy = self._copy, None
            self._file.adopt(*copy)
        return True

    def end(self) -> None:
        """Stop noting changes, and remove the copy, or the old file after a swap; in a thread, for files may be large."""
        self._file.note_no_changes()
        if self._copy is not None:
            self._copy[0].close()
            self._copy = None
        _sync_directory(self._directory)
        remove_leftovers(self._directory)

    def _write(self, changed: Mapping[bytes, bytes | None], meta: Mapping[bytes, bytes] | None = None) -> int:
        """Write records, and all of what is kept beside them if it is given; return how many records the copy has now."""
        assert self._copy is not None  # noqa: S101 - the callers have opened it
        environment, records, metas = self._copy
        with environment.begin(write=True) as txn:
            for key, value in changed.items():
                if value is None:
                    txn.delete(key, db=records)
                else:
                    txn.put(key, value, db=records)
            if meta is not None:
                txn.drop(metas, delete=False)
                for key, value in meta.items():
                    txn.put(key, value, db=metas)
            return txn.stat(db=records)["entries"]

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Compaction {self._directory.name} [{'copied' if self._copy is not None else 'not copied'}]>"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
