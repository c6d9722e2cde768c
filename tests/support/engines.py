"""An engine in this process, over a real store and a clock of the test's choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from entitlements.local.shelf import open_shelves
from entitlements.local.steady_clock import SteadyClock
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import ProductId
from entitlements.runtime.boot import read_boot_id
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.v1 import check_service_pb2
from sidecar import metrics
from sidecar.serving.cache import DecisionCache
from sidecar.serving.engine import Engine
from sidecar.serving.several import Several
from sidecar.serving.tally import Tally


@dataclass
class Caller:
    """A call as a handler sees it."""

    remaining_s: float | None = None
    active: bool = True

    def time_remaining(self) -> float | None:
        """Return seconds until the deadline."""
        return self.remaining_s

    def is_active(self) -> bool:
        """Return whether somebody waits."""
        return self.active


@dataclass
class Bench:
    """An engine with what a test looks at."""

    engine: Engine
    several: Several
    meters: Meters
    clock: SteadyClock
    failures: list[tuple[str, Exception]] = field(default_factory=list)

    def check(self, caller: Caller | None = None, **fields: Any) -> check_service_pb2.CheckResponse:
        """Ask one question."""
        request = check_service_pb2.CheckRequest(**fields).SerializeToString()
        return self.ask(request, caller)

    def ask(self, request: bytes, caller: Caller | None = None) -> check_service_pb2.CheckResponse:
        """Ask one question that is serialized already."""
        return check_service_pb2.CheckResponse.FromString(self.engine.check(request, caller or Caller()))

    def counted(self, name: str, **labels: str) -> float:
        """Return a sample's value, 0 when there is none."""
        for family in text_string_to_metric_families(self.meters.exposition().decode()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0


def make_bench(
    store_dir: Path,
    products: Iterable[str],
    clock: Clock,
    *,
    fallbacks: Mapping[str, Mapping[str, StaticFallback]] | None = None,
    entries: int = 1000,
    wait_ms: int = 2000,
    boot_id: str | None = None,
) -> Bench:
    """Return an engine with all its parts, as the serving process makes it."""
    served = tuple(ProductId(product) for product in products)
    meters = Meters(metrics.SERVING)
    steady = SteadyClock(clock)
    failures: list[tuple[str, Exception]] = []
    engine = Engine(
        open_shelves(served, store_dir, 1000, fallbacks or {}),
        served[0],
        steady,
        DecisionCache(entries),
        Tally(meters),
        lambda product, error: failures.append((product, error)),
        boot_id=read_boot_id() if boot_id is None else boot_id,
        min_version_wait_ms=wait_ms,
    )
    return Bench(engine, Several(engine), meters, steady, failures)
