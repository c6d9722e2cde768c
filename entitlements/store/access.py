"""Who may map a store: the user who writes it, or everybody of its group too.

A reader of LMDB writes as well, though not to the data: it enters in `lock.mdb` which pages it still needs. So a reader's group may read the
data and must be able to write that table. What that lets a hostile member of the group do: keep old pages alive, so that the file grows, and
spoil the table, so that the writer reuses pages which are being read; never change a record, which a checksum would show besides.
"""

from __future__ import annotations

import contextlib
import stat
from enum import Enum
from pathlib import Path
from typing import Final

from entitlements.store.layout import DATA_FILE, LOCK_FILE

_INHERITED: Final = stat.S_ISGID
"""A directory with this bit gives its group to what is made in it, as a volume that a pod's containers share does; it is left as it is."""


class Access(Enum):
    """The rights of directories, of the data and of the table of readers."""

    PRIVATE = (0o700, 0o600, 0o600)
    GROUP = (0o750, 0o640, 0o660)

    def over_directory(self, directory: Path) -> None:
        """Make a directory unless there is one, and give it its rights. OSError when that cannot be done."""
        wanted = self.value[0]
        directory.mkdir(mode=wanted, parents=True, exist_ok=True)
        directory.chmod(wanted | directory.stat().st_mode & _INHERITED)

    def over_files(self, environment: Path) -> None:
        """Give the files of an environment that is open for writing their rights. OSError when that cannot be done."""
        _, data, lock = self.value
        (environment / DATA_FILE).chmod(data)
        (environment / LOCK_FILE).chmod(lock)

    def over_root(self, store_dir: Path) -> None:
        """Make the directory of all stores unless there is one. One that somebody else has made, such as a mounted volume, keeps its rights."""
        store_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self is Access.GROUP:
            with contextlib.suppress(PermissionError):
                self.over_directory(store_dir)

    @classmethod
    def named(cls, name: str) -> Access:
        """Return the access that a setting names: `private` or `group`."""
        return cls[name.upper()]
