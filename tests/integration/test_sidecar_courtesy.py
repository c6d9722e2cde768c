"""What must not hold up an answer: a log that nobody reads, a main process that is busy, the garbage collector. Real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import world
from entitlements.runtime.courtesy import NICE
from entitlements.v1 import check_service_pb2, decision_pb2
from tests.support.processes import ROOT, SidecarProcess, is_running, wait_until
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.worlds import damage_records

WITHIN_S = 10
QUESTION = check_service_pb2.CheckRequest(customer_id="customer-0000001", feature="feature-01")
DAMAGED = 'entitlements_store_corrupt_records_total{process="serving",product="suite"} '
DROPPED = 'entitlements_log_lines_dropped_total{process="serving"} '


@dataclass
class StalledSidecar(SidecarProcess):
    """A sidecar whose standard error is a pipe that is full from the start and that nobody reads."""

    ends: tuple[int, int] = field(default_factory=os.pipe)

    def spawn(self) -> None:
        """Fill the pipe, then start."""
        _, sink = self.ends
        os.set_blocking(sink, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(sink, b"." * 4095 + b"\n")
        os.set_blocking(sink, True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.module],
            cwd=ROOT,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
        )
        os.close(sink)

    @property
    def log(self) -> str:
        """Return nothing: nobody reads it."""
        return ""


def stored(folder: Path) -> SignedFeed:
    """Write a store with twenty features and ten customers."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(folder / "store", dict(world.bodies(10, now_ms())))
    return feed


def series(sidecar: SidecarProcess, start: str) -> float:
    """Return the value of a series; 0 when it is not there."""
    found = [line for line in sidecar.page("/metrics")[1].splitlines() if line.startswith(start)]
    return float(found[0][len(start) :]) if found else 0.0


@pytest.mark.parametrize("transport", ["inline", "stock"])
def test_log_that_nobody_reads_holds_up_nothing(tmp_path: Path, transport: str) -> None:
    """Start, checks, failures with a line each, pages and drain: all with a full pipe."""
    feed = stored(tmp_path)
    with StalledSidecar(tmp_path, world.PRODUCT, feed.root_hex, {"TRANSPORT": transport}) as running:
        with running.stub() as stub:
            assert stub.Check(QUESTION, timeout=WITHIN_S).allowed
            damage_records(feed.directory(running.store), "c/customer-0000002")
            broken = check_service_pb2.CheckRequest(customer_id="customer-0000002", feature="feature-01")
            codes = {stub.Check(broken, timeout=WITHIN_S).code for _ in range(2_000)}
            assert codes == {decision_pb2.CODE_FALLBACK_DENY}
            assert stub.Check(QUESTION, timeout=WITHIN_S).allowed
        assert series(running, DAMAGED) > 0
        assert running.page("/readyz")[0] == 200
        assert running.stop() == 0
    os.close(running.ends[0])


def niceness(pid: int) -> set[int]:
    """Return the niceness of a process's threads."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found.add(int((thread / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[16]))
    return found


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[SidecarProcess]:
    """A running sidecar over a verified store."""
    with SidecarProcess(tmp_path, world.PRODUCT, stored(tmp_path).root_hex) as running:
        yield running


def test_process_that_answers_goes_first_also_when_it_was_started_again(sidecar: SidecarProcess) -> None:
    """The main process steps back, but what it starts to answer does not inherit that."""
    present = os.nice(0)
    wait_until(lambda: sidecar.page("/readyz")[0] == 200, WITHIN_S, "readiness")
    assert max(niceness(sidecar.process.pid)) == max(present, NICE)
    first = sidecar.serving_pid
    assert niceness(first) == {present}
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_running(first), WITHIN_S, "the kill")
    wait_until(lambda: sidecar.status()["serving"].get("pid", first) != first, WITHIN_S, "its successor")
    wait_until(lambda: sidecar.page("/readyz")[0] == 200, WITHIN_S, "readiness")
    assert niceness(sidecar.serving_pid) == {present}
