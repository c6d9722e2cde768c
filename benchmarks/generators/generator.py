"""The protocol of whatever asks: the C client, h2load, a Python or a Node caller. All take the same questions and bring the same outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question
from benchmarks.subjects.subject import Endpoint

REACHED: Final = 0.98
"""An open loop that asked less than this share of its rate was held up."""

LATE_US: Final = 100.0
LATE_SHARE: Final = 0.25
"""A median lateness of the generator beyond both is worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How hard to ask. Without a `rate` the loop is closed: each of connections x streams asks again as soon as it has its answer.

    With a `rate` (calls per second over all connections) it is open: each question is due at an instant of its own whatever became of the
    earlier ones, streams are opened as needed, and latency counts from the due instant. `poisson` makes the instants random with the same mean.
    """

    connections: int = 1
    streams: int = 1
    rate: float | None = None
    poisson: bool = False
    seconds: float = 2.0
    warm_up_s: float = 0.5
    deadline_ms: int = 0
    """Deadline that each gRPC call carries; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a generator saw in the measured part; warm-up is in `all_calls` only."""

    seconds: float
    calls: int
    decisions: int
    all_calls: int
    """Calls answered including warm-up: what the server's processor time is divided by."""
    wrong: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    """Calls that failed, by gRPC status name, `HTTP_503`, `RESET`, `CONNECTION`, `UNANSWERED` ..."""
    latencies: Latencies = field(default_factory=Latencies)
    """From the due instant in open loops, else from sending."""
    from_sent: Latencies | None = None
    """From sending, in open loops."""
    asked_per_second: float = 0.0
    """Calls begun per second: in an open loop it must be near the rate, or the generator was the bottleneck."""
    first_wrong: str = ""
    connects: int = 0
    """How often a connection was opened; 0 when the generator does not say."""
    note: str = ""

    def held_up(self, load: Load) -> str:
        """Return in what way the generator, not the server, made an open loop late; empty when it kept up."""
        if load.rate is None:
            return ""
        wanted = load.rate * load.seconds
        chance = 3 * math.sqrt(wanted) if load.poisson else 0.0  # random instants are a few more or less than wanted
        if self.asked_per_second * load.seconds < REACHED * wanted - chance:
            return f"only {self.asked_per_second:,.0f}/s could be asked: the generator was the bottleneck"
        if self.from_sent is None or not self.from_sent.cells or not self.latencies.cells:
            return ""
        due, sent = self.latencies.summary_us()["p50"], self.from_sent.summary_us()["p50"]
        if due - sent > max(LATE_US, LATE_SHARE * due):
            return f"half of the calls waited {due - sent:,.0f} us and longer in the generator"
        return ""


class GeneratorFailed(Exception):  # noqa: N818 - names what happened
    """A generator could not run to its end; the message holds what it printed."""


class Generator(Protocol):
    """Something that asks."""

    name: str

    def missing(self) -> str | None:
        """Return why it cannot run here and what would change that, or None when it can."""

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return whether it speaks the endpoint's wire and can produce the load."""

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask and return what came of it; GeneratorFailed when nothing did."""
