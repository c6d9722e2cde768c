"""One process of a peer: started with a log, waited for until it answers, ended for certain."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.subjects.subject import SubjectFailed

LONGEST_START_S: Final = 20.0
LONGEST_STOP_S: Final = 5.0
PAUSE_S: Final = 0.01
LOG_LINES: Final = 5


class Program:
    """Runs at most one process at a time, in a folder of its own that is removed with it."""

    def __init__(self, name: str) -> None:
        """Start nothing yet; `name` stands in messages."""
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of the run, made on first use: for configuration, sockets and the log."""
        if self.scratch is None:
            self.scratch = tempfile.TemporaryDirectory(prefix=f"{self.name}-")
        return Path(self.scratch.name)

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process, if it runs."""
        return (self.process.pid,) if self.process is not None and self.process.poll() is None else ()

    def start(self, command: Sequence[str], answers: Callable[[], bool], executable: str | None = None) -> None:
        """Start and return when `answers` says so; SubjectFailed, with nothing left running, when the process ends or says nothing.

        `executable` is the file to run when it differs from the name under which the process is to see itself.
        """
        log = self.folder / "log"
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                command, executable=executable, cwd=self.folder, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL
            )
        end = time.monotonic() + LONGEST_START_S
        while not answers():
            if self.process.poll() is not None or time.monotonic() > end:
                said = " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
                ended = "ended" if self.process.poll() is not None else f"did not answer within {LONGEST_START_S:g} s"
                self.stop()
                raise SubjectFailed(f"{self.name} {ended}: {said or 'it said nothing'}")
            time.sleep(PAUSE_S)

    def stop(self) -> None:
        """End the process, by force when it does not go, and remove its folder; harmless when there is none."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(LONGEST_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.scratch is not None:
            self.scratch.cleanup()
            self.scratch = None


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(address: str) -> bool:
    """Tell whether somebody accepts connections on a socket path or a `host:port`."""
    family = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.connect(address if family == socket.AF_UNIX else (host, int(port)))
        return True
    return False
