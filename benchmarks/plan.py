"""What the suite does: which scenario, with whom, how long. The standard plan takes about five minutes on two quiet cores, the full one most of an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

ROUNDS: Final = 3
RPC: Final = ("sidecar-inline", "sidecar-stock", "grpc-aio", "grpc-threads", "cerbos", "redis", "ceiling-c")
CALLED: Final = ("sidecar-inline", "cerbos", "redis")
EMBEDDED: Final = ("dict", "local", "local-anew", "flipt", "launchdarkly", "flagd")
OTHERS: Final = ("cerbos", "cerbos-lean", "cerbos-unix", "cerbos-http", "redis", "valkey")
BESIDE: Final = ("sidecar-inline", "sidecar-stock", *OTHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One scenario of a plan.

    Attributes:
        scenario: Its module, in `benchmarks.scenarios` or `benchmarks`.
        seconds: Measured length of every single row.
        subjects: Names of those that take part; all when empty. Names that this machine lacks are left out with a line.
        generators: Likewise.
        rounds: Repetitions.
        options: What else its `run` is told.
        is_alone: Whether it brings whom it asks and who asks with it, so that nobody else is prepared for it.
    """

    scenario: str
    seconds: float
    subjects: Sequence[str] = ()
    generators: Sequence[str] = ()
    rounds: int = ROUNDS
    options: Mapping[str, Any] = field(default_factory=dict)
    is_alone: bool = False
    fast: Mapping[str, Any] = field(default_factory=dict)
    """Options of a hurried run, in place of those."""

    def hurried(self) -> Step:
        """Return the step in a tenth of its time and one round, to see that it works."""
        return replace(self, seconds=self.seconds / 10, rounds=1, options={**self.options, **self.fast})


STANDARD: Final[Sequence[Step]] = (
    Step(scenario="one_in_flight", seconds=1.2, subjects=RPC, generators=("c",)),
    Step(scenario="saturated", seconds=1.2, subjects=(*RPC, "inline-empty"), generators=("c",)),
    Step(scenario="open_loop", seconds=1.0, subjects=("sidecar-inline", "cerbos"), generators=("c",)),
    Step(scenario="sweep", seconds=0.5, subjects=("sidecar-inline", "cerbos"), generators=("c",)),
    Step(
        scenario="batch",
        seconds=0.8,
        subjects=("sidecar-inline", "cerbos"),
        generators=("c",),
        options={"sizes": (1, 20, 100)},
    ),
    Step(scenario="callers", seconds=0.8, subjects=CALLED, generators=("python", "python-stub", "redis-py", "node")),
    Step(scenario="in_process", is_alone=True, seconds=0.8, options={"engines": EMBEDDED}),
)

FULL: Final[Sequence[Step]] = (
    Step(scenario="one_in_flight", seconds=3.0),
    Step(scenario="saturated", seconds=3.0),
    Step(scenario="open_loop", seconds=3.0),
    Step(scenario="sweep", seconds=2.0, subjects=("sidecar-inline", "sidecar-stock", "cerbos", "grpc-threads")),
    Step(scenario="batch", seconds=1.5),
    Step(scenario="payload", seconds=2.0, subjects=("sidecar-inline", "sidecar-stock")),
    Step(
        scenario="endpoints", seconds=2.0, subjects=("sidecar-inline", "sidecar-inline-tls", "sidecar-stock", "redis")
    ),
    Step(scenario="callers", seconds=2.0, subjects=(*CALLED, "sidecar-stock", "grpc-aio")),
    Step(scenario="in_process", is_alone=True, seconds=2.0),
    Step(scenario="churn", is_alone=True, seconds=6.0, fast={"customers": 1_000}),
    Step(scenario="propagation", is_alone=True, seconds=10.0, fast={"sizes": (1, 3)}),
    Step(
        scenario="start",
        is_alone=True,
        seconds=0.0,
        rounds=3,
        options={"sizes": (10_000, 100_000, 1_000_000, 5_000_000)},
        fast={"sizes": (1_000,)},
    ),
    Step(scenario="scale", is_alone=True, seconds=3.0, fast={"customers": 1_000}),
)

PEERS: Final[Sequence[Step]] = (
    Step(scenario="one_in_flight", seconds=2.0, subjects=BESIDE, generators=("c",)),
    Step(scenario="saturated", seconds=2.0, subjects=BESIDE, generators=("c",)),
    Step(scenario="batch", seconds=1.0, subjects=BESIDE, generators=("c",), options={"sizes": (1, 20, 100)}),
    Step(scenario="callers", seconds=1.0, subjects=BESIDE),
    Step(scenario="in_process", is_alone=True, seconds=1.0),
)
"""Everybody else beside our sidecar, and nothing of ours alone."""

PLANS: Final[Mapping[str, Sequence[Step]]] = {"standard": STANDARD, "full": FULL, "peers": PEERS}
"""By name: what `bench` runs without one, everything, and the comparison alone."""

EVERY: Final = ("full", "peers")
"""Plans that also take the less usual settings of a subject."""


def step_named(name: str) -> Step | None:
    """Return the fullest step of a scenario; None when no plan has it."""
    return next((step for plan in (FULL, STANDARD) for step in plan if step.scenario == name), None)
