"""Asks one sidecar tens of millions of times, in changing ways, and watches its memory.

    python3 dev.py bench soak [--calls 50000000] [--transport inline]

The ways change every few seconds: connections, streams, single checks and batches, unix socket and TCP, the plain client and callers who do not
behave (silent, deaf, cut off in the middle, resetting). Every answer is checked. After each lap the resident memory is read; it must not go
on growing once everything has been seen once.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.generators.c_client import CClient
from benchmarks.generators.generator import Load
from benchmarks.questions import Ask
from benchmarks.result import machine, write
from benchmarks.scenarios.processors import resident_mib
from benchmarks.subjects.sidecar import Sidecar
from benchmarks.subjects.subject import Kind
from tests.support.raw_http2 import DATA, RST_STREAM, RawClient, frame

CHECK: Final = "/entitlements.v1.CheckService/Check"
LIMIT_MIB: Final = 8.0
"""How much the resident memory may grow from the end of the second lap to the end: caches fill in the first, allocators settle in the second."""


class Way(NamedTuple):
    """One way of asking for some seconds."""

    kind: Kind
    load: Load
    ask: Ask = Ask()
    hostile: bool = False


def ways(seconds: float) -> tuple[Way, ...]:
    """Return one lap."""
    return (
        Way("unix", Load(connections=4, streams=16, seconds=seconds)),
        Way("tcp", Load(connections=32, streams=2, seconds=seconds)),
        Way("unix", Load(connections=1, streams=1, seconds=seconds)),
        Way("unix", Load(connections=2, streams=8, seconds=seconds), Ask(batch=20)),
        Way("unix", Load(connections=8, streams=64, seconds=seconds)),
        Way("tcp", Load(connections=4, streams=16, seconds=seconds), Ask(payload="attributes")),
        Way("unix", Load(connections=4, streams=16, seconds=seconds, deadline_ms=250), hostile=True),
        Way("unix", Load(connections=2, streams=4, seconds=seconds), Ask(batch=100)),
    )


@contextlib.contextmanager
def bad_company(path: Path) -> Iterator[None]:
    """Have callers who do not behave connected meanwhile; some of them stay, others leave in the middle."""
    clients = []
    with contextlib.suppress(OSError):
        for number in range(20):
            client = RawClient(path, window=0 if number % 2 else 65_535)
            clients.append(client)
            for _ in range(20):
                client.open(CHECK)
                stream = client.ask(CHECK, b"\x0a\x10customer-0000001\x12\x0afeature-01")
                client.socket.sendall(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
                client.ask(CHECK, b"no message at all")
            if number % 3 == 0:
                client.socket.sendall(frame(DATA, 0, 1, b"\0\0\0\0\x64abc"))
                client.close()
    yield
    for client in clients:
        client.close()


def soak(transport: str, calls: int, seconds: float) -> dict[str, Any]:
    """Ask until as many calls are answered; return counts, wrong answers, errors, and the memory lap by lap (MiB)."""
    subject = Sidecar(transport)
    client = CClient()
    answered = decisions = wrong = 0
    errors: dict[str, int] = {}
    laps: list[float] = []
    started = time.perf_counter()
    subject.start()
    try:
        pids = subject.pids()
        for lap in itertools.count(1):
            for way in ways(seconds):
                endpoint = subject.endpoints()[way.kind]
                company = bad_company(Path(endpoint.address)) if way.hostile else contextlib.nullcontext()
                with company:
                    outcome = client.run(endpoint, subject.questions(way.ask) or (), way.load)
                answered += outcome.all_calls
                decisions += outcome.decisions
                wrong += outcome.wrong
                for status, count in outcome.errors.items():
                    errors[status] = errors.get(status, 0) + count
                if subject.pids() != pids:
                    raise RuntimeError("the sidecar was started anew: it had died")
            laps.append(round(resident_mib(pids) or 0.0, 1))
            print(
                f"  lap {lap:<3} {answered:>11,} calls  {wrong} wrong  {errors or 'no errors'}  {laps[-1]} MiB",
                flush=True,
            )
            if answered >= calls:
                break
    finally:
        subject.stop()
    grown = laps[-1] - laps[min(1, len(laps) - 1)]
    return {
        "transport": transport,
        "calls": answered,
        "decisions_in_measured_parts": decisions,
        "wrong": wrong,
        "errors": errors,
        "seconds": round(time.perf_counter() - started, 1),
        "resident_mib_by_lap": laps,
        "grown_mib_since_second_lap": round(grown, 1),
    }


def main(argv: list[str]) -> int:
    """Run; return 1 for a wrong answer, a failed call, or memory that grows."""
    parser = argparse.ArgumentParser(prog="bench soak", description="Tens of millions of calls, and flat memory.")
    parser.add_argument("--calls", type=int, default=50_000_000, help="how many (%(default)s)")
    parser.add_argument("--transport", default="inline", help="what carries them (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each way of asking (%(default)s)")
    asked = parser.parse_args(argv)
    problem = CClient().missing()
    if problem is not None:
        print(f"  left out: {problem}")
        return 2
    on = machine()
    found = soak(asked.transport, asked.calls, asked.seconds)
    print(f"  written  {write('soak', (__doc__ or '').strip(), found, on)}")
    bad = found["wrong"] or found["errors"] or found["grown_mib_since_second_lap"] > LIMIT_MIB
    print("  FAILED" if bad else "  no wrong answer, no failed call, memory flat")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
