"""Metrics of one process: declared once with their help, kept in a registry of this process's own.

A declaration is data (`Metric`), so the reference page is made from it and a typo in a name cannot create a second family. `Meters` turns
declarations into prometheus-client collectors; callers bind label values once, at start, and keep the child.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S: Final = tuple(25e-6 * 2**step for step in range(16))
"""25 microseconds doubled fifteen times, up to 0.82 s: one scale for what takes microseconds and for what waits on a disk."""


class Kind(Enum):
    """Kinds of metrics that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declared metric; a counter's name ends in `_total`, a histogram's in its unit."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = LATENCY_BUCKETS_S


class Meters:
    """The collectors of one process. Asking for a metric that was not declared, or as another kind, is a KeyError."""

    def __init__(self, declared: Iterable[Metric]) -> None:
        """Make a registry with one collector for each declaration, and with the interpreter's and the process's own figures."""
        # A series with the time of birth beside each counter doubles the page and tells nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in declared:
            if metric.kind is Kind.COUNTER:
                self._counters[metric.name] = Counter(metric.name, metric.help, metric.labels, registry=self.registry)
            elif metric.kind is Kind.GAUGE:
                self._gauges[metric.name] = Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
            else:
                self._histograms[metric.name] = Histogram(
                    metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets
                )
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, metric: Metric, *labels: str) -> Counter:
        """Return the counter, or its child for these label values."""
        found = self._counters[metric.name]
        return found.labels(*labels) if labels else found

    def gauge(self, metric: Metric, *labels: str) -> Gauge:
        """Return the gauge, or its child for these label values."""
        found = self._gauges[metric.name]
        return found.labels(*labels) if labels else found

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """Return the histogram, or its child for these label values."""
        found = self._histograms[metric.name]
        return found.labels(*labels) if labels else found

    def exposition(self) -> bytes:
        """Return all values in Prometheus' text format 0.0.4."""
        return bytes(generate_latest(self.registry))

    def __repr__(self) -> str:
        """Show how many metrics of each kind there are."""
        return f"<Meters [{len(self._counters)} counters | {len(self._gauges)} gauges | {len(self._histograms)} histograms]>"


def reference_table(declared: Iterable[Metric]) -> str:
    """Return a Markdown table of metrics: name, kind, labels, help."""
    head = "| metric | kind | labels | what it says |\n|---|---|---|---|\n"
    rows = (
        f"| `{metric.name}` | {metric.kind.value} | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} | {metric.help} |"
        for metric in declared
    )
    return head + "\n".join(rows) + "\n"
