"""The reading side: any number of processes, no locks, one version for each view.

A reader follows the writer: a store that is not there yet, one that was set aside and replaced, and one whose map has grown. Any thread may
open views; a view belongs to the thread that opened it and should last no longer than one decision, because it keeps old pages alive.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

import lmdb

from entitlements.policy.digest import CHECKSUM_BYTES, record_checksum
from entitlements.store.errors import CorruptRecord, CorruptStore, StoreError
from entitlements.store.layout import STATE_KEY, StoreState, environment_path, unpack_state
from entitlements.store.opened import Opened, identity_of, open_for_reading

_ATTEMPTS: Final = 3
_NAP_S: Final = 0.0005
_PATIENCE: Final = 4000
"""Naps to wait for open views before the map is adopted, two seconds in all; a view lasts one decision."""


class StoreView:
    """One consistent version of the store; use as a context manager. Without a store it is empty."""

    __slots__ = ("_meta", "_reader", "_records", "_transaction")

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._transaction: lmdb.Transaction[bytes] | None = None

    def __enter__(self) -> Self:
        begun = self._reader.begin()
        if begun is not None:
            self._transaction, self._records, self._meta = begun
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None
            self._reader.ended()

    def state(self) -> StoreState | None:
        """Return position and pulse, or None before the first policy set; CorruptStore when they do not match their checksum."""
        if self._transaction is None:
            return None
        try:
            raw = self._transaction.get(STATE_KEY, db=self._meta)
        except lmdb.Error as error:
            raise CorruptStore(f"the state cannot be read: {error}") from error
        return None if raw is None else self._reader.state_of(raw)

    def version_of(self, key: str) -> bytes | None:
        """Return the 8 bytes that tell versions of this record apart, or None when there is no such record. Not verified."""
        value = self.stored(key)
        return None if value is None else value[:CHECKSUM_BYTES]

    def get(self, key: str) -> tuple[bytes, bytes] | None:
        """Return (checksum, body) of a record or None; the body is not verified, see ``body_of``."""
        value = self.stored(key)
        return None if value is None else (value[:CHECKSUM_BYTES], value[CHECKSUM_BYTES:])

    def body_of(self, key: str) -> bytes | None:
        """Return the body of a record, verified against its checksum, or None; CorruptRecord when it does not match."""
        value = self.stored(key)
        if value is None:
            return None
        body = value[CHECKSUM_BYTES:]
        if record_checksum(key, body) != value[:CHECKSUM_BYTES]:
            raise CorruptRecord(key, "does not match its checksum")
        return body

    def keys(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """Return at most ``limit`` keys that start with ``prefix`` and come after ``after``, in byte order."""
        if self._transaction is None or limit <= 0:
            return []
        wanted, past = prefix.encode(), after.encode()
        found: list[str] = []
        try:
            with self._transaction.cursor(db=self._records) as cursor:
                placed = cursor.set_range(max(wanted, past)) if wanted or past else cursor.first()
                while placed and len(found) < limit:
                    key = bytes(cursor.key())
                    if not key.startswith(wanted):
                        break
                    if key != past:
                        found.append(key.decode())
                    placed = cursor.next()
        except (lmdb.Error, UnicodeDecodeError) as error:
            raise CorruptStore(f"the keys cannot be read: {error}") from error
        return found

    def stored(self, key: str) -> bytes | None:
        """Return a record as it is stored, its checksum and then its body, or None; nothing is verified."""
        if self._transaction is None:
            return None
        try:
            return self._transaction.get(key.encode())
        except lmdb.BadValsizeError:  # longer than any key can be
            return None
        except lmdb.Error as error:
            raise CorruptRecord(key, f"cannot be read: {error}") from error


class StoreReader:
    """Opens views on the store of one feed directory.

    Whether the file was replaced is looked up at most every ``recheck_s`` seconds of ``monotonic``. ``trouble`` says why the last attempt
    to open failed, for a log; empty when it did not.
    """

    def __init__(
        self, directory: Path, recheck_s: float = 0.05, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._path = environment_path(directory)
        self._recheck_s = recheck_s
        self._monotonic = monotonic
        self._check_at = float("-inf")
        self._opened: Opened | None = None
        self._seen: tuple[bytes, StoreState] | None = None
        self._glance: tuple[Opened, int, int, StoreState] | None = None
        self._lock = Lock()
        self._active: deque[None] = deque()  # append and pop are atomic, a counter would not be
        self._resizing = False
        self._follows = True
        self.trouble = ""

    @classmethod
    def sharing(cls, directory: Path, opened: Opened) -> StoreReader:
        """Return a reader over an environment that this very process has open already, which LMDB would not open twice."""
        reader = cls(directory)
        reader._opened = opened
        reader._follows = False
        return reader

    def view(self) -> StoreView:
        """Return a view, to be entered with ``with``."""
        return StoreView(self)

    def state(self) -> StoreState | None:
        """Return position and pulse by the shortest way: as before while nothing was committed, else a view for this one look-up.

        CorruptStore as in a view.
        """
        glance = self._glance
        if glance is not None:
            opened, first, second, known = glance
            if opened is self._opened and opened.marks is not None and self._monotonic() < self._check_at:
                words, at, and_at = opened.marks
                if words[at] == first and words[and_at] == second:
                    return known
        opened_now = self._opened
        marks = None if opened_now is None else opened_now.marks
        # Read before the state: a commit in between makes the next glance differ, and it is looked at again.
        numbers = None if marks is None else (marks.words[marks.first], marks.words[marks.second])
        state = self._look()
        if opened_now is not None and numbers is not None and state is not None and opened_now is self._opened:
            self._glance = (opened_now, *numbers, state)
        return state

    def _look(self) -> StoreState | None:
        begun = self.begin()
        if begun is None:
            return None
        transaction, _, meta = begun
        try:
            raw = transaction.get(STATE_KEY, db=meta)
        except lmdb.Error as error:
            raise CorruptStore(f"the state cannot be read: {error}") from error
        finally:
            transaction.abort()
            self.ended()
        return None if raw is None else self.state_of(raw)

    def begin(self) -> tuple[lmdb.Transaction[bytes], Any, Any] | None:
        """Begin a read transaction for a view, or return None when there is no store."""
        while True:
            if self._follows:
                now = self._monotonic()
                if now >= self._check_at:
                    with self._lock:
                        self._follow()
                        self._check_at = now + self._recheck_s
            opened = self._opened
            if opened is None:
                if not self._resizing:
                    return None
                with self._lock:  # let go for the length of a fork: there is a store, only not at this moment
                    self._check_at = float("-inf")
                continue
            self._active.append(None)
            if not self._resizing:
                try:
                    return opened.environment.begin(opened.records), opened.records, opened.meta
                except lmdb.MapResizedError:
                    pass
                except lmdb.Error as error:
                    self._active.pop()
                    raise CorruptStore(f"a view cannot be opened: {error}") from error
                except BaseException:
                    self._active.pop()
                    raise
            self._active.pop()
            self._adopt_size(opened)

    def ended(self) -> None:
        """Take note that a view has ended."""
        self._active.pop()

    def state_of(self, raw: bytes) -> StoreState:
        """Return the state of its packed form, remembering the last one."""
        seen = self._seen
        if seen is not None and seen[0] == raw:
            return seen[1]
        state = unpack_state(raw)
        self._seen = (raw, state)
        return state

    def close(self) -> None:
        """Close the environment; views must have ended. A later view opens it again."""
        opened, self._opened = self._opened, None
        self._check_at = float("-inf")
        if opened is not None and self._follows:
            opened.environment.close()

    def let_go(self) -> None:
        """Close the environment when its last view has ended, and keep views waiting until `take_up`: for the length of a fork.

        An environment that crosses a fork could not be opened again in the child, and what the child drops would be the parent's
        places in the table of readers. StoreError, and nothing is closed, when a view does not end, or when this very thread is in the
        middle of one or of opening the store, as in a signal handler.
        """
        if not self._lock.acquire(timeout=_PATIENCE * _NAP_S):
            raise StoreError("the store is being opened, and that does not end")
        try:
            self._still()
        except StoreError:
            self._lock.release()
            raise
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.environment.close()

    def take_up(self) -> None:
        """Let views open the store again; after `let_go`, in the parent and in the child."""
        self._check_at = float("-inf")
        self._resizing = False
        self._lock.release()

    def _follow(self) -> None:
        for _ in range(_ATTEMPTS):
            try:
                identity = identity_of(self._path)
                if self._opened is not None and self._opened.identity == identity:
                    return
                # The old one stays until the new one is open, for other threads, and is closed when its last view is gone.
                opened = open_for_reading(self._path, identity)
                if identity_of(self._path) == identity:
                    self._opened, self.trouble = opened, ""
                    return
                opened.environment.close()  # exchanged meanwhile: its two files may belong to different directories
            except (OSError, lmdb.Error, CorruptStore) as error:  # being created just now, set aside, or damaged
                self._opened, self.trouble = None, str(error)
                return

    def _adopt_size(self, opened: Opened) -> None:
        """Adopt the writer's larger map, once no view of this process is open any more."""
        with self._lock:
            if self._opened is not opened:  # let go for a fork, or replaced, while this thread waited
                return
            try:
                self._still()
                opened.environment.set_mapsize(0)
            finally:
                self._resizing = False

    def _still(self) -> None:
        """Keep new views waiting and wait for the end of the open ones."""
        self._resizing = True
        for _ in range(_PATIENCE):
            if not self._active:
                return
            time.sleep(_NAP_S)
        self._resizing = False
        raise StoreError("a view of this process has been open for more than two seconds")

    def __repr__(self) -> str:
        return f"<StoreReader {self._directory.name} [{'open' if self._opened else 'no store'} | {len(self._active)} views]>"
