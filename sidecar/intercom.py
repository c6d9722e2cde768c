"""How the main process talks to the process that answers: one line in, bytes back, over a private unix socket.

The process that answers must outlive the main process, so the two share no pipe that matters: whoever holds the lock of the store's
directory finds the socket's path in the lock file. Each request has a connection of its own and a time limit on both ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from entitlements.runtime.locks import FileLock

SERVING_LOCK: Final = "serving.lock"
"""The file in the store's directory that the first process that answers holds locked; it says where its intercom is."""
REQUEST_BYTES: Final = 64
PATIENCE_S: Final = 1.0
"""How long the answering end waits for a request line: a caller that says nothing must not keep others out for long."""


def process_name(number: int) -> str:
    """Return what logs and metrics call the process that answers with this number: `serving`, `serving-1`, `serving-2` ..."""
    return "serving" if number == 0 else f"serving-{number}"


def serving_claim(store_dir: Path, number: int) -> FileLock:
    """Return the lock that the process with this number holds for as long as it lives or until it hands over."""
    return FileLock(store_dir / f"{process_name(number)}{Path(SERVING_LOCK).suffix}")


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A process that answers and has outlived its own main process. `handle` is a pidfd: a number given to another process is not hit."""

    pid: int
    intercom: Path
    handle: int

    def kill(self) -> None:
        """Kill it; nothing happens after its end."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)


def predecessors(store_dir: Path) -> dict[int, Predecessor]:
    """Return who still answers from this store, by number; for whoever holds the store's `main.lock`."""
    found = {}
    for path in store_dir.glob("serving*.lock"):
        claim = FileLock(path)
        number = path.stem.removeprefix("serving").removeprefix("-") or "0"
        if number.isdecimal() and claim.is_held_elsewhere():
            owner = claim.owner()
            pid = owner.get("pid")
            if isinstance(pid, int):
                with contextlib.suppress(ProcessLookupError):
                    found[int(number)] = Predecessor(pid, Path(str(owner.get("intercom", ""))), os.pidfd_open(pid))
    return found


def has_siblings(store_dir: Path, number: int) -> bool:
    """Return whether another process answers from this store: then the TCP address is in use, and by one of ours."""
    own = serving_claim(store_dir, number).path
    return any(FileLock(path).is_held_elsewhere() for path in store_dir.glob("serving*.lock") if path != own)


class Intercom:
    """The answering end: a thread that serves one connection after another."""

    def __init__(self, path: Path, replies: Mapping[str, Callable[[], bytes]]) -> None:
        """Listen on a socket that only this user may open. `replies` maps each request line to what answers it."""
        self.path = path
        self._replies = replies
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(16)
        threading.Thread(target=self._serve, name="intercom", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(PATIENCE_S)
                line = connection.makefile("rb").readline(REQUEST_BYTES).decode("ascii", "replace").strip()
                reply = self._replies.get(line)
                connection.sendall(b"unknown request\n" if reply is None else reply())

    def close(self) -> None:
        """Stop listening and remove the socket."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<Intercom {self.path}>"


def ask(path: Path, request: str, timeout_s: float) -> bytes:
    """Send one request and return the whole reply; OSError when nobody answers in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(request.encode() + b"\n")
        return connection.makefile("rb").read()
