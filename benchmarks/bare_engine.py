"""An engine without a transport, on a store written for it: what `micro` times and what `one_path` counts instructions of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from benchmarks import world
from entitlements.local.records import DecodedRecords
from entitlements.local.shelf import Shelf
from entitlements.local.steady_clock import SteadyClock
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.store.layout import feed_directory_name
from entitlements.store.reader import StoreReader
from entitlements.store.writer import StoreWriter
from entitlements.v1 import check_service_pb2
from sidecar import metrics
from sidecar.serving.cache import DecisionCache
from sidecar.serving.engine import Engine
from sidecar.serving.tally import Tally
from tests.support.signed_feed import SignedFeed

BOOT = "measured"
RECORDS = 20_000
"""Decoded records kept: more than any of these worlds has."""


class Caller:
    """A call without a deadline."""

    def time_remaining(self) -> float | None:
        """Return that there is none."""
        return None

    def is_active(self) -> bool:
        """Return that somebody waits."""
        return True


CALLER = Caller()


def write_store(store_dir: Path, customers: int, clock: Clock) -> SignedFeed:
    """Write the world with that many customers, confirmed by a heartbeat 400 ms ago, and return its feed."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(store_dir, dict(world.bodies(customers, clock.now_ms())), age_ms=None)
    with feed.writer(store_dir, BOOT) as writer:
        pulse(writer, clock, 400)
        writer.sync()
    return feed


def pulse(writer: StoreWriter, clock: Clock, age_ms: int = 0) -> None:
    """Record a heartbeat of that age."""
    now, mono = clock.now_ms() - age_ms, clock.monotonic_ms() - age_ms
    writer.pulse(now, now, mono)


def reader_of(store_dir: Path, seconds: Callable[[], float] = monotonic) -> StoreReader:
    """Return the reader of the world's store. LMDB opens a file once in a process, so engines over one store share it.

    `seconds` times the look for a file that was replaced.
    """
    return StoreReader(store_dir / feed_directory_name(world.PRODUCT), monotonic=seconds)


def engine_over(reader: StoreReader, entries: int, clock: Clock) -> Engine:
    """Return an engine with all its parts, as the serving process makes it."""
    return Engine(
        {world.PRODUCT: Shelf(world.PRODUCT, reader, DecodedRecords(RECORDS))},
        world.PRODUCT,
        SteadyClock(clock),
        DecisionCache(entries),
        Tally(Meters(metrics.SERVING)),
        lambda where, error: sys.exit(f"{where}: {error!r}"),
        boot_id=BOOT,
        min_version_wait_ms=0,
    )


def question(number: int, feature: int) -> check_service_pb2.CheckRequest:
    """Return one question."""
    return check_service_pb2.CheckRequest(customer_id=f"customer-{number:07d}", feature=f"feature-{feature:02d}")


def request(number: int, feature: int) -> bytes:
    """Return one serialized Check."""
    return question(number, feature).SerializeToString()


def batch_request(customers: Iterable[int]) -> bytes:
    """Return one serialized BatchCheck with a question for each customer number, over all features."""
    items = [question(number, number % world.FEATURES) for number in customers]
    return check_service_pb2.BatchCheckRequest(items=items).SerializeToString()


def list_request(number: int) -> bytes:
    """Return one serialized ListEntitlements."""
    return check_service_pb2.ListEntitlementsRequest(customer_id=f"customer-{number:07d}").SerializeToString()
