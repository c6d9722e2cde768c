"""The process that answers: `python -m sidecar.serving.process`.

It needs its settings and the store's directory, nothing else: it answers, ages and falls back by itself while the main process is away. The
protocol with whoever starts it:

* it imports what it needs, then reads a line from standard input: `go` (the store is verified, open it), or `go takeover` (and another
  process of ours still serves: take its place). The end of the input instead means that nobody wants it any more. With `--go` on the
  command line it does not wait;
* `--number N` (0 unless given) says which of several it is: number 0 has the unix socket and the TCP address, the others the address alone;
* it writes one line of JSON when it answers: pid, TCP port, intercom;
* SIGTERM or SIGINT drains it: health says NOT_SERVING, no new calls, those in flight may end. Exit code 0.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Final

from google.protobuf.internal import api_implementation

from entitlements.local.shelf import open_shelves
from entitlements.local.steady_clock import SteadyClock
from entitlements.runtime.boot import read_boot_id
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.garbage import settle
from entitlements.runtime.locks import FileLock, LockTaken
from entitlements.runtime.metrics import Meters
from entitlements.runtime.settings import SettingsError, load
from sidecar import metrics
from sidecar.hatch import hatch_path
from sidecar.intercom import Intercom, ask, has_siblings, process_name, serving_claim
from sidecar.serving.api import build_surface
from sidecar.serving.cache import DecisionCache
from sidecar.serving.engine import Engine
from sidecar.serving.errands import Errands
from sidecar.serving.fallbacks import FallbackError, load_fallbacks
from sidecar.serving.listening import make_transport
from sidecar.serving.report import Log, Report
from sidecar.serving.standard_services import Health, attach_reflection
from sidecar.serving.status import Status
from sidecar.serving.tally import Tally
from sidecar.serving.transports.endpoints import EndpointTaken
from sidecar.settings import SidecarSettings

HANDOVER_S: Final = 1.0
"""How long a predecessor has to let go; one that hangs is killed, because a process that hangs does not answer checks either."""


class Serving:
    """Everything in this process, put together; `run` stays until a signal ends it."""

    def __init__(self, settings: SidecarSettings, number: int = 0) -> None:
        """Make the parts; nothing is opened, bound or claimed yet."""
        self._settings = settings
        self._number = number
        self._stop = threading.Event()
        meters = Meters((*metrics.SERVING, *metrics.EVERY))
        dropped = meters.counter(metrics.LOG_LINES_DROPPED).inc
        self._log = Log(settings.log_level, settings.log_format, process_name(number), dropped)
        boot_id = read_boot_id()
        clock = SteadyClock(SystemClock())
        fallbacks = load_fallbacks(settings.fallbacks, settings.products)
        report = Report(self._log)
        shelves = open_shelves(settings.products, settings.store_dir, settings.record_cache, fallbacks)
        self._errands = (
            Errands(hatch_path(settings.store_dir), shelves, settings.working_set_wait_ms, meters, monotonic)
            if settings.working_set
            else None
        )
        engine = Engine(
            shelves,
            settings.default_product,
            clock,
            DecisionCache(settings.decision_cache),
            Tally(meters),
            report.inside,
            boot_id=boot_id,
            min_version_wait_ms=settings.min_version_wait_ms,
            errands=self._errands,
        )
        self._status = Status(engine, clock, meters, boot_id)
        self._health = Health()
        surface = build_surface(engine, (self._health.attach, attach_reflection), report.unanswered)
        self._transport = make_transport(settings, number, surface, meters, self._log)
        self._claim = serving_claim(settings.store_dir, number)

    def run(self, *, takeover: bool) -> None:
        """Claim the endpoints, answer, drain. OSError or EndpointTaken when the endpoints cannot be had."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        path = self._settings.store_dir / f"serving.{os.getpid()}.sock"
        replies = {
            "metrics": self._status.exposition,
            "status": self._status.as_json,
            "handover": self._hand_over,
            "drain": self._drain,
        }
        if takeover:
            take_over(self._claim)
        self._claim.acquire({"pid": os.getpid(), "intercom": str(path.absolute())})
        intercom = Intercom(path, replies)
        if self._errands is not None:
            self._errands.start()
        try:
            self._transport.bind(takeover=takeover or has_siblings(self._settings.store_dir, self._number))
            self._transport.start()
            settle()
            announce({"pid": os.getpid(), "port": self._transport.tcp_port, "intercom": str(path)})
            self._log.info("answering", transport=repr(self._transport), takeover=takeover)
            if api_implementation.Type() != "upb":
                self._log.warning("protobuf runs without its C implementation", remedy="install a protobuf wheel")
            self._stop.wait()
            self._log.info("draining", grace_ms=self._settings.drain_ms)
            self._health.drain()
            self._transport.stop(self._settings.drain_ms / 1000)
        finally:
            intercom.close()
            self._claim.release()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _hand_over(self) -> bytes:
        self._transport.release()
        self._claim.release()
        return b"ok\n"

    def _drain(self) -> bytes:
        self._stop.set()
        return b"ok\n"


def take_over(claim: FileLock) -> None:
    """Have the process that holds the claim let go of it; it goes on answering until it is told to drain."""
    if not claim.is_held_elsewhere():
        return
    owner = claim.owner()
    with contextlib.suppress(OSError):
        ask(Path(str(owner.get("intercom", ""))), "handover", HANDOVER_S)
    pid = owner.get("pid")
    if claim.is_held_elsewhere() and isinstance(pid, int):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        pause = threading.Event()
        for _ in range(100):
            if not claim.is_held_elsewhere():
                return
            pause.wait(0.01)


def announce(facts: dict[str, object]) -> None:
    """Write the line that says that calls are answered; whoever asked for it may be gone."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Run the process; return its exit code: 0 after a drain, 2 for wrong settings, 3 when the endpoints cannot be had."""
    number = int(argv[argv.index("--number") + 1]) if "--number" in argv else 0
    try:
        settings = load(SidecarSettings, os.environ)
        settings.store_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        serving = Serving(settings, number)
    except (SettingsError, FallbackError) as error:
        sys.stderr.write(f"sidecar: {error}\n")
        return 2
    order = "go" if "--go" in argv else sys.stdin.readline().strip()
    if not order:
        return 0
    try:
        serving.run(takeover=order == "go takeover")
    except (OSError, EndpointTaken, LockTaken) as error:
        Log(settings.log_level, settings.log_format, process_name(number)).error("cannot answer", problem=str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
