"""What one answer costs inside the engine, transport excluded: `python -m benchmarks.micro`. Microseconds, median of seven rounds."""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import world
from benchmarks.result import machine, write
from entitlements.local.records import StoreRecords
from entitlements.local.shelf import NONE, open_shelves
from entitlements.local.steady_clock import SteadyClock
from entitlements.policy.decide import decide
from entitlements.policy.ids import Millis
from entitlements.runtime.boot import read_boot_id
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.metrics import Meters
from entitlements.v1 import check_service_pb2
from entitlements.wire.requests import decode_check
from entitlements.wire.responses import encode_decision, encode_tail
from sidecar import metrics
from sidecar.serving.cache import DecisionCache
from sidecar.serving.engine import Engine
from sidecar.serving.several import Several
from sidecar.serving.tally import Tally
from tests.support.signed_feed import SignedFeed, now_ms

CUSTOMERS = 5_000
ROUNDS = 7


class Caller:
    """A call without a deadline."""

    def time_remaining(self) -> float | None:
        """Return that there is none."""
        return None

    def is_active(self) -> bool:
        """Return that somebody waits."""
        return True


def cost_us(action: Callable[[], object], times: int) -> float:
    """Return what one call of `action` costs, in microseconds: the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(times):
            action()
        rounds.append((perf_counter() - started) / times * 1e6)
    return median(rounds)


def request(number: int, feature: int) -> bytes:
    """Return one serialized Check."""
    return check_service_pb2.CheckRequest(
        customer_id=f"customer-{number:07d}", feature=f"feature-{feature:02d}"
    ).SerializeToString()


def measure(store_dir: Path) -> dict[str, float]:
    """Return the cost of each step by name."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(store_dir, dict(world.bodies(CUSTOMERS, now_ms())))
    engine = engine_on(store_dir, entries=100_000)
    several, caller = Several(engine), Caller()
    hot = request(7, 3)
    engine.check(hot, caller)
    fresh = itertools.cycle([request(number, 1) for number in range(CUSTOMERS)])
    without = engine_on(store_dir, entries=0)
    repeated = itertools.cycle([request(number, 1) for number in range(100)])
    for _ in range(CUSTOMERS):
        without.check(next(fresh), caller)
    shelf = engine.shelves[world.PRODUCT]
    question = decode_check(hot, world.PRODUCT, now_ms(), engine.shelves)
    batch = check_service_pb2.BatchCheckRequest(
        items=[check_service_pb2.CheckRequest.FromString(request(number, number % 20)) for number in range(100)]
    ).SerializeToString()
    listing = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000007").SerializeToString()
    gc.collect()
    gc.freeze()
    with shelf.reader.view() as view:
        records = StoreRecords(view, shelf.decoded, complete=True)
        now = Millis(now_ms())
        decision = decide(question.query, records, now)
        figures = {
            "parse a request": cost_us(lambda: decode_check(hot, world.PRODUCT, now, engine.shelves), 20_000),
            "decide on decoded records": cost_us(lambda: decide(question.query, records, now), 20_000),
            "encode a body": cost_us(lambda: encode_decision(decision, 1), 20_000),
        }
    figures["encode a tail"] = cost_us(
        lambda: encode_tail(1, 1_790_000_000, 77, 432, now + 4321, "00000000-abc"), 20_000
    )
    figures["Check, decision-cache hit, bytes to bytes"] = cost_us(lambda: engine.check(hot, caller), 50_000)
    figures["Check, miss, records decoded before"] = cost_us(lambda: without.check(next(repeated), caller), 5_000)
    figures["BatchCheck of 100, per answer"] = cost_us(lambda: several.batch(batch, caller), 50) / 100
    figures["ListEntitlements of 20, per answer"] = cost_us(lambda: several.list(listing, caller), 250) / world.FEATURES
    return figures


def engine_on(store_dir: Path, entries: int) -> Engine:
    """Return an engine with all its parts, as the serving process makes it."""
    return Engine(
        open_shelves((world.PRODUCT,), store_dir, 20_000, NONE),
        world.PRODUCT,
        SteadyClock(SystemClock()),
        DecisionCache(entries),
        Tally(Meters(metrics.SERVING)),
        lambda where, error: sys.exit(f"{where}: {error!r}"),
        boot_id=read_boot_id(),
        min_version_wait_ms=0,
    )


def main(argv: list[str]) -> int:
    """Print the table and write it."""
    argparse.ArgumentParser(prog="bench micro", description="What each step of an answer costs.").parse_args(argv)
    on = machine()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    for name, cost in figures.items():
        print(f"{name:<45} {cost:8.2f} us")
    print(f"written {write('micro', (__doc__ or '').strip(), figures, on)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
