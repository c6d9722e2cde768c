"""One measurement: who was asked, by whom, how, and what came of it. Everything that benchmarks exchange is a list of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of one round.

    Attributes:
        scenario: What was done, such as `one_in_flight`, `saturated`, `open_loop`, `batch`.
        subject: Who answered, such as `sidecar-inline`, `sidecar-stock`, `cerbos`, `redis`.
        generator: Who asked: `c`, `h2load`, `python`, `node`, `in-process`.
        endpoint: `unix`, `tcp`, `tls` or `in-process`.
        parameters: What else makes this row different from another of the same scenario (rate, connections, streams, batch ...).
        round: 1, 2, 3 ...: rounds are interleaved over subjects, so rows of one round saw the same weather.
        spin_ms: How long a fixed computation took on the server's processor just before; a slow moment shows here.
        other_load: Share of both processors (0 to 2) that others used during the measurement, or None when unknown.
        seconds: Length of the measured part; warm-up excluded.
        calls: Calls answered in it.
        decisions: Verdicts in them: more than calls for batches.
        wrong: Answers whose verdict, or whose gRPC status, was not the expected one.
        errors: Calls that failed, by status name.
        latency_us: `min`, `p50`, `p90`, `p99`, `p999`, `max`, `mean` in microseconds; from the due time in open loops.
        histogram: The same latencies as an encoded HdrHistogram (V2, compressed, base64), in nanoseconds; empty when there is none.
        server_cpu_us: User and system time of the answering processes per call, microseconds; None when they are not processes of their own.
        rss_mib: Resident memory of the answering processes at the end, MiB; None likewise.
        note: What a reader must know to read it right.
    """

    scenario: str
    subject: str
    generator: str
    endpoint: str
    round: int
    spin_ms: float
    seconds: float
    calls: int
    decisions: int
    parameters: Mapping[str, int | float | str] = field(default_factory=dict)
    other_load: float | None = None
    wrong: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    latency_us: Mapping[str, float] = field(default_factory=dict)
    histogram: str = ""
    server_cpu_us: float | None = None
    rss_mib: float | None = None
    note: str = ""

    @property
    def per_second(self) -> float:
        """Return calls per second."""
        return self.calls / self.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {**asdict(self), "per_second": round(self.per_second, 1)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Row:
        """Return the row of plain values; KeyError or TypeError when they are not those of a row."""
        return cls(**{name: value for name, value in plain.items() if name != "per_second"})

    def key(self) -> tuple[str, ...]:
        """Return what rows of different rounds have in common: rows with one key are repetitions of each other."""
        parameters = ",".join(f"{name}={value}" for name, value in sorted(self.parameters.items()))
        return (self.scenario, self.subject, self.generator, self.endpoint, parameters)
