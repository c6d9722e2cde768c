"""Metrics are declared once; what was not declared does not exist."""

import pytest

from entitlements.runtime.metrics import Kind, Meters, Metric, reference_table

CALLS = Metric("sample_calls_total", Kind.COUNTER, "Calls by result.", ("result",))
AGE = Metric("sample_age_seconds", Kind.GAUGE, "Age.")
TOOK = Metric("sample_duration_seconds", Kind.HISTOGRAM, "Time taken.", buckets=(0.1, 1.0))


def test_declared_metrics_count_and_show_their_help() -> None:
    """A bound child counts into the process's own registry."""
    meters = Meters([CALLS, AGE, TOOK])
    meters.counter(CALLS, "ok").inc()
    meters.gauge(AGE).set(2.5)
    meters.histogram(TOOK).observe(0.5)
    lines = meters.exposition().decode().splitlines()
    for expected in (
        "# HELP sample_calls_total Calls by result.",
        'sample_calls_total{result="ok"} 1.0',
        "sample_age_seconds 2.5",
        'sample_duration_seconds_bucket{le="1.0"} 1.0',
    ):
        assert expected in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def test_two_processes_share_no_registry() -> None:
    """Declaring the same metrics twice in one interpreter is no clash."""
    first, second = Meters([CALLS]), Meters([CALLS])
    first.counter(CALLS, "ok").inc()
    assert b"sample_calls_total{" not in second.exposition()


def test_undeclared_or_otherwise_declared_metric_is_refused() -> None:
    """A typo cannot create a family."""
    meters = Meters([CALLS])
    with pytest.raises(KeyError):
        meters.gauge(AGE)
    with pytest.raises(KeyError):
        meters.gauge(CALLS)
    with pytest.raises(ValueError, match="Incorrect label count"):
        meters.counter(CALLS, "ok", "extra")


def test_reference_table_is_made_from_declarations() -> None:
    """Name, kind, labels and help, one row each."""
    assert "| `sample_calls_total` | counter | `result` | Calls by result. |" in reference_table([CALLS])
    assert "| `sample_age_seconds` | gauge | none | Age. |" in reference_table([AGE])
