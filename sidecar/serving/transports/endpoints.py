"""Claims on places to listen, so that two processes never take one from each other by accident.

A unix socket is bound under a temporary name, given its mode, and moved into place: a client sees the old socket or the new one, never
none and never one with wrong rights; a stale socket of a killed process is simply replaced. Who may do so is decided by a lock on a file
beside it, which the kernel gives back when its holder dies, however it dies.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from entitlements.runtime.forms import Address
from entitlements.runtime.locks import FileLock, LockTaken

MAX_PATH_BYTES: Final = 107
"""What fits into `sockaddr_un.sun_path` on Linux, without its final NUL."""


class EndpointTaken(Exception):  # noqa: N818 - names the state of the endpoint
    """Somebody else listens there already."""

    def __init__(self, endpoint: str, who: str) -> None:
        super().__init__(f"{endpoint} is in use by {who}; stop it, or choose another place to listen")
        self.endpoint = endpoint


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

    def claim(self) -> None:
        """Take the lock of the path; EndpointTaken when another process has it."""
        try:
            self.lock.acquire({"pid": os.getpid()})
        except LockTaken as taken:
            raise EndpointTaken(str(self.path), f"process {taken.owner.get('pid', 'unknown')}") from None

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
            raise EndpointTaken(str(address), f"another process ({error.strerror})") from None
