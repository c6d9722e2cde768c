"""Latencies on their way from a generator's cells to a row and its histogram."""

import json

import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.generators.generator import GeneratorFailed
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.outcome_json import read_outcome
from benchmarks.row import Row


def test_percentiles_are_those_of_the_values() -> None:
    """A thousand values from 1 to 1000 microseconds."""
    summary = Latencies.of(range(1_000, 1_001_000, 1_000)).summary_us()
    assert summary["min"] == 1
    assert summary["max"] == 1000
    assert summary["mean"] == 500.5
    assert summary["p50"] == pytest.approx(500, rel=1e-3)
    assert summary["p99"] == pytest.approx(990, rel=1e-3)
    assert summary["p999"] == pytest.approx(999, rel=1e-3)


def test_the_encoded_histogram_holds_the_same_counts() -> None:
    """What a row keeps can be merged and read by any HdrHistogram."""
    latencies = Latencies(((1_000, 3), (70_000, 2), (9_000_000, 1)), 1_000, 9_000_500, 9_143_500)
    read = HdrHistogram.decode(latencies.encoded())
    assert read.get_total_count() == latencies.count == 6
    assert read.get_value_at_percentile(50) == pytest.approx(1_000, rel=1e-3)
    assert read.get_max_value() == pytest.approx(9_000_000, rel=1e-3)


def test_no_latency_is_no_figure() -> None:
    """Nothing is invented for a run without answers."""
    assert Latencies().summary_us() == {}
    assert not Latencies().encoded()


def test_an_absurd_latency_is_kept_at_the_edge() -> None:
    """A day is beyond the histogram's range; it counts as its greatest value."""
    assert Latencies.of([86_400_000_000_000]).histogram().get_total_count() == 1


def printed(**changed: object) -> str:
    """Return a generator's line."""
    none = {"least_ns": 0, "most_ns": 0, "sum_ns": 0, "cells": []}
    plain = {
        "seconds": 2.0,
        "calls": 10,
        "decisions": 20,
        "wrong": 1,
        "all_calls": 12,
        "asked": 14,
        "errors": {"GRPC_14": 2, "RESET": 0, "HTTP_503": 1},
        "first_wrong": "question 3 answered 1053",
        "due": none,
        "sent": {**none, "least_ns": 5, "most_ns": 5, "sum_ns": 50, "cells": [[5, 10]]},
    }
    return json.dumps({**plain, **changed})


def test_a_generators_line_becomes_an_outcome() -> None:
    """Statuses get their names, errors that did not happen are left out, a closed loop counts from sending."""
    outcome = read_outcome(printed(), is_open=False)
    assert outcome.errors == {"UNAVAILABLE": 2, "HTTP_503": 1}
    assert outcome.latencies.count == 10
    assert outcome.from_sent is None
    assert outcome.asked_per_second == 7


@pytest.mark.parametrize("line", ["", "{}", "Segmentation fault"])
def test_anything_else_is_a_failure(line: str) -> None:
    """A generator that broke is not one that saw nothing."""
    with pytest.raises(GeneratorFailed):
        read_outcome(line, is_open=True)


def test_a_row_survives_its_file() -> None:
    """Rows are kept as JSON and read back for reports and comparisons."""
    row = Row(
        scenario="open_loop", subject="s", generator="c", endpoint="unix", round=1, spin_ms=10.0, seconds=2.0, calls=10,
        decisions=10, parameters={"rate": 5.0}, errors={"UNAVAILABLE": 1}, latency_us={"p50": 1.5}, histogram="HISTF",
    )  # fmt: skip
    assert Row.from_json(json.loads(json.dumps(row.as_json()))) == row
