"""The targets of the fastest answer in the field, as ratios inside one round, judged by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.report.labels import OURS, is_ours, label
from benchmarks.report.scale import digits
from benchmarks.row import Row
from benchmarks.spread import (
    Chosen,
    Figure,
    Repeated,
    Spread,
    decisions_per_second,
    latency,
    per_second,
    ratio,
    server_cpu,
)

CERBOS: Final = ("cerbos", "cerbos-unix", "cerbos-http", "cerbos-lean", "cerbos-lean-unix")
OPA: Final = ("opa",)
OPA_ALONE: Final = "against OPA"
ENGINES: Final = (*OPA, *CERBOS)
EMBEDDED: Final = (
    "flipt",
    "launchdarkly",
    "flagd",
    "cedar",
    "unleash",
    "opa-engine",
    "growthbook",
    "casbin",
    "spicedb",
)
LOCAL: Final = ("local",)
"""Local mode of the client, with its memory of answers as it is by default."""
ANEW: Final = ("local-anew",)
"""The same when no answer is remembered."""
PYTHON: Final = ("python", "python-stub", "redis-py")
CALM: Final = "calm"
"""The kind of churn that is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what was asked, what was measured, whether it is met (None: not measured)."""

    target: str
    bound: str
    measured: Spread | None
    is_met: bool | None
    against: str = ""

    @property
    def words(self) -> str:
        """Return the measured ratio with the least and the greatest of the rounds."""
        if self.measured is None:
            return "not measured"
        spread = self.measured
        return f"{fixed(spread.median)} ({fixed(spread.least)} to {fixed(spread.greatest)})"

    @property
    def answer(self) -> str:
        """Return `yes`, `no` or `-`."""
        return {True: "yes", False: "no", None: "-"}[self.is_met]


def fixed(value: float) -> str:
    """Return a ratio with two digits behind the point, so that 1.998 is not read as 2."""
    return f"{value:.2f}" if value < 99.5 else digits(value)


def judge(
    target: str, bound: float, measured: Spread | None, against: str, *, at_least: bool, unit: str = "x"
) -> Verdict:
    """Return the verdict on a bound; the median of the rounds decides."""
    words = f"{'≥' if at_least else '≤'} {digits(bound)}{unit}"
    if measured is None:
        return Verdict(target, words, None, None, against)
    met = measured.median >= bound if at_least else measured.median <= bound
    return Verdict(target, words, measured, met, against)


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A target of the form: ours over the best of some subjects, in one scenario and one figure."""

    target: str
    scenario: str
    figure: Figure
    bound: float
    subjects: tuple[str, ...]
    higher: bool
    endpoints: tuple[str, ...] = ()

    def __call__(self, rows: Sequence[Row]) -> Verdict:
        """Judge."""
        ours = Chosen(scenario=self.scenario, subjects=(OURS,), generators=("c",), endpoints=("unix",))
        theirs = Chosen(scenario=self.scenario, subjects=self.subjects, generators=("c",), endpoints=self.endpoints)
        over = ours.best(rows, self.figure, higher=self.higher)
        under = theirs.best(rows, self.figure, higher=self.higher)
        measured = ratio(over, under, self.figure) if over and under else None
        return judge(self.target, self.bound, measured, named(under), at_least=self.higher)


def named(measured: Repeated | None) -> str:
    """Return the subject of a measurement for a reader."""
    return f"{label(measured.first.subject).title}, {measured.first.endpoint}" if measured else ""


def engine_share(rows: Sequence[Row]) -> Verdict:
    """Judge what our work adds to the transport with an empty handler: processor time per call at saturation."""
    full = Chosen(scenario="saturated", subjects=(OURS,), generators=("c",), endpoints=("unix",))
    bare = Chosen(scenario="saturated", subjects=("inline-empty",), generators=("c",), endpoints=("unix",))
    over, under = full.best(rows, server_cpu, higher=False), bare.best(rows, server_cpu, higher=False)
    found = ratio(over, under, server_cpu) if over and under else None
    share = Spread(found.median - 1, found.least - 1, found.greatest - 1, found.rounds) if found else None
    return judge(
        "Engine over the empty inline transport, CPU per call", 0.30, share, named(under), at_least=False, unit=""
    )


def batch(rows: Sequence[Row], subjects: tuple[str, ...], size: int | None, what: str, bound: float) -> Verdict:
    """Judge the decisions per second of a batch of 100 against single checks, however they are quickest (size None), or others' batches."""
    ours = Chosen(scenario="batch", subjects=(OURS,), parameters={"batch": 100})
    over = ours.best(rows, decisions_per_second, higher=True)
    theirs = [Chosen(scenario="batch", subjects=subjects, parameters={"batch": size or 1})]
    theirs += [] if size else [Chosen(scenario="saturated", subjects=subjects, generators=("c",))]
    found = [
        (spread.median, each)
        for one in theirs
        if (each := one.best(rows, decisions_per_second, higher=True)) and (spread := each.spread(decisions_per_second))
    ]
    under = max(found, key=lambda pair: pair[0])[1] if found else None
    measured = ratio(over, under, decisions_per_second) if over and under else None
    return judge(what, bound, measured, named(under), at_least=True)


