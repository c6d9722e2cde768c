"""Where log lines leave a process without ever holding it up: a bounded queue, and a thread that writes.

Standard error is a pipe in a container. When whoever reads it stalls (a full disk, a rotation that hangs), the pipe is full after 64 KiB, and then
a write to it blocks for as long as that lasts, in the middle of an answer if it must be. Here a line is put into the queue or dropped and
counted, and what was dropped is told in a line of its own when the way is free again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

STANDARD_ERROR: Final = 2
LINES: Final = 1_000
LINE_BYTES: Final = 1 << 14
"""A longer line is cut: the queue holds at most LINES of these."""
FAREWELL_S: Final = 0.5
"""How long the end of the process waits for the last lines."""


class Outlet:
    """A text stream, as loggers want one, on a file descriptor. `on_drop` is called for each dropped line and must not log."""

    def __init__(self, descriptor: int, on_drop: Callable[[], None] = lambda: None) -> None:
        """Take a descriptor, which stays as it is; the thread starts with the first line."""
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._queue: deque[bytes] = deque()
        self._more = threading.Semaphore(0)
        self._empty = threading.Event()
        self._empty.set()
        self._gate = threading.Lock()
        self._writer: threading.Thread | None = None
        self._dropped = 0

    def write(self, text: str) -> int:
        """Queue the text, which ends a line; never blocks."""
        line = text.encode("utf-8", "backslashreplace")
        if len(line) > LINE_BYTES:
            line = line[:LINE_BYTES] + b"...\n"
        with self._gate:
            if len(self._queue) >= LINES:
                self._dropped += 1
                dropped = True
            else:
                dropped = False
                self._queue.append(line)
                self._empty.clear()
                if self._writer is None:
                    self._start()
        if dropped:
            self._on_drop()
        else:
            self._more.release()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as fast as it can."""

    def isatty(self) -> bool:
        """Return whether a person looks at it."""
        return os.isatty(self._descriptor)

    def close(self, timeout_s: float = FAREWELL_S) -> None:
        """Wait a moment for the last lines; lines may still be written afterwards."""
        self._empty.wait(timeout_s)

    def _start(self) -> None:
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def _write_on(self) -> None:
        while True:
            self._more.acquire()
            line = self._queue[0]
            with contextlib.suppress(OSError):  # nobody reads any more: the lines are lost, the process is not
                _write_all(self._descriptor, line)
            with self._gate:
                self._queue.popleft()
                dropped, self._dropped = self._dropped, 0
                if not self._queue and not dropped:
                    self._empty.set()
            if dropped:
                with contextlib.suppress(OSError):
                    _write_all(self._descriptor, b'{"event": "log lines were dropped", "lines": %d}\n' % dropped)
                with self._gate:
                    if not self._queue:
                        self._empty.set()

    def __repr__(self) -> str:
        """Show where it leads and how much waits."""
        return f"<Outlet [fd {self._descriptor} | {len(self._queue)} lines wait | {self._dropped} dropped]>"


def _write_all(descriptor: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(descriptor, view) :]
