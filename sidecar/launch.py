"""The first moments of a sidecar: before anything large is imported, the store is being verified and the process that answers is starting.

Three interpreters start at once: this one, one check for each store, and the process that answers. A thread waits for the checks, sets
aside what did not verify, and lets the other process go, while this interpreter is still importing what the feed needs.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from entitlements.runtime.clock import Clock
from entitlements.store.errors import NothingStored, StoreError
from entitlements.store.layout import feed_directory_name
from entitlements.store.setaside import set_aside
from sidecar.settings import SidecarSettings

VERIFIED: Final = 0
ABSENT: Final = 3
VERIFY_S: Final = 120
"""No store that is worth waiting for takes longer; it is set aside then, as a damaged one is."""
QUIET_CORE: Final = {"GRPC_VERBOSITY": "NONE"}
"""gRPC's core writes to standard error itself, a line for each handshake that fails: with a pipe that nobody reads, its threads would hang."""
SERVING_MODULE: Final = "sidecar.serving.process"
VERIFY_MODULE: Final = "sidecar.feed.verify"


@dataclass(frozen=True, slots=True)
class Verification:
    """How one product's store fared: `verified`, `absent`, `set aside`, `stuck` or `abandoned`, and why."""

    result: str
    detail: str


def verify_command(directory: Path, settings: SidecarSettings, product: str) -> list[str]:
    """Return the command line of a check; written out here, because importing its module costs a tenth of a second."""
    keys = ",".join(key.hex() for key in settings.root_keys)
    options = ["--store", str(directory), "--root-keys", keys, "--product", product]
    extent = ["--working-set"] if settings.working_set else []
    return [sys.executable, "-m", VERIFY_MODULE, *options, *extent]


def start_check(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a check in a session of its own: a terminal's Ctrl-C must not kill it, because a check that dies condemns its store."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)


def start_serving(environ: Mapping[str, str], number: int = 0) -> subprocess.Popen[bytes]:
    """Start a process that answers; it waits for its order. Number 0 has the unix socket, each further one TCP alone."""
    return subprocess.Popen(
        [sys.executable, "-m", SERVING_MODULE, "--number", str(number)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**QUIET_CORE, **environ},
        start_new_session=True,
    )


class Launch:
    """Everything that was started first. `finished` is set when the process that answers was told to go."""

    def __init__(self, settings: SidecarSettings, environ: Mapping[str, str], order: str, clock: Clock) -> None:
        """Start the checks, the process that answers, and the thread between them."""
        self.order = order
        self.results: dict[str, Verification] = {}
        self.finished = threading.Event()
        self._abandoned = threading.Event()
        self._clock = clock
        self._checks = {
            product: (directory, start_check(verify_command(directory, settings, product)))
            for product in settings.products
            for directory in [settings.store_dir / feed_directory_name(product)]
        }
        self._environ = environ
        # A process inherits the priority of the thread that starts it: this one keeps the normal one when others step back.
        self._nursery = ThreadPoolExecutor(1, thread_name_prefix="nursery")
        self.serving = self.start_serving(0)
        threading.Thread(target=self._conclude, name="launch", daemon=True).start()

    def start_serving(self, number: int) -> subprocess.Popen[bytes]:
        """Start a process that answers, at normal priority."""
        return self._nursery.submit(start_serving, self._environ, number).result()

    def _conclude(self) -> None:
        for product, (directory, check) in self._checks.items():
            self.results[product] = self._verdict(directory, check)
        if self.obstacle is None and not self._abandoned.is_set():
            self._go()
        self.finished.set()

    def abandon(self) -> None:
        """End everything that was started; no store is condemned for it."""
        self._abandoned.set()
        for _, check in self._checks.values():
            check.kill()
        self.serving.kill()
        self.serving.wait()

    @property
    def obstacle(self) -> str | None:
        """Return why nothing may be answered: a store that does not verify and cannot be put out of the way. None when all is well."""
        stuck = [f"{product}: {one.detail}" for product, one in self.results.items() if one.result == "stuck"]
        return "; ".join(stuck) or None

    def _go(self) -> None:
        stdin = self.serving.stdin
        if stdin is not None:
            try:
                stdin.write(self.order.encode() + b"\n")
            except OSError:  # it has ended already; its supervisor will see that
                return

    def _verdict(self, directory: Path, check: subprocess.Popen[bytes]) -> Verification:
        try:
            said, _ = check.communicate(timeout=VERIFY_S)
            detail = said.decode("utf-8", "replace").strip()
        except subprocess.TimeoutExpired:
            check.kill()
            check.wait()
            detail = f"the check took longer than {VERIFY_S} s"
        if check.returncode == VERIFIED:
            return Verification("verified", detail)
        if self._abandoned.is_set():
            return Verification("abandoned", "the sidecar was asked to end before the check was over")
        if check.returncode == ABSENT:
            return Verification("absent", detail)
        try:
            target = set_aside(directory, self._clock.now_ms())
        except NothingStored:
            return Verification("absent", detail)
        except StoreError as error:
            return Verification("stuck", f"{detail}; {error}")
        return Verification(
            "set aside", f"{detail or f'the check ended with {check.returncode}'}; kept as {target.name}"
        )

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Launch [{'done' if self.finished.is_set() else 'verifying'} | {len(self.results)} verified]>"