def local_against_rpc(rows: Sequence[Row]) -> Verdict:
    """Judge local mode against the quickest answer over a socket that a Python caller gets from anybody else."""
    own = Chosen(scenario="in_process", subjects=LOCAL).best(rows, latency("p50"), higher=False)
    others = tuple({row.subject for row in rows if not is_ours(row.subject) and label(row.subject).kind != "limit"})
    asked = Chosen(scenario="callers", subjects=others, generators=PYTHON)
    best = asked.best(rows, latency("p50"), higher=False) if others else None
    found = ratio(best, own, latency("p50")) if own and best else None
    return judge(
        "Local mode, p50 against any RPC peer from Python", 20, found, named(best), at_least=True, unit="x faster"
    )


def local_against_libraries(rows: Sequence[Row]) -> Verdict:
    """Judge local mode against the quickest library that a Python application can embed."""
    own = Chosen(scenario="in_process", subjects=LOCAL).best(rows, latency("p50"), higher=False)
    best = Chosen(scenario="in_process", subjects=EMBEDDED).best(rows, latency("p50"), higher=False)
    found = ratio(best, own, latency("p50")) if own and best else None
    return judge(
        "Local mode, p50 against every embedded library", 1, found, named(best), at_least=True, unit="x faster"
    )


DISTURBANCES: Final = {
    "deltas": "1,000 changes a second",
    "resync": "a new set of all customers",
    "scrape": "/metrics and /statusz each second",
    "logs": "a log that nobody reads",
    "compaction": "the store is compacted",
}


def disturbances(rows: Sequence[Row]) -> list[tuple[str, object, Spread | None]]:
    """Return each disturbance in words, the number of customers, and its p99 over that of the calm rows beside it."""
    chosen = Chosen(scenario="churn").among(rows)
    calm = {each.first.parameters.get("beside"): each for each in chosen if each.first.parameters["kind"] == CALM}
    return [
        (
            DISTURBANCES.get(kind, kind),
            each.first.parameters.get("customers"),
            ratio(each, calm[kind], latency("p99")) if kind in calm else None,
        )
        for each in chosen
        if (kind := str(each.first.parameters["kind"])) != CALM
    ]


def local_alone(rows: Sequence[Row]) -> list[Verdict]:
    """Judge local mode by itself: a remembered answer, and one that is decided anew."""
    found = []
    for subjects, words, bound in ((LOCAL, "answer remembered", 5.0), (ANEW, "decided anew", 12.0)):
        own = Chosen(scenario="in_process", subjects=subjects).best(rows, latency("p50"), higher=False)
        measured = own.spread(latency("p50")) if own else None
        found.append(judge(f"Local mode, p50, {words}", bound, measured, "", at_least=False, unit=" µs"))
    return found


def calm_under_churn(rows: Sequence[Row]) -> list[Verdict]:
    """Judge the p99 under each disturbance against the calm one beside it; one line without a figure when none was measured."""
    found = [(words, measured) for words, _, measured in disturbances(rows)] or [
        ("changes, a new set, compaction", None)
    ]
    return [
        judge(f"p99 at 5,000 checks/s, open loop, over calm: {words}", 1.5, measured, "", at_least=False)
        for words, measured in found
    ]


TARGETS: Final[Sequence[Callable[[Sequence[Row]], Verdict]]] = (
    Against(
        target="Saturated checks per second, against OPA",
        scenario="saturated",
        figure=per_second,
        bound=2,
        subjects=OPA,
        higher=True,
    ),
    Against(
        target="Saturated checks per second, against Cerbos",
        scenario="saturated",
        figure=per_second,
        bound=4,
        subjects=CERBOS,
        higher=True,
    ),
    Against(
        target="Saturated checks per second, against grpc.aio",
        scenario="saturated",
        figure=per_second,
        bound=5,
        subjects=("grpc-aio",),
        higher=True,
        endpoints=("unix",),
    ),
    Against(
        target="One in flight, p50 against the best policy engine",
        scenario="one_in_flight",
        figure=latency("p50"),
        bound=0.6,
        subjects=ENGINES,
        higher=False,
    ),
    Against(
        target="One in flight, p99 against the best policy engine",
        scenario="one_in_flight",
        figure=latency("p99"),
        bound=0.5,
        subjects=ENGINES,
        higher=False,
    ),
    Against(
        target="One in flight, p50 against a constant answer in C",
        scenario="one_in_flight",
        figure=latency("p50"),
        bound=2,
        subjects=("ceiling-c",),
        higher=False,
        endpoints=("unix",),
    ),
    engine_share,
    lambda rows: batch(rows, (OURS,), None, "Decisions per second, BatchCheck of 100 against single checks", 15),
    lambda rows: batch(rows, CERBOS, 20, "Decisions per second, BatchCheck of 100 against Cerbos with 20 a call", 2),
    local_against_rpc,
    local_against_libraries,
)


def verdicts(rows: Sequence[Row], left_out: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdict on every target, in the order in which they were set; why one could not be judged, where a left out subject says."""
    reasons = dict(line.split(": ", 1) for line in left_out if ": " in line)
    judged = [*(target(rows) for target in TARGETS), *local_alone(rows), *calm_under_churn(rows)]
    return [
        replace(each, against=reasons["opa"])
        if each.measured is None and OPA_ALONE in each.target and "opa" in reasons
        else each
        for each in judged
    ]
