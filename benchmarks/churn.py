"""Does churn show? Checks at a fixed rate against one whole sidecar while something goes on, each time beside a calm row.

    python3 dev.py bench churn [--rate 5000] [--customers 100000] [--rounds 3] [--seconds 4] [--kind deltas --kind resync ...]

Latency counts from the instant at which a question was due. The sidecar's processes, main and serving, share the server's processor; Valkey, the
feed's source and the asking program share the other one. Kinds: `deltas` (1,000 a second, one message each), `resync` (a new epoch of the whole
set), `scrape` (/metrics and /statusz each second), `logs` (the pipe of the log is full and nobody reads it), `compaction` (the store's file is
compacted after a resync; its rows are longer, because it is waited for). A kind passes when its p99 stays below 1.5 times that of its calm rows.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Final

from benchmarks import world
from benchmarks.generators.c_client import CClient
from benchmarks.generators.generator import Load
from benchmarks.questions import Ask
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.processors import ASKER_CPU, Meter, cpu_seconds, resident_mib, spin_ms
from benchmarks.subjects.followed import FollowedSidecar
from tests.support.processes import wait_until

NAME: Final = "churn"
TITLE: Final = "5,000 checks a second, open loop, while something goes on"
RATE: Final = 5_000
DELTAS: Final = 1_000
LIMIT: Final = 1.5
WARM_UP_S: Final = 0.5
COMPACTION_S: Final = 11.0
PATIENCE_S: Final = 60.0
COMPACTIONS: Final = f'entitlements_store_compactions_total{{process="main",product="{world.PRODUCT}",result="done"}}'


@contextmanager
def calm(_subject: FollowedSidecar, _seconds: float) -> Iterator[None]:
    """Nothing goes on but a heartbeat a second."""
    yield


@contextmanager
def deltas(subject: FollowedSidecar, seconds: float) -> Iterator[None]:
    """A thousand deltas a second."""
    subject.order(f"sign {int(DELTAS * (seconds + WARM_UP_S))}")
    subject.begin(f"deltas {DELTAS}")
    yield
    subject.done()
    wait_until(subject.is_live, PATIENCE_S, "the end of the deltas")


@contextmanager
def resync(subject: FollowedSidecar, _seconds: float) -> Iterator[None]:
    """A new epoch of the whole set, begun when the measured part begins."""
    subject.order("prepare")
    begun = threading.Timer(WARM_UP_S, subject.order, args=("resync",))
    begun.start()
    yield
    begun.join()
    wait_until(subject.is_live, PATIENCE_S, "the end of the resync")


@contextmanager
def scrape(subject: FollowedSidecar, _seconds: float) -> Iterator[None]:
    """A scraper and a person, each second."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            subject.page("/metrics")
            subject.page("/statusz")

    looking = threading.Thread(target=look)
    looking.start()
    yield
    over.set()
    looking.join()


