"""A whole sidecar that follows a feed of many customers over a real Valkey: main process and serving processes, as in a pod.

The sidecar's processes share the server's processor unless they may use all; Valkey, the feed's source and whatever asks share the other one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Final

from benchmarks import world
from benchmarks.generators.question import Question
from benchmarks.questions import Ask
from benchmarks.result import ROOT
from benchmarks.scenarios.processors import ASKER_CPU, SERVER_CPU, pinned
from benchmarks.subjects.our_questions import our_questions
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed
from tests.support.processes import SidecarProcess, free_port, wait_until
from tests.support.valkey import running_valkey

LOAD_S: Final = 120.0


class PipedSidecar(SidecarProcess):
    """A sidecar whose log goes into a pipe, as in a container."""

    def spawn(self) -> None:
        """Start it; a thread of ours reads the pipe unless it is told to pause."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source, self.sink = os.pipe()
        self.collecting = threading.Event()
        self.collecting.set()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.module],
            cwd=ROOT,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.sink,
        )
        threading.Thread(target=self._collect, args=(source,), daemon=True).start()

    def _collect(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as pipe, (self.folder / "log").open("ab", buffering=0) as log:
            while self.collecting.wait():
                portion = pipe.read(1 << 16)
                if not portion:
                    return
                log.write(portion)


class FollowedSidecar:
    """Valkey, a source of the feed and a sidecar. `settings` are further settings of the sidecar, without prefix."""

    def __init__(
        self, customers: int, settings: Mapping[str, str] | None = None, note: str = "", *, pin: bool = True
    ) -> None:
        """Start nothing yet; without `pin` the sidecar may use all processors."""
        self._pin = pin
        self.name = f"sidecar-{(settings or {}).get('TRANSPORT', 'inline')}"
        self.note = note
        self.customers = customers
        self._settings = dict(settings or {})
        self._stack = ExitStack()
        self._orders: subprocess.Popen[str] | None = None
        self.sidecar: PipedSidecar | None = None

    def start(self) -> None:
        """Start everything and wait until the whole set is loaded and live."""
        folder = Path(tempfile.mkdtemp(prefix="followed-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with pinned(ASKER_CPU):
            valkey = self._stack.enter_context(running_valkey(folder))
            command = [sys.executable, "-m", "benchmarks.feed_source", valkey.url, str(self.customers)]
            self._orders = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._stack.callback(self._end_source)
            root = self._heard()
        settings = {"REDIS_URL": valkey.url, "LISTEN": f"127.0.0.1:{free_port()}", "DRAIN": "100ms", **self._settings}
        self.sidecar = PipedSidecar(folder, world.PRODUCT, root, settings)
        with pinned(SERVER_CPU) if self._pin else nullcontext():
            self._stack.enter_context(self.sidecar)
        wait_until(self.is_live, LOAD_S, "the loading of the set")

    def _heard(self) -> str:
        if self._orders is None or self._orders.stdout is None:
            raise SubjectFailed("the source of the feed does not run")
        line = self._orders.stdout.readline().strip()
        if not line:
            raise SubjectFailed("the source of the feed has ended")
        return line

    def begin(self, order: str) -> None:
        """Give the source an order; `done` waits for its end."""
        if self._orders is None or self._orders.stdin is None:
            raise SubjectFailed("the source of the feed does not run")
        self._orders.stdin.write(order + "\n")
        self._orders.stdin.flush()

    def done(self) -> None:
        """Wait for the end of an order."""
        self._heard()

    def order(self, order: str) -> None:
        """Give the source an order and wait for its end."""
        self.begin(order)
        self.done()

    def _end_source(self) -> None:
        if self._orders is not None:
            self._orders.kill()
            self._orders.communicate()
            self._orders = None

    def page(self, path: str) -> str:
        """Return an admin page."""
        return "" if self.sidecar is None else self.sidecar.page(path)[1]

    def is_live(self) -> bool:
        """Return whether the feed is live at the head."""
        feed = json.loads(self.page("/statusz") or "{}").get("feeds", {}).get(world.PRODUCT, {})
        return feed.get("phase") == "live" and (feed["epoch"], feed["seq"]) == (feed["head_epoch"], feed["head_seq"])

    def figure(self, series: str) -> float:
        """Return a series' value in /metrics, 0 when it is not there."""
        found = [line for line in self.page("/metrics").splitlines() if line.startswith(series + " ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def questions(self, ask: Ask) -> tuple[Question, ...] | None:
        """Return Check or BatchCheck with verdict and code of every answer."""
        return our_questions(ask)

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return the unix socket and the TCP address."""
        if self.sidecar is None:
            raise SubjectFailed("it does not run")
        return {
            "unix": Endpoint("unix", str(self.sidecar.socket)),
            "tcp": Endpoint("tcp", self.sidecar.settings["LISTEN"]),
        }

    def pids(self) -> tuple[int, ...]:
        """Return the processes that answer."""
        if self.sidecar is None:
            return ()
        told = self.sidecar.status()
        return tuple(int(one["pid"]) for one in (told["serving"], *told["also_serving"]) if "pid" in one)

    def main_pid(self) -> int:
        """Return the main process."""
        if self.sidecar is None:
            raise SubjectFailed("it does not run")
        return self.sidecar.process.pid

    def stop(self) -> None:
        """End everything."""
        if self.sidecar is not None:
            self.sidecar.collecting.set()
            os.close(self.sidecar.sink)
            self.sidecar.sink = os.open(os.devnull, os.O_WRONLY)
        self._stack.close()
        self.sidecar = None
