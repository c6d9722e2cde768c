"""What repeated measurements say: medians with their spread, ratios inside a round, and which measurements may be compared at all."""

from typing import Any

import pytest

from benchmarks.noise import Noise
from benchmarks.row import Row
from benchmarks.spread import Chosen, Spread, decisions_per_second, latency, per_second, ratio, repeated


def row(subject: str, number: int, calls: int = 1000, **values: Any) -> Row:
    """Return a row of one second."""
    settings: dict[str, Any] = {
        "scenario": "saturated",
        "generator": "c",
        "endpoint": "unix",
        "spin_ms": 40.0,
        "seconds": 1.0,
        "decisions": calls,
    }
    return Row(subject=subject, round=number, calls=calls, **{**settings, **values})


def test_a_spread_is_median_least_and_greatest() -> None:
    """Nothing is averaged: one slow round does not move the median."""
    assert Spread.of([3.0, 900.0, 2.0]) == Spread(3.0, 2.0, 900.0, 3)


def test_a_ratio_is_taken_inside_each_round_first() -> None:
    """When the whole machine is half as fast in a round, both halves of the ratio are: it stays what it was."""
    ours = repeated([row("ours", 1, 2000), row("ours", 2, 1000), row("ours", 3, 2200)])[0]
    theirs = repeated([row("theirs", 1, 1000), row("theirs", 2, 500), row("theirs", 3, 1000)])[0]
    assert ratio(ours, theirs, per_second) == Spread(2.0, 2.0, 2.2, 3)


def test_rounds_that_only_one_has_are_left_out_of_a_ratio() -> None:
    """A round without its counterpart saw other weather."""
    ours = repeated([row("ours", 1, 2000), row("ours", 2, 9000)])[0]
    theirs = repeated([row("theirs", 1, 1000), row("theirs", 3, 1)])[0]
    assert ratio(ours, theirs, per_second) == Spread(2.0, 2.0, 2.0, 1)
    assert ratio(ours, repeated([row("theirs", 4)])[0], per_second) is None


def test_rows_of_one_key_are_repetitions_and_others_are_not() -> None:
    """Another rate is another measurement, whatever else is the same."""
    rows = [
        row("a", 1, parameters={"rate": 1}),
        row("a", 2, parameters={"rate": 1}),
        row("a", 1, parameters={"rate": 2}),
    ]
    assert [len(each.rows) for each in repeated(rows)] == [2, 1]


def test_the_best_measurement_is_one_without_wrong_answers() -> None:
    """A server that answers fast and wrong is not fast."""
    rows = [row("liar", 1, 9000, wrong=1), row("slow", 1, 100), row("quick", 1, 200)]
    best = Chosen(scenario="saturated").best(rows, per_second, higher=True)
    assert best is not None
    assert best.first.subject == "quick"
    assert Chosen(scenario="saturated", subjects=("liar",)).best(rows, per_second, higher=True) is None


@pytest.mark.parametrize(
    "wrong, errors, verdicts, sound",
    [
        (0, {}, 0, True),
        (5, {}, 5, False),
        (5, {"RESOURCE_EXHAUSTED": 5}, 0, True),
        (500, {"RESOURCE_EXHAUSTED": 500}, 0, False),
        (3, {"UNANSWERED": 3}, 3, False),
        (0, {"UNANSWERED": 3}, 0, True),
    ],
    ids=["right", "wrong", "a few refused", "half refused", "wrong and unanswered", "unanswered"],
)
def test_a_refusal_is_no_wrong_verdict(wrong: int, errors: dict[str, int], verdicts: int, *, sound: bool) -> None:
    """A server that sheds load says nothing wrong; when it sheds more than a hundredth it is not compared either."""
    (each,) = repeated([row("a", 1, 1000, wrong=wrong, errors=errors)])
    assert (each.wrong, each.is_sound) == (verdicts, sound)


@pytest.mark.parametrize(
    "chosen, found",
    [
        (Chosen(scenario="saturated"), 2),
        (Chosen(scenario="other"), 0),
        (Chosen(scenario="saturated", subjects=("a",)), 1),
        (Chosen(scenario="saturated", generators=("python",)), 0),
        (Chosen(scenario="saturated", endpoints=("unix", "tcp")), 2),
        (Chosen(scenario="saturated", parameters={"batch": 20}), 1),
    ],
    ids=["all", "scenario", "subject", "generator", "endpoint", "parameter"],
)
def test_measurements_are_chosen_by_what_they_are(chosen: Chosen, found: int) -> None:
    """An empty field means any; parameters must be among the row's own."""
    rows = [row("a", 1), row("b", 1, parameters={"batch": 20, "customers": 1})]
    assert len(chosen.among(rows)) == found


def test_a_figure_that_no_row_has_is_absent() -> None:
    """Where nothing was measured there is no number."""
    each = repeated([row("a", 1), row("a", 2, latency_us={"p99": 7.0})])[0]
    assert each.spread(latency("p99")) == Spread(7.0, 7.0, 7.0, 1)
    assert each.spread(latency("p50")) is None
    assert decisions_per_second(row("a", 1, 10, decisions=200)) == 200.0


def test_an_uneven_machine_is_called_so() -> None:
    """A spin over a quarter above the median means that figures of that moment are off by as much."""
    even = Noise.of([row("a", number, spin_ms=40.0, other_load=0.02) for number in (1, 2, 3)])
    assert even.is_quiet
    assert "a quiet run" in even.sentence()
    uneven = Noise.of([*(row("a", number, spin_ms=40.0) for number in (1, 2, 3)), row("a", 4, spin_ms=77.0)])
    assert not uneven.is_quiet
    assert uneven.slow_rows == 1
    assert "trust the ratios" in uneven.sentence()


def test_a_busy_machine_is_called_so() -> None:
    """Others at work on a tenth of a processor: no quiet run."""
    noise = Noise.of([row("a", number, other_load=0.5) for number in (1, 2, 3)])
    assert not noise.is_quiet
    assert "50 % of one processor" in noise.sentence()
