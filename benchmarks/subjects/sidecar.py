"""Our serving process on a prepared store, without control plane and Redis: what answers checks in production, with everything switched on.

Metrics, freshness, decision ids and the decision cache are on as they are by default. A heartbeat a second is written beside it, as the main
process of a sidecar does, so that answers stay fresh.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import world
from benchmarks.generators.question import Question
from benchmarks.questions import CUSTOMER_COUNT, Ask
from benchmarks.subjects.launched import Launched
from benchmarks.subjects.our_questions import our_questions
from benchmarks.subjects.own_metrics import transport
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed
from sidecar.settings import TRANSPORTS
from tests.support.certificates import certificate
from tests.support.signed_feed import SignedFeed, now_ms

HEARTBEAT_S: Final = 1.0


class Sidecar:
    """`sidecar-stock`, `sidecar-inline`: the process with one transport; with `tls` its TCP endpoint is encrypted."""

    note = ""

    def __init__(
        self, transport: str, *, tls: bool = False, settings: Mapping[str, str] | None = None, name: str = ""
    ) -> None:
        """Take the transport's name and any further settings (`DECISION_CACHE` and so on, without the prefix)."""
        self.name = name or f"sidecar-{transport}"
        self._transport = transport
        self._tls = tls
        self._settings = dict(settings or {})
        self._process = Launched(self.name)
        self._feed = SignedFeed(world.PRODUCT)
        self._master: Path | None = None
        self._port = 0
        self._intercom: Path | None = None
        self._done = threading.Event()
        self._pulse: threading.Thread | None = None

    def missing(self) -> str | None:
        """Return why not: the transport is not in this checkout."""
        if self._transport in TRANSPORTS:
            return None
        return f"this checkout has no transport {self._transport!r}, only {', '.join(TRANSPORTS)}"

    def prepare(self) -> None:
        """Write the store that each start gets a copy of."""
        if self._master is None:
            self._master = Path(tempfile.mkdtemp(prefix="store-"))
            weakref.finalize(self, shutil.rmtree, self._master, ignore_errors=True)
            self._feed.write(self._master, dict(world.bodies(CUSTOMER_COUNT, now_ms())))

    def questions(self, ask: Ask) -> tuple[Question, ...] | None:
        """Return Check or BatchCheck with verdict and code of every answer."""
        return our_questions(ask)

    def start(self) -> None:
        """Start on a fresh copy of the store; the heartbeat goes on beside it."""
        self.prepare()
        if self._master is None:
            raise SubjectFailed("the store was not written")
        store = self._process.folder / "store"
        shutil.copytree(self._master, store)
        self._beat(store)
        command = [sys.executable, "-m", "sidecar.serving.process", "--go"]
        answering = json.loads(self._process.start(command, self._environ(store)))
        self._port, self._intercom = int(answering["port"]), Path(answering["intercom"])
        self._refuse_another_transport()
        self._done.clear()
        self._pulse = threading.Thread(target=self._keep_fresh, args=(store,), name="heartbeat", daemon=True)
        self._pulse.start()

    def _refuse_another_transport(self) -> None:
        """A process that fell back to another transport answers, but its figures would stand under a wrong name."""
        used = transport(self._intercom) if self._intercom is not None else ""
        if used != self._transport:
            self.stop()
            raise SubjectFailed(f"{self.name} fell back to the transport {used!r}; its log says why")

    def _environ(self, store: Path) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith("ENTITLEMENTS_")}
        chosen = {
            "PRODUCTS": world.PRODUCT,
            "ROOT_KEYS": self._feed.root_hex,
            "STORE_DIR": str(store),
            "SOCKET": str(self._socket),
            "LISTEN": "127.0.0.1:0",
            "CONTROL_TARGET": "",
            "DRAIN": "100ms",
            "TRANSPORT": self._transport,
        }
        if self._tls:
            crt, key = certificate(self._process.folder, "server")
            chosen |= {"TLS_CERT": str(crt), "TLS_KEY": str(key)}
        return {**own, **{f"ENTITLEMENTS_{name}": text for name, text in {**chosen, **self._settings}.items()}}

    @property
    def _socket(self) -> Path:
        return self._process.folder / "s.sock"

    def _beat(self, store: Path) -> None:
        with self._feed.writer(store) as writer:
            self._feed.pulse(writer)

    def _keep_fresh(self, store: Path) -> None:
        with contextlib.suppress(AttributeError, OSError):  # not on the processor that is measured
            os.sched_setaffinity(0, {max(range(os.cpu_count() or 1))})
        with self._feed.writer(store) as writer:
            while not self._done.wait(HEARTBEAT_S):
                self._feed.pulse(writer)

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return the unix socket and the TCP port; only the latter when it speaks TLS, so that no row is measured twice."""
        if self._tls:
            return {"tls": Endpoint("tls", f"localhost:{self._port}", ca=self._process.folder / "server.crt")}
        unix = Endpoint("unix", str(self._socket), intercom=self._intercom)
        return {"unix": unix, "tcp": Endpoint("tcp", f"127.0.0.1:{self._port}", intercom=self._intercom)}

    def pids(self) -> tuple[int, ...]:
        """Return the one process."""
        return self._process.pids()

    def stop(self) -> None:
        """End the process and the heartbeat; the store's original goes with this object, at exit at the latest."""
        self._done.set()
        if self._pulse is not None:
            self._pulse.join()
            self._pulse = None
        self._process.stop()
