"""Claims on places to listen, so that two processes never take one from each other by accident.

A unix socket is bound under a temporary name, given its mode, and moved into place: a client sees the old socket or the new one, never
none and never one with wrong rights; a stale socket of a killed process is simply replaced. Who may do so is decided by a lock on a file
beside it, which the kernel gives back when its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Final

from entitlements.runtime.forms import Address

MAX_PATH_BYTES: Final = 107
"""What fits into `sockaddr_un.sun_path` on Linux, without its final NUL."""


class EndpointTaken(Exception):  # noqa: N818 - names the state of the endpoint
    """Another process holds the endpoint; `owner` is what it wrote about itself."""

    def __init__(self, endpoint: str, owner: dict[str, object]) -> None:
        pid = owner.get("pid")
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{endpoint} is in use by {who}; stop it, or choose another place to listen")
        self.endpoint = endpoint
        self.owner = owner


class FileLock:
    """An exclusive lock on a file, held until released or until this process ends. The file itself stays: removing it would be a race."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self._handle: int | None = None

    def acquire(self, owner: dict[str, object]) -> None:
        """Take the lock and write who holds it; EndpointTaken when another process has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise EndpointTaken(str(self.path), self.owner()) from None
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


class SocketPath:
    """One unix socket's path: where to bind first, how to move it into place, how to leave."""

    def __init__(self, path: Path, mode: int) -> None:
        """Check that the path can be bound at all; OSError says why not."""
        longest = max(len(os.fsencode(path)), len(os.fsencode(path.with_name(self._short()))))
        if longest > MAX_PATH_BYTES:
            raise OSError(f"the socket path {path} is longer than {MAX_PATH_BYTES} bytes; choose a shorter one")
        self.path = path
        self.mode = mode
        self.lock = FileLock(path.with_name(path.name + ".lock"))
        self._inode: int | None = None

    @staticmethod
    def _short() -> str:
        return f"~{os.getpid()}"

    def temporary(self) -> Path:
        """Return the name to bind under, in the same directory; a leftover of that name is removed."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        name = self.path.with_name(self._short())
        name.unlink(missing_ok=True)
        return name

    def publish(self, bound: Path) -> None:
        """Give the bound socket its mode and its name."""
        bound.chmod(self.mode)
        self._inode = bound.stat().st_ino
        bound.replace(self.path)

    def withdraw(self) -> None:
        """Remove the socket if it is still ours, and release the lock."""
        try:
            if self._inode is not None and self.path.stat().st_ino == self._inode:
                self.path.unlink()
        except FileNotFoundError:
            pass
        self._inode = None
        self.lock.release()


def check_port_is_free(address: Address) -> None:
    """Raise EndpointTaken when something listens on the address already, even with SO_REUSEPORT."""
    if address.port == 0:
        return
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise EndpointTaken(str(address), {"problem": error.strerror}) from None
