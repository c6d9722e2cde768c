"""A server in a process of its own with a scratch folder, a log, and a line on standard output that says that it answers."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.result import ROOT
from benchmarks.subjects.subject import SubjectFailed

START_S: Final = 20.0
STOP_S: Final = 5.0
TAIL_BYTES: Final = 2_000


def tied_to_us(command: Sequence[str]) -> list[str]:
    """Return the command so that the kernel ends its process with ours, however ours ends; as it is where `setpriv` (util-linux) is missing."""
    setpriv = shutil.which("setpriv")
    return list(command) if setpriv is None else [setpriv, "--pdeathsig", "KILL", "--", *command]


class Launched:
    """Start it with `start`, which returns its first line; `folder` is its own, short enough for unix sockets, and goes with `stop`."""

    def __init__(self, name: str) -> None:
        """Take the name, for messages."""
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Return the scratch folder, made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="subject-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def pids(self) -> tuple[int, ...]:
        """Return the process, if it runs."""
        return () if self._process is None or self._process.poll() is not None else (self._process.pid,)

    def start(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
        """Start the process and return the first line that it writes; SubjectFailed when it ends or stays silent."""
        log = self.folder / "log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                tied_to_us(command),
                env=environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        line = self._first_line(self._process)
        if not line.endswith(b"\n"):
            self.end()
            raise SubjectFailed(
                f"{self._name} did not start: {log.read_bytes()[-TAIL_BYTES:].decode(errors='replace')}"
            )
        return line.decode()

    @staticmethod
    def _first_line(process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        line, until = b"", time.monotonic() + START_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n") and selector.select(max(0.0, until - time.monotonic())):
                byte = os.read(process.stdout.fileno(), 1)
                if not byte:
                    break
                line += byte
        return line

    def end(self) -> None:
        """Stop the process, by force if it must be; the folder stays."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def stop(self) -> None:
        """Stop the process and remove the folder."""
        self.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
