"""A sidecar that holds a working set: what a miss costs, what a hit costs, how fast it fills, how much it takes.

    python3 dev.py bench working_set [--customers 100000] [--room 10000] [--rounds 3] [--seconds 3] [--keep]

Real processes: Valkey, the control plane on SQLite, a whole sidecar. The control plane's database is filled directly, because a million customers
over REST take longer than anybody waits. A `miss` asks about a customer nobody asked about before, one after the other; `hit` asks again about one of
those, with the decision cache off, so the store is read; `fill` asks in batches of 100 customers until the room is full. Nothing is pinned.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks import world
from benchmarks.generators.latencies import Latencies
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.processors import Meter, resident_mib, spin_ms
from control.store.database import open_engine
from control.store.schema import migrate
from control.store.unit_of_work import Store
from demo.site import Site
from demo.stage import Stage, both
from entitlements.policy.ids import RecordKey
from entitlements.runtime.clock import SystemClock
from entitlements.v1 import check_service_pb2, decision_pb2
from tests.support.processes import SidecarProcess, wait_until

NAME: Final = "working_set"
TITLE: Final = "A working set: misses, hits, filling and memory"
FEATURE: Final = "feature-00"
"""A core feature: every customer has it, so every answer is known."""
BATCH: Final = 100
READY_S: Final = 120.0
CALL_S: Final = 10.0
Asked = Callable[[], int]
"""Asks once; returns how many of the answers were wrong."""


@contextmanager
def control_plane(customers: int) -> Iterator[Stage]:
    """Run Valkey and a control plane that has so many customers."""
    stage = Stage(Site.make(None))
    try:
        both(stage.valkey.start, stage.make_keys)
        fill_database(stage, customers)
        stage.control.start()
        stage.make_admin()
        yield stage
    finally:
        stage.close()


def fill_database(stage: Stage, customers: int) -> None:
    """Write the whole set as the base of a feed, past everything that a control plane does for a customer's sake."""
    clock = SystemClock()
    engine = open_engine(f"sqlite:///{stage.site.folder / 'control.db'}")
    migrate(engine)
    began = time.monotonic()
    with Store(engine, clock).begin("benchmark") as uow:
        epoch, bodies = clock.now_ms() // 1000 - 100, world.bodies(customers, clock.now_ms())
        uow.feeds.create(world.PRODUCT, epoch, ((RecordKey(key), body) for key, body in bodies))
    engine.dispose()
    print(f"  {customers} customers written in {time.monotonic() - began:.0f} s", flush=True)


@contextmanager
def sidecar(stage: Stage, number: int, room: int) -> Iterator[tuple[SidecarProcess, float]]:
    """Run a sidecar that begins with nothing; yields it when it is ready, and how long that took, in seconds."""
    key = stage.call("POST", "/keys", {"name": f"round {number} {time.monotonic_ns()}", "scopes": ["sidecar"]})
    settings = {
        "WORKING_SET": str(room),
        "REDIS_URL": f"unix://{stage.site.valkey_socket}",
        "CONTROL_TARGET": f"127.0.0.1:{stage.site.grpc}",
        "CONTROL_TOKEN": str(key["key"]),
        "DECISION_CACHE": "0",
    }
    folder = stage.site.sockets / f"pod-{number}"
    one = SidecarProcess(folder, world.PRODUCT, stage.root_keys, settings)
    began = time.monotonic()
    with one:
        wait_until(lambda: one.page("/readyz")[0] == 200, READY_S, "readiness")
        yield one, time.monotonic() - began


def question(number: int) -> check_service_pb2.CheckRequest:
    """Return the question about one customer."""
    return check_service_pb2.CheckRequest(customer_id=world.customer(number, 0).id, feature=FEATURE)


def is_wrong(answer: check_service_pb2.CheckResponse) -> bool:
    """Return whether an answer is not the known one."""
    return answer.code not in {decision_pb2.CODE_ENTITLED, decision_pb2.CODE_ENTITLED_CORE}


