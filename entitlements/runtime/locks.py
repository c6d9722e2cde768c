"""Locks on files that say who holds them, and that the kernel gives back when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path


class LockTaken(Exception):  # noqa: N818 - names the state of the lock
    """Another process holds the lock; `owner` is what it wrote about itself."""

    def __init__(self, path: Path, owner: dict[str, object]) -> None:
        pid = owner.get("pid")
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is held by {who}; stop it, or choose another place")
        self.path = path
        self.owner = owner


class FileLock:
    """An exclusive lock on a file, held until released or until this process ends. The file itself stays: removing it would be a race."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self._handle: int | None = None

    def acquire(self, owner: dict[str, object]) -> None:
        """Take the lock and write who holds it; LockTaken when another process has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise LockTaken(self.path, self.owner()) from None
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(owner).encode())
        self._handle = handle

    def owner(self) -> dict[str, object]:
        """Return what the last holder wrote about itself; empty when nothing can be read."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_held_elsewhere(self) -> bool:
        """Return whether another process, or another lock of this one, holds the file."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def release(self) -> None:
        """Give the lock back; a second time changes nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __repr__(self) -> str:
        """Show the file and whether the lock is held."""
        return f"<FileLock {self.path} [{'free' if self._handle is None else 'held'}]>"
