"""Rows of an invented run, for tests of what is made of rows: plausible sizes, fixed by a seed, never shown to a reader."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks.generators.latencies import Latencies
from benchmarks.result import Result
from benchmarks.row import Row

ROUNDS = (1, 2, 3)
SATURATED: dict[tuple[str, str], tuple[float, float, float]] = {
    ("sidecar-inline", "unix"): (18_500, 52, 38),
    ("sidecar-stock", "unix"): (7_000, 140, 39),
    ("opa", "tcp"): (8_900, 99, 40),
    ("cerbos", "tcp"): (4_300, 204, 96),
    ("grpc-aio", "unix"): (3_300, 306, 37),
    ("redis", "unix"): (114_000, 5.7, 12),
    ("ceiling-c", "unix"): (617_000, 1.5, 2),
    ("inline-empty", "unix"): (22_000, 44, 33),
}
SINGLE: dict[tuple[str, str], tuple[float, float]] = {
    ("sidecar-inline", "unix"): (110, 210),
    ("sidecar-stock", "unix"): (240, 400),
    ("opa", "tcp"): (236, 725),
    ("cerbos", "tcp"): (315, 1_472),
    ("redis", "unix"): (59, 103),
    ("ceiling-c", "unix"): (74, 135),
}
EMBEDDED: dict[str, tuple[float, float]] = {
    "local": (3.4, 9),
    "flipt": (10, 26),
    "launchdarkly": (12, 24),
    "dict": (0.2, 0.3),
    "casbin": (44, 155),
}


def example_rows(seed: int = 1, factor: float = 1.0) -> list[Row]:
    """Return three rounds of every scenario that a page shows; `factor` makes everything slower or faster."""
    random = Random(seed)
    return [row for number in ROUNDS for row in one_round(number, random, factor)]


def one_round(number: int, random: Random, factor: float) -> Iterator[Row]:
    """Yield one round."""

    def row(scenario: str, subject: str, generator: str, endpoint: str, **values: Any) -> Row:
        noise = random.uniform(0.96, 1.04) * factor
        per_second, p50, p99 = values.pop("rate", 0) * noise, values.pop("p50", 0) / noise, values.pop("p99", 0) / noise
        latencies = Latencies.of(
            max(
                200,
                int(
                    random.gauss(p50, p50 / 20) * 1000
                    if random.random() < 0.96
                    else p99 * random.uniform(0.8, 1.6) * 1000
                ),
            )
            for _ in range(400)
        )
        calls = max(1, int(per_second * 2)) if per_second else 8_000
        batch = int(values.get("parameters", {}).get("batch", 1))
        return Row(
            scenario=scenario,
            subject=subject,
            generator=generator,
            endpoint=endpoint,
            round=number,
            spin_ms=42 / noise,
            other_load=random.uniform(0.0, 0.08),
            seconds=2.0,
            calls=calls,
            decisions=calls * batch,
            latency_us=latencies.summary_us() if p50 else {},
            histogram=latencies.encoded() if p50 else "",
            **values,
        )

    for (subject, endpoint), (rate, cpu, rss) in SATURATED.items():
        yield row("saturated", subject, "c", endpoint, rate=rate, server_cpu_us=cpu, rss_mib=rss, p50=600, p99=2000)
    for (subject, endpoint), (typical, slow) in SINGLE.items():
        yield row("one_in_flight", subject, "c", endpoint, p50=typical, p99=slow, rate=1e6 / typical)
        yield row("callers", subject, "python", endpoint, p50=typical + 150, p99=slow + 300, rate=1e6 / (typical + 150))
    for subject, typical in (("sidecar-inline", 130), ("cerbos", 420)):
        yield row(
            "open_loop", subject, "c", "unix", rate=2000, p50=typical, p99=typical * 3, parameters={"rate": 2000.0}
        )
    for subject, capacity in (("sidecar-inline", 18_000), ("opa", 8_900), ("cerbos", 4_300)):
        for offered in (500, 1000, 2000, 4000, 8000, 16_000):
            queue = 1 + (offered / capacity) ** 3
            kept = min(offered, capacity)
            yield row(
                "sweep",
                subject,
                "c",
                "unix",
                rate=kept / factor,
                p50=120 * queue,
                p99=400 * queue,
                parameters={"rate": offered},
            )
    for subject, per_decision in (("sidecar-inline", 7.0), ("cerbos", 21.0)):
        for size in (1, 10, 20, 50, 100):
            calls = 1e6 / (45 + per_decision * size)
            yield row("batch", subject, "c", "unix", rate=calls, p50=900, p99=2000, parameters={"batch": size})
    for subject, (typical, slow) in EMBEDDED.items():
        yield row("in_process", subject, "in-process", "in-process", p50=typical, p99=slow, rate=1e6 / typical)
    for beside, tail in (("deltas", 480), ("resync", 700), ("compaction", 430)):
        for kind, slowest in (("calm", 400), (beside, tail)):
            parameters = {"kind": kind, "beside": beside, "rate": 5000, "customers": 1000}
            yield row("churn", "sidecar-inline", "c", "unix", p50=150, p99=slowest, rate=5000, parameters=parameters)
    for several in (1, 2, 4):
        own = {"processes": several, "customers": 1000}
        yield row(
            "scale", "sidecar-inline", "c", "tcp", rate=18_000 * several, rss_mib=30 + 12 * several, parameters=own
        )
    for sidecars in (1, 10, 50):
        yield row(
            "propagation",
            "sidecar",
            "python",
            "unix",
            p50=7000 + 200 * sidecars,
            p99=14_000 + 900 * sidecars,
            parameters={"sidecars": sidecars, "until": "last"},
        )
    for customers in (10_000, 100_000, 1_000_000):
        for start in ("cold", "warm"):
            begun = {"customers": customers, "from": start}
            yield row(
                "start",
                "sidecar",
                "python",
                "unix",
                p50=300_000 + customers * 3,
                p99=400_000 + customers * 3,
                parameters=begun,
            )
        for part, held in (
            ("main process", 45 + customers / 9000),
            ("serving process", 33 + customers / 9000),
            ("store on disk", customers / 5000),
        ):
            yield row(
                "start",
                part,
                "python",
                "unix",
                rss_mib=held,
                parameters={"customers": customers, "from": "warm", "counted": "proportional"},
            )
    yield row("saturated", "wrong-one", "c", "unix", rate=1e6, wrong=3, errors={"UNAVAILABLE": 2})


def example_result(rows: list[Row] | None = None) -> Result:
    """Return those rows as a result."""
    machine = {"processor": "Example CPU", "cores": 2, "memory_gib": 8.0, "system": "Linux", "python": "3.11.7"}
    return Result(
        benchmark="suite",
        date="2026-01-02T03:04:05+00:00",
        commit="abc1234",
        machine=machine,
        rows=rows or example_rows(),
        versions={"grpcio": "1.85.0"},
        left_out=("spicedb: no library for this processor",),
        took_s=290,
    )
