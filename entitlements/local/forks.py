"""Readers that an application may hold over a fork: one for each store and process, let go before a fork and taken up after it.

LMDB opens a file once in a process, so all that look at one store share a reader. And nothing of LMDB may cross a fork: the child could not
open the store again, and what the child drops would be the parent's places in the table of readers. Python runs these hooks for `os.fork`
and whatever is built on it; a program that is executed in the child's place (subprocess) inherits nothing.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from threading import Lock
from typing import Final
from weakref import WeakValueDictionary

from entitlements.store.errors import StoreError
from entitlements.store.reader import StoreReader

_readers: WeakValueDictionary[str, StoreReader] = WeakValueDictionary()
_gate = Lock()
_resting: list[StoreReader] = []
"""The readers that have let go for the fork that is going on."""
_held: list[bool] = []
"""Not empty while the gate is held for a fork."""
PATIENCE_S: Final = 2.0


def shared_reader(directory: Path) -> StoreReader:
    """Return this process's reader of a feed directory; it ends with whoever holds it last."""
    path = os.path.realpath(directory)
    with _gate:
        reader = _readers.get(path)
        if reader is None:
            reader = _readers[path] = StoreReader(Path(path))
        return reader


def _before() -> None:
    if not _gate.acquire(timeout=PATIENCE_S):  # a signal handler that forks in the middle of `shared_reader`
        return
    _held.append(True)
    for reader in list(_readers.values()):
        # A view that hangs is left alone. The child then finds its store open already, and asks the sidecar.
        with contextlib.suppress(StoreError):
            reader.let_go()
            _resting.append(reader)


def _after() -> None:
    while _resting:
        _resting.pop().take_up()
    if _held:
        _held.clear()
        _gate.release()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
