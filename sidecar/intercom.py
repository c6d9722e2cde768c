"""How the main process talks to the process that answers: one line in, bytes back, over a private unix socket.

The process that answers must outlive the main process, so the two share no pipe that matters: whoever holds the lock of the store's
directory finds the socket's path in the lock file. Each request has a connection of its own and a time limit on both ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

SERVING_LOCK: Final = "serving.lock"
"""The file in the store's directory that the process that answers holds locked; it says where its intercom is."""
REQUEST_BYTES: Final = 64
PATIENCE_S: Final = 1.0
"""How long the answering end waits for a request line: a caller that says nothing must not keep others out for long."""


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
