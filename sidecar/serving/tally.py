"""What the serving process counts: plain numbers behind one lock, shown to Prometheus when it asks.

A client library's counter costs 0.3 us and its histogram 0.6 us each time; an answer from the decision cache needs two of the one and one of the
other, a quarter of all it may cost. Here one lock and four additions do. Figures off that path are ordinary counters.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from entitlements.policy.freshness import ServedFrom
from entitlements.policy.reasons import Code
from entitlements.runtime.metrics import LATENCY_BUCKETS_S, Meters, Metric
from sidecar import metrics

CHECK: Final = "Check"
BATCH: Final = "BatchCheck"
LIST: Final = "ListEntitlements"
METHODS: Final = (CHECK, BATCH, LIST)


class Durations:
    """How long calls of one method took: a histogram."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one call; the caller holds the tally's lock."""
        self.counts[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Count:
    """How many decisions carried one code from one tier."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Tally:
    """The counters of one serving process; a collector of its registry."""

    def __init__(self, meters: Meters) -> None:
        """Bind what is known, and join the registry."""
        self._gate = threading.Lock()
        self._answers: dict[tuple[Code, ServedFrom], Count] = {}
        self._took = {method: Durations() for method in METHODS}
        self._check_took = self._took[CHECK]
        self.waiting = 0
        """Calls that wait for a version at this moment."""
        self._hits = self._revalidated = self._misses = 0
        self._meters = meters
        self.waited_reached = meters.counter(metrics.VERSION_WAITS, "reached").inc
        self.waited_behind = meters.counter(metrics.VERSION_WAITS, "behind").inc
        meters.registry.register(self)

    def answers(self, code: Code, served_from: ServedFrom) -> Count:
        """Return what counts decisions with this code from this tier."""
        count = self._answers.get((code, served_from))
        if count is None:
            with self._gate:
                count = self._answers.setdefault((code, served_from), Count())
        return count

    @property
    def decisions(self) -> int:
        """Return how many decisions were given since the start."""
        with self._gate:
            return sum(count.number for count in self._answers.values())

    def recalled(self, answer: Count, seconds: float, *, revalidated: bool) -> None:
        """Count one check that was answered from the decision cache."""
        with self._gate:
            if revalidated:
                self._revalidated += 1
            else:
                self._hits += 1
            answer.number += 1
            self._check_took.add(seconds)

    def decided(self, answer: Count, seconds: float) -> None:
        """Count one check that the decision cache could not answer and that was decided at once."""
        with self._gate:
            self._misses += 1
            answer.number += 1
            self._check_took.add(seconds)

    def missed(self) -> None:
        """Count one check that the decision cache could not answer, and that has no answer yet."""
        with self._gate:
            self._misses += 1

    def together(
        self, method: str, answers: Iterable[Count], seconds: float | None, looked_up: tuple[int, int, int]
    ) -> None:
        """Count several questions of one call: their answers, and how many were hits, revalidated and misses in the decision cache.

        Without a duration, that is counted elsewhere or not at all: a call that waited says nothing of the engine.
        """
        with self._gate:
            for answer in answers:
                answer.number += 1
            self._hits += looked_up[0]
            self._revalidated += looked_up[1]
            self._misses += looked_up[2]
            if seconds is not None:
                self._took[method].add(seconds)

    def answered(self, answer: Count) -> None:
        """Count one decision."""
        with self._gate:
            answer.number += 1

    def wait_moved(self, by: int) -> None:
        """Count a call that begins (1) or ends (-1) to wait for a version."""
        with self._gate:
            self.waiting += by

    def refused(self, method: str, reason: str) -> None:
        """Count a request that was refused for its caller's mistake."""
        self._meters.counter(metrics.REFUSALS, method, reason).inc()

    def failed(self, method: str) -> None:
        """Count a failure of our own."""
        self._meters.counter(metrics.INTERNAL_ERRORS, method).inc()

    def corrupt(self, product: str) -> None:
        """Count a record that did not match its checksum."""
        self._meters.counter(metrics.CORRUPT_RECORDS, product).inc()

    def collect(self) -> Iterator[Any]:
        """Return the families of this tally (prometheus-client's protocol for collectors)."""
        with self._gate:
            answers = {key: count.number for key, count in self._answers.items()}
            looked_up = {"hit": self._hits, "revalidated": self._revalidated, "miss": self._misses}
            took = {method: (list(one.counts), one.total_s) for method, one in self._took.items()}
        checks = _counter(metrics.CHECKS)
        for (code, served_from), number in answers.items():
            checks.add_metric((code.name, served_from.name), number)
        cache = _counter(metrics.DECISION_CACHE)
        for result, number in looked_up.items():
            cache.add_metric((result,), number)
        durations = HistogramMetricFamily(
            metrics.CHECK_DURATION.name, metrics.CHECK_DURATION.help, labels=metrics.CHECK_DURATION.labels
        )
        for method, (counts, total_s) in took.items():
            durations.add_metric((method,), _cumulated(counts), total_s)
        yield from (checks, cache, durations)


def _counter(metric: Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    buckets, below = [], 0
    for bound, count in zip((*map(str, LATENCY_BUCKETS_S), "+Inf"), counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return buckets
