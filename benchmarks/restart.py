"""From the start of a sidecar to its first answer, from a last-known-good store: `python -m benchmarks.restart [customers] [rounds]`.

The clock runs from just before the process is started until a client that keeps trying has its answer: interpreter, imports, full
verification of the store (every record looked up, digest and signature compared) and the first decision included.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import grpc

from benchmarks import world
from benchmarks.result import machine, summary, write
from entitlements.v1 import check_service_pb2, check_service_pb2_grpc
from tests.support.processes import SidecarProcess, wait_until
from tests.support.signed_feed import SignedFeed, now_ms

CUSTOMERS = 100_000
ROUNDS = 7
RETRY_S = 0.002
GIVE_UP_S = 60


def first_answer_s(sidecar: SidecarProcess) -> tuple[float, check_service_pb2.CheckResponse]:
    """Start the sidecar; return the seconds until the first answer, and the answer."""
    question = check_service_pb2.CheckRequest(customer_id="customer-0000007", feature="feature-03")
    started = perf_counter()
    sidecar.spawn()
    while perf_counter() - started < GIVE_UP_S:
        answer = asked(sidecar, question)
        if answer is not None:
            return perf_counter() - started, answer
        sleep(RETRY_S)
    raise SystemExit(f"no answer within {GIVE_UP_S} s:\n{sidecar.log}")


def asked(sidecar: SidecarProcess, question: check_service_pb2.CheckRequest) -> check_service_pb2.CheckResponse | None:
    """Ask over a fresh connection; None when nobody answers."""
    if not sidecar.socket.exists():
        return None
    opened: Any = grpc.insecure_channel(f"unix:{sidecar.socket}")
    with opened as channel, contextlib.suppress(grpc.RpcError):
        answer: check_service_pb2.CheckResponse = check_service_pb2_grpc.CheckServiceStub(channel).Check(
            question, timeout=1
        )
        return answer
    return None


def resident_mib(pid: int) -> tuple[float, float]:
    """Return a process's own memory and the mapped file pages it shares, in MiB."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        if ":" in line
    )
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))  # type: ignore[return-value]


def is_ready(sidecar: SidecarProcess) -> bool:
    """Return whether the sidecar says so."""
    return sidecar.page("/readyz")[0] == 200


def main(argv: list[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="bench restart", description="Restart to first answer from last known good.")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="customers in the store (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="restarts (%(default)s)")
    options = parser.parse_args(argv)
    customers, rounds, on = options.customers, options.rounds, machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feed = SignedFeed(world.PRODUCT)
        feed.write(folder / "store", dict(world.bodies(customers, now_ms())))
        took, own, shared = [], 0.0, 0.0
        for _ in range(rounds):
            sidecar = SidecarProcess(folder, world.PRODUCT, feed.root_hex)
            seconds, answer = first_answer_s(sidecar)
            if not answer.allowed or answer.freshness.seq != feed.seq:
                raise SystemExit(f"not the expected answer: {answer}")
            took.append(seconds)
            wait_until(partial(is_ready, sidecar), GIVE_UP_S, "readiness")
            own, shared = resident_mib(sidecar.serving_pid)
            sidecar.stop(signal.SIGTERM)
        size = sum(path.stat().st_blocks * 512 for path in folder.rglob("data.mdb"))
    print(f"{customers} customers x {world.FEATURES} features, store {size / 2**20:.1f} MiB on disk")
    print(f"restart to first answer, verified: median {median(took):.3f} s, worst {max(took):.3f} s of {rounds}")
    print(f"serving process: {own:.1f} MiB of its own, {shared:.1f} MiB of mapped files")
    numbers = {
        "customers": customers,
        "features": world.FEATURES,
        "store_mib": round(size / 2**20, 1),
        "first_answer_s": summary(took),
        "serving_own_mib": round(own, 1),
        "serving_mapped_mib": round(shared, 1),
    }
    print(f"written {write('restart', (__doc__ or '').strip(), numbers, on)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
