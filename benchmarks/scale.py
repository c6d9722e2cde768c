"""Checks a second and memory against the number of processes that answer on one TCP port.

    python3 dev.py bench scale [--processes 1 --processes 2 --processes 4] [--customers 100000] [--rounds 3] [--seconds 3]

SO_REUSEPORT spreads connections over the processes, so many are opened (32, each with two calls in flight). Nothing is pinned: processes, feed
and asking program share all processors, and the asking program's own part (a few microseconds a call) is inside the figures. With more
processes than processors nothing is won; the row shows what that costs. A store is mapped by all of them, so their memory is given as PSS,
which divides shared pages among those who share them, beside RSS, which counts them for each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.generators.c_client import CClient
from benchmarks.generators.generator import Load
from benchmarks.questions import Ask
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.processors import Meter, spin_ms
from benchmarks.subjects.followed import FollowedSidecar
from tests.support.processes import wait_until

NAME: Final = "scale"
TITLE: Final = "Checks a second and memory against the number of processes that answer on one port"
PROCESSES: Final = (1, 2, 4)
CONNECTIONS: Final = 32
STREAMS: Final = 2
START_S: Final = 30.0


def memory_mib(pid: int) -> tuple[float, float, float]:
    """Return RSS, PSS and what is its own alone of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith("kB")}
    return sizes["Rss:"], sizes["Pss:"], sizes["Private_Clean:"] + sizes["Private_Dirty:"]


def all_answer(subject: FollowedSidecar, processes: int) -> bool:
    """Return whether every process is up."""
    return len(subject.pids()) == processes


def measured(subject: FollowedSidecar, processes: int, number: int, seconds: float) -> Row:
    """Return the row of a sidecar that runs with so many processes."""
    wait_until(partial(all_answer, subject, processes), START_S, f"{processes} processes that answer")
    load = Load(connections=CONNECTIONS, streams=STREAMS, seconds=seconds, warm_up_s=1.0)
    spin = spin_ms()
    meter = Meter(subject.pids())
    outcome = CClient().run(subject.endpoints()["tcp"], subject.questions(Ask()) or (), load)
    used, others = meter.read()
    sizes = [memory_mib(pid) for pid in subject.pids()]
    rss, pss, own = ([round(size[index], 1) for size in sizes] for index in range(3))
    return Row(
        scenario=NAME,
        subject=subject.name,
        generator="c",
        endpoint="tcp",
        parameters={
            "processes": processes,
            "connections": CONNECTIONS,
            "streams": STREAMS,
            "customers": subject.customers,
        },
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
        rss_mib=round(sum(pss), 1),
        note=f"rss_mib is the sum of PSS {pss}; RSS {rss}, private {own} MiB",
    )


def run(
    subjects: Sequence[object], generators: Sequence[object], rounds: int, seconds: float, customers: int = 100_000
) -> list[Row]:
    """Measure one, two and four processes for the suite. Subjects and generators have no part in it: it asks whole sidecars."""
    _ = subjects, generators
    return rounds_of(rounds, seconds, PROCESSES, customers, "inline")


def rounds_of(rounds: int, seconds: float, counts: Sequence[int], customers: int, transport: str) -> list[Row]:
    """Return the rows of all rounds, each number of processes with a fresh sidecar."""
    rows = []
    for number in range(1, rounds + 1):
        for count in counts:
            settings = {"TRANSPORT": transport, "SERVING_PROCESSES": str(count)}
            subject = FollowedSidecar(customers, settings, pin=False)
            try:
                subject.start()
                rows.append(measured(subject, count, number, seconds))
                told(rows[-1])
            finally:
                subject.stop()
    return rows


def main(argv: list[str]) -> int:
    """Measure, print and write; return 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(prog="bench scale", description="Throughput and memory against processes.")
    parser.add_argument("--processes", type=int, action="append", help=f"how many answer, repeatable ({PROCESSES})")
    parser.add_argument("--customers", type=int, default=100_000, help="customers in the set (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a row (%(default)s)")
    parser.add_argument("--transport", default="inline", help="the sidecar's transport (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="write the rows to benchmarks/results")
    asked = parser.parse_args(argv)
    on, began = machine(), time.monotonic()
    counts = asked.processes or list(PROCESSES)
    rows = rounds_of(asked.rounds, asked.seconds, counts, asked.customers, asked.transport)
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
    summed(rows, counts)
    return int(any(row.wrong or row.errors for row in rows))


def told(row: Row) -> None:
    """Print one row."""
    bad = f"  WRONG {row.wrong} {dict(row.errors)}" if row.wrong or row.errors else ""
    print(
        f"  round {row.round}  {row.parameters['processes']} processes  {row.per_second:7.0f}/s  p50 {row.latency_us.get('p50', 0):6.0f}"
        f"  p99 {row.latency_us.get('p99', 0):6.0f} us  {row.server_cpu_us:5.1f} us a call, {row.note}, others {row.other_load:.2f}{bad}",
        flush=True,
    )


def summed(rows: Sequence[Row], counts: Sequence[int]) -> None:
    """Print the median of each number of processes against the first."""
    speeds = {count: median(row.per_second for row in rows if row.parameters["processes"] == count) for count in counts}
    for count, speed in speeds.items():
        memory = median(row.rss_mib or 0.0 for row in rows if row.parameters["processes"] == count)
        print(
            f"  {count} processes: {speed:.0f}/s, {speed / speeds[counts[0]]:.2f} times; {memory:.0f} MiB together (PSS)"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
