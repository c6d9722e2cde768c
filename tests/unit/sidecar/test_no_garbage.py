"""On the path of an answer nothing is left for the garbage collector: hits, misses, batches, refusals. So it may look seldom."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import world
from entitlements.runtime.clock import SystemClock
from entitlements.v1 import check_service_pb2
from sidecar.serving.api import build_surface
from sidecar.serving.transports.seam import Refused
from tests.support.engines import Bench, Caller, make_bench
from tests.support.signed_feed import SignedFeed, now_ms

CUSTOMERS = 300
ROUNDS = 5


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return an engine whose decision cache is smaller than the set, so that it evicts."""
    SignedFeed(world.PRODUCT).write(tmp_path, dict(world.bodies(CUSTOMERS, now_ms())))
    return make_bench(tmp_path, [world.PRODUCT], SystemClock(), entries=100)


@pytest.fixture
def collector_at_rest() -> Iterator[None]:
    """Keep the collector from running by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def single(number: int) -> bytes:
    """Return a good question."""
    feature = f"feature-{number % world.FEATURES:02d}"
    return check_service_pb2.CheckRequest(customer_id=f"customer-{number:07d}", feature=feature).SerializeToString()


def wrong(number: int) -> bytes:
    """Return a question that is refused, or bytes that are none."""
    request = check_service_pb2.CheckRequest(customer_id="", feature=f"feature-{number}")
    return b"\xff\xff" if number % 2 else request.SerializeToString()


@pytest.mark.usefixtures("collector_at_rest")
@pytest.mark.parametrize("question", [single, wrong])
def test_answers_leave_no_cycles(bench: Bench, question: Callable[[int], bytes]) -> None:
    """What was made is freed when it is dropped."""
    failed: list[str] = []
    asked = [question(number) for number in range(CUSTOMERS)]

    surface = build_surface(bench.engine, (), lambda path, error: failed.append(f"{path}: {error}"))
    check = surface.unary["/entitlements.v1.CheckService/Check"]

    def ask_all() -> None:
        for request in asked:
            with contextlib.suppress(Refused):
                check(request, Caller())

    ask_all()
    gc.collect()
    for _ in range(ROUNDS):
        ask_all()
    assert failed == []
    assert gc.collect() < CUSTOMERS / 10  # a handful may come from elsewhere; one for each call would be 1,500
