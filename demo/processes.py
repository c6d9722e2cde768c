"""Real processes of one run: started with a log file each, waited for, killed as a crash would, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

STOP_LIMIT_S: Final = 10.0
POLL_S: Final = 0.005
_TAIL_LINES: Final = 15


class NotRunningError(Exception):
    """A process ended, or did not become ready in time; the message holds the end of its log."""


class Part:
    """One process of the run, in a process group of its own, so that Ctrl-C reaches only the one that narrates.

    `ready` is asked every few milliseconds after a start until it is true; it may be False or raise OSError before.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environ = dict(environ)
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the process id; NotRunningError when it is not there."""
        if self._process is None:
            raise NotRunningError(f"{self.name} is not running")
        return self._process.pid

    def launch(self) -> None:
        """Start the process and return at once."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, limit_s: float = 30.0) -> None:
        """Return as soon as the process is ready; NotRunningError when it ended or the limit is over."""
        deadline = time.monotonic() + limit_s
        while not (self.running and self._is_ready()):
            if not self.running:
                raise NotRunningError(f"{self.name} ended by itself.\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise NotRunningError(f"{self.name} is not ready after {limit_s:.0f} s.\n{self.last_lines()}")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        try:
            return self._ready()
        except OSError:
            return False

    def start(self, limit_s: float = 30.0) -> None:
        """Start the process and wait until it is ready."""
        self.launch()
        self.wait_ready(limit_s)

    def kill(self) -> None:
        """End the process and its children at once, as a crash would."""
        self._signal_group(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ask the process to end, as an operator would; after a limit it is killed."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT_S)
        self.kill()  # also children that outlived it

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def last_lines(self) -> str:
        """Return the end of the log."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join([f"The end of {self._log}:", *lines[-_TAIL_LINES:]])

    def __repr__(self) -> str:
        """Show name and process."""
        return f"<Part [{self.name} | {self._process.pid if self._process else 'down'}]>"


def run_tool(name: str, command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a command line to its end and return what it printed; NotRunningError with its words when it fails."""
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRunningError(f"{name} ended with {done.returncode}.\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(holds: Callable[[], bool], what: str, limit_s: float = 20.0, pause_s: float = POLL_S) -> float:
    """Wait until a predicate holds and return the seconds it took; TimeoutError naming `what` after the limit."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > limit_s:
            raise TimeoutError(f"{what} did not happen within {limit_s:.0f} s")
        time.sleep(pause_s)
    return time.monotonic() - started
