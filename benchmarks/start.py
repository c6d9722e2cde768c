"""What a restart takes and what a sidecar weighs, against the number of customers in its set.

    python3 dev.py bench start [--rounds N] [--fast]

The clock runs from just before the sidecar's main process is started until a caller that keeps trying has its first answer from the records:
interpreter, imports, and, `from=warm`, full verification of the store that the last run left (every record hashed, digest and signature compared);
`from=cold`, no store at all: the snapshot is fetched from Valkey, verified and written first. Then the main and the serving process are weighed,
resident and proportional (a page that both map counts half to each), and so is the store's file. Sizes take turns within a round.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from benchmarks import world
from benchmarks.generators.latencies import Latencies
from benchmarks.restart import RETRY_S, asked
from benchmarks.result import ROOT
from benchmarks.row import Row
from benchmarks.scenarios.processors import spin_ms
from entitlements.runtime.boot import read_boot_id
from entitlements.store.writer import StoreWriter
from entitlements.v1 import check_service_pb2
from tests.support.processes import SidecarProcess, wait_until
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.valkey import running_valkey

NAME: Final = "start"
TITLE: Final = "Start to first answer, and memory, against the number of customers"
SIZES: Final = (10_000, 100_000, 1_000_000)
LARGEST_COLD: Final = 1_000_000
"""Beyond it the source of a snapshot needs more memory than the sidecar that is measured."""

BYTES_PER_CUSTOMER: Final = 1_000
"""Room in the map of a store: what a record takes twice over, because a new set is written beside the old one."""

GIVE_UP_S: Final = 600.0
"""So long is waited for a first answer, for readiness and for a source."""


class DidNotStartError(Exception):
    """A process of the measurement ended or never answered; the message holds the end of its log."""


class RoomyFeed(SignedFeed):
    """A feed whose stores have room for millions of customers."""

    def __init__(self, customers: int) -> None:
        super().__init__(world.PRODUCT)
        self.map_bytes = max(1 << 30, customers * BYTES_PER_CUSTOMER)

    def writer(self, store_dir: Path, boot_id: str | None = None) -> StoreWriter:
        """Open the store for writing."""
        return StoreWriter(self.directory(store_dir), self.map_bytes, read_boot_id() if boot_id is None else boot_id)


@dataclass(slots=True)
class Prepared:
    """What a start of one size needs: a written store for warm ones, a source of snapshots for cold ones."""

    customers: int
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    root: str = ""
    sources: ExitStack = field(default_factory=ExitStack)

    def write(self) -> None:
        """Write the store that a last run would have left."""
        feed = RoomyFeed(self.customers)
        feed.write(self.folder / "warm" / "store", dict(world.bodies(self.customers, now_ms())))
        self.root = feed.root_hex
        self.settings = {"STORE_MAP": f"{feed.map_bytes}B"}

    def cold(self) -> tuple[str, dict[str, str]]:
        """Start Valkey and a source that fills it; return the pinned root key and the settings of a sidecar that follows it."""
        valkey = self.sources.enter_context(running_valkey(self.folder))
        command = [sys.executable, "-m", "benchmarks.feed_source", valkey.url, str(self.customers)]
        source = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sources.callback(source.communicate)
        self.sources.callback(source.kill)
        root = source.stdout.readline().strip() if source.stdout else ""
        if not root:
            raise DidNotStartError(f"the source of {self.customers} customers has ended")
        return root, {**self.settings, "REDIS_URL": valkey.url}


def run(
    subjects: Sequence[object], generators: Sequence[object], rounds: int, seconds: float, sizes: Sequence[int] = SIZES
) -> list[Row]:
    """Measure each size. Subjects and generators, which stand for one server under load, have no part in it, nor have `seconds`."""
    _ = subjects, generators, seconds
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="start-") as name:
        every = [Prepared(size, Path(name) / str(size)) for size in sizes]
        for each in every:
            if not fits(each):
                print(f"  left out: {each.customers:,} customers: not enough room in {name}", flush=True)
                continue
            began = perf_counter()
            each.folder.mkdir()
            each.write()
            print(f"  a store of {each.customers:,} customers, written in {perf_counter() - began:.0f} s", flush=True)
        ready = [each for each in every if each.root]
        for number in range(1, rounds + 1):
            for each in ready:
                rows += warm(each, number)
        for each in ready:
            if each.customers > LARGEST_COLD:
                print(
                    f"  left out: a cold start of {each.customers:,} customers: its source needs more memory than that"
                )
                continue
            with each.sources:
                rows += cold(each, rounds)
            shutil.rmtree(each.folder, ignore_errors=True)
    return rows


def fits(each: Prepared) -> bool:
    """Tell whether the disk has room for a set twice over, and half as much again."""
    return shutil.disk_usage(each.folder.parent).free > 1.5 * each.customers * BYTES_PER_CUSTOMER


def warm(each: Prepared, number: int) -> Iterator[Row]:
    """Start once from the store that is there."""
    sidecar = SidecarProcess(each.folder / "warm", world.PRODUCT, each.root, each.settings)
    yield from started(sidecar, each.customers, "warm", number)


def cold(each: Prepared, rounds: int) -> Iterator[Row]:
    """Start so often with no store; the source is the same."""
    root, settings = each.cold()
    for number in range(1, rounds + 1):
        folder = each.folder / f"cold-{number}"
        yield from started(SidecarProcess(folder, world.PRODUCT, root, settings), each.customers, "cold", number)
        shutil.rmtree(folder, ignore_errors=True)


def started(sidecar: SidecarProcess, customers: int, kind: str, number: int) -> Iterator[Row]:
    """Start, wait for the first answer, weigh, stop."""
    spin = spin_ms()
    try:
        took = first_answer_s(sidecar)
        wait_until(lambda: sidecar.page("/readyz")[0] == 200, GIVE_UP_S, "readiness") if kind == "cold" else None
        wait_until(partial(has_serving, sidecar), GIVE_UP_S, "the serving process on the status page")
        weights = {
            "main process": memory_mib(sidecar.process.pid),
            "serving process": memory_mib(sidecar.serving_pid),
        }
        size = sum(path.stat().st_blocks * 512 for path in sidecar.folder.rglob("data.mdb")) / (1 << 20)
    finally:
        if sidecar.process.poll() is None:
            sidecar.stop(signal.SIGTERM)

    def row(subject: str, seconds: float = 0.0, mib: float | None = None, **more: str) -> Row:
        latencies = Latencies.of([int(seconds * 1e9)]) if seconds else Latencies()
        return Row(
            scenario=NAME,
            subject=subject,
            generator="python",
            endpoint="unix",
            parameters={"customers": customers, "from": kind, **more},
            round=number,
            spin_ms=round(spin, 3),
            seconds=round(took, 4),
            calls=1,
            decisions=1,
            latency_us=latencies.summary_us(),
            histogram=latencies.encoded(),
            rss_mib=None if mib is None else round(mib, 1),
        )

    yield row("sidecar", took)
    for subject, (resident, proportional) in weights.items():
        yield row(subject, mib=resident, counted="resident")
        yield row(subject, mib=proportional, counted="proportional")
    yield row("store on disk", mib=size)


def first_answer_s(sidecar: SidecarProcess) -> float:
    """Start the sidecar; return the seconds until the first answer from the records. DidNotStartError with its log when none comes."""
    question = check_service_pb2.CheckRequest(customer_id="customer-0000007", feature="feature-03")
    began = perf_counter()
    sidecar.spawn()
    while perf_counter() - began < GIVE_UP_S:
        answer = asked(sidecar, question)
        if answer is not None and answer.freshness.epoch:
            took = perf_counter() - began
            if not answer.allowed:
                raise DidNotStartError(f"not the expected answer: {answer}")
            return took
        if sidecar.process.poll() is not None:
            break
        sleep(RETRY_S)
    raise DidNotStartError(f"no answer within {GIVE_UP_S:g} s: {sidecar.log[-2000:]}")


def has_serving(sidecar: SidecarProcess) -> bool:
    """Tell whether the status page names the process that answers."""
    status, text = sidecar.page("/statusz")
    return status == 200 and "pid" in json.loads(text).get("serving", {})


def memory_mib(pid: int) -> tuple[float, float]:
    """Return resident and proportional memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("Rss:", "Pss:"))}
    return found["Rss"], found["Pss"]