@contextmanager
def logs(subject: FollowedSidecar, seconds: float) -> Iterator[None]:
    """Whoever collects the log has stopped reading and its pipe is full, while a resync gives reason to write."""
    sidecar = subject.sidecar
    if sidecar is None:
        raise SystemExit("the sidecar does not run")
    sidecar.collecting.clear()
    flags = fcntl.fcntl(sidecar.sink, fcntl.F_GETFL)
    copy = os.open(f"/proc/self/fd/{sidecar.sink}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(copy, b"." * 4095 + b"\n")
    except BlockingIOError:
        pass
    finally:
        os.close(copy)
    if fcntl.fcntl(sidecar.sink, fcntl.F_GETFL) != flags:
        raise SystemExit("filling the pipe has changed how the sidecar writes to it")
    with scrape(subject, seconds):
        yield
    sidecar.collecting.set()


@contextmanager
def compaction(subject: FollowedSidecar, _seconds: float) -> Iterator[None]:
    """The file of the store is compacted within the measured part."""
    subject.order("prepare")
    subject.order("resync")
    wait_until(subject.is_live, PATIENCE_S, "the resync before the compaction")
    before = subject.figure(COMPACTIONS)
    yield
    if subject.figure(COMPACTIONS) != before + 1:
        print("  compaction: none happened within the row")


KINDS: Final[dict[str, Callable[[FollowedSidecar, float], object]]] = {
    "compaction": compaction,
    "deltas": deltas,
    "resync": resync,
    "scrape": scrape,
    "logs": logs,
}
"""The compaction comes first: afterwards a sidecar rests for ten minutes, so it falls into no other row."""


def measured(subject: FollowedSidecar, kind: str, pair: str, number: int, rate: int, seconds: float) -> Row:
    """Return the row of one kind; `pair` says beside which kind a calm one was measured."""
    length = COMPACTION_S if kind == "compaction" else seconds
    doing = calm if kind == "calm" else KINDS[kind]
    spin = spin_ms()
    with doing(subject, length):  # type: ignore[attr-defined]
        meter, main_before = Meter(subject.pids()), cpu_seconds([subject.main_pid()])
        began = time.monotonic()
        load = Load(connections=4, rate=rate, seconds=length, warm_up_s=WARM_UP_S)
        outcome = CClient(ASKER_CPU).run(subject.endpoints()["unix"], subject.questions(Ask()) or (), load)
        took = time.monotonic() - began
        main = (cpu_seconds([subject.main_pid()]) - main_before) / took
        used, others = meter.read()
    if outcome.asked_per_second < 0.98 * rate:
        print(f"  {kind}: only {outcome.asked_per_second:.0f}/s were asked")
    return Row(
        scenario=NAME,
        subject=subject.name,
        generator="c",
        endpoint="unix",
        parameters={"kind": kind, "beside": pair, "rate": rate, "customers": subject.customers},
        round=number,
        spin_ms=round(spin, 3),
        other_load=round(others, 3),
        seconds=outcome.seconds,
        calls=outcome.calls,
        decisions=outcome.decisions,
        wrong=outcome.wrong,
        errors=dict(outcome.errors),
        latency_us=outcome.latencies.summary_us(),
        histogram=outcome.latencies.encoded(),
        server_cpu_us=round(used * 1e6 / outcome.all_calls, 2),
        rss_mib=round(resident_mib(subject.pids()), 1),
        note=f"the main process used {main * 100:.0f} % of a processor",
    )


def run(
    subjects: Sequence[object], generators: Sequence[object], rounds: int, seconds: float, customers: int = 100_000
) -> list[Row]:
    """Measure every kind for the suite. Subjects and generators have no part in it: it asks a whole sidecar that follows a feed."""
    _ = subjects, generators
    return rounds_of(rounds, seconds, list(KINDS), customers, RATE, "inline")


def rounds_of(
    rounds: int, seconds: float, kinds: Sequence[str], customers: int, rate: int, transport: str
) -> list[Row]:
    """Return the rows of all rounds, each with a fresh sidecar: a calm row, then one of the kind, for each kind."""
    rows = []
    for number in range(1, rounds + 1):
        subject = FollowedSidecar(customers, {"TRANSPORT": transport})
        try:
            subject.start()
            for pair in kinds:
                for kind in ("calm", pair):
                    rows.append(measured(subject, kind, pair, number, rate, seconds))
                    told(rows[-1])
        finally:
            subject.stop()
    return rows


def main(argv: list[str]) -> int:
    """Measure, print and write; return 1 when churn shows or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="bench churn", description="Does churn show in the latency of checks?")
    parser.add_argument("--rate", type=int, default=RATE, help="checks a second (%(default)s)")
    parser.add_argument("--customers", type=int, default=100_000, help="customers in the set (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each with a fresh sidecar (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a row (%(default)s)")
    parser.add_argument("--transport", default="inline", help="the sidecar's transport (%(default)s)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these kinds")
    parser.add_argument("--keep", action="store_true", help="write the rows to benchmarks/results")
    asked = parser.parse_args(argv)
    on, began = machine(), time.monotonic()
    rows = rounds_of(
        asked.rounds, asked.seconds, asked.kind or list(KINDS), asked.customers, asked.rate, asked.transport
    )
    result = Result(
        benchmark=NAME,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        machine=on,
        rows=rows,
        versions=library_versions(),
        took_s=time.monotonic() - began,
    )
    if asked.keep:
        print(f"written {result.write()}")
    return judged(rows, asked.kind or list(KINDS))


def told(row: Row) -> None:
    """Print one row."""
    shown = "  ".join(f"{name} {row.latency_us.get(name, 0):7.0f}" for name in ("p50", "p99", "p999", "max"))
    bad = f"  WRONG {row.wrong} {dict(row.errors)}" if row.wrong or row.errors else ""
    cpu = f"{row.server_cpu_us:5.1f} us a call, {row.note}"
    print(
        f"  round {row.round}  {row.parameters['kind']:<11} {shown} us  {cpu}, spin {row.spin_ms:.1f}{bad}", flush=True
    )


def judged(rows: list[Row], kinds: list[str]) -> int:
    """Print each kind's p99 against its calm rows, on median; return 1 when one is not below the limit or an answer was wrong."""
    failed = any(row.wrong or row.errors for row in rows)
    for pair in kinds:
        found = {
            kind: {
                name: median(
                    row.latency_us[name]
                    for row in rows
                    if (row.parameters["kind"], row.parameters["beside"]) == (kind, pair)
                )
                for name in ("p99", "p999")
            }
            for kind in ("calm", pair)
        }
        ratio = found[pair]["p99"] / found["calm"]["p99"]
        failed |= ratio >= LIMIT
        print(
            f"  {pair:<11} p99 {found[pair]['p99']:.0f} us against {found['calm']['p99']:.0f} calm: {ratio:.2f}"
            f"  (p99.9 {found[pair]['p999']:.0f} against {found['calm']['p999']:.0f})"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