class Askers:
    """The three ways of asking, over customers that come one after the other and never twice until all have come."""

    def __init__(self, stub: Any, customers: int, first: int) -> None:
        """Begin with a customer that no round before has asked about, as far as there are enough."""
        self._stub = stub
        self._next = ((first + step) % customers for step in itertools.count())
        self._asked = [first]

    def miss(self) -> int:
        """Ask about somebody new."""
        self._asked.append(next(self._next))
        return is_wrong(self._stub.Check(question(self._asked[-1]), timeout=CALL_S))

    def hit(self) -> int:
        """Ask about the one who came last."""
        return is_wrong(self._stub.Check(question(self._asked[-1]), timeout=CALL_S))

    def batch(self) -> int:
        """Ask about a hundred new ones."""
        items = [question(number) for number in itertools.islice(self._next, BATCH)]
        reply = self._stub.BatchCheck(check_service_pb2.BatchCheckRequest(items=items), timeout=CALL_S)
        return sum(is_wrong(item.decision) for item in reply.items)


def measured(
    what: str,
    ask: Asked,
    seconds: float,
    most: int,
    pids: Sequence[int],
    number: int,
    parameters: dict[str, int],
    note: str,
) -> Row:
    """Ask for so many seconds, or so often, and return the row."""
    took_ns: list[int] = []
    spin, meter, wrong = spin_ms(), Meter(pids), 0
    began = time.monotonic()
    while len(took_ns) < most and (time.monotonic() - began < seconds or not took_ns):
        before = time.perf_counter_ns()
        wrong += ask()
        took_ns.append(time.perf_counter_ns() - before)
    elapsed = time.monotonic() - began
    used, others = meter.read()
    latencies = Latencies.of(took_ns)
    return Row(
        scenario=NAME,
        subject="sidecar",
        generator="python",
        endpoint="unix",
        parameters={**parameters, "what": what},
        round=number,
        spin_ms=round(spin, 3),
        other_load=round(others, 3),
        seconds=round(elapsed, 3),
        calls=len(took_ns),
        decisions=len(took_ns) * (BATCH if what == "fill" else 1),
        wrong=wrong,
        latency_us=latencies.summary_us(),
        histogram=latencies.encoded(),
        server_cpu_us=round(used * 1e6 / len(took_ns), 1),
        rss_mib=round(resident_mib(pids), 1),
        note=note,
    )


def round_of(stage: Stage, number: int, seconds: float, customers: int, room: int) -> Iterator[Row]:
    """Return the rows of one round, with a sidecar of its own."""
    parameters = {"customers": customers, "room": room}
    with sidecar(stage, number, room) as (one, ready_s), one.stub() as stub:
        status = one.status()
        pids = (int(status["pid"]), int(status["serving"]["pid"]))
        empty = resident_mib(pids)
        askers = Askers(stub, customers, (number - 1) * (customers // 4) % customers)
        note = f"ready {ready_s:.2f} s after its start, {empty:.0f} MiB empty (both processes, shared pages once)"
        yield measured("miss", askers.miss, seconds, room // 10, pids, number, parameters, note)
        yield measured("hit", askers.hit, seconds, 1_000_000, pids, number, parameters, note)
        yield measured("fill", askers.batch, 600.0, -(-room // BATCH), pids, number, parameters, note)


def run(
    subjects: Sequence[object],
    generators: Sequence[object],
    rounds: int,
    seconds: float,
    customers: int = 100_000,
    room: int = 10_000,
) -> list[Row]:
    """Measure so many rounds. Subjects and generators have no part in it: it asks whole sidecars of its own."""
    _ = subjects, generators
    rows = []
    with control_plane(customers) as stage:
        for number in range(1, rounds + 1):
            for row in round_of(stage, number, seconds, customers, room):
                rows.append(row)
                told(row)
    return rows


def told(row: Row) -> None:
    """Print one row."""
    latency = row.latency_us
    print(
        f"  round {row.round}  {row.parameters['what']:<5} p50 {latency['p50']:8.0f} us  p99 {latency['p99']:8.0f} us  "
        f"{row.decisions / row.seconds:8.0f} decisions/s  wrong {row.wrong}  {row.rss_mib:.0f} MiB  {row.note}",
        flush=True,
    )


def main(argv: list[str]) -> int:
    """Measure, print and, if asked, write; return 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(prog=f"bench {NAME}", description=TITLE)
    parser.add_argument("--customers", type=int, default=100_000, help="customers of the control plane (%(default)s)")
    parser.add_argument("--room", type=int, default=10_000, help="the most that are held (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of misses and hits (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="write the rows to benchmarks/results")
    asked = parser.parse_args(argv)
    on, began = machine(), time.monotonic()
    rows = run((), (), asked.rounds, asked.seconds, asked.customers, asked.room)
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
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
