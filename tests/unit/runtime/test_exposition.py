"""Pages of several processes become one that Prometheus accepts."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from entitlements.runtime.exposition import merge
from entitlements.runtime.metrics import Kind, Meters, Metric

CALLS = Metric("sample_calls_total", Kind.COUNTER, "Calls.", ("result",))
TOOK = Metric("sample_duration_seconds", Kind.HISTOGRAM, "Time.", buckets=(0.1, 1.0))
ALONE = Metric("sample_alone", Kind.GAUGE, "Only one has it.")


def test_each_family_appears_once_with_the_series_of_every_process() -> None:
    """HELP and TYPE once; a label tells where a series comes from; values are untouched."""
    one, two = Meters([CALLS, TOOK]), Meters([CALLS, TOOK, ALONE])
    one.counter(CALLS, 'quoted "text" {x}').inc(2)
    two.counter(CALLS, "ok").inc(3)
    two.histogram(TOOK).observe(0.5)
    page = merge({"serving": one.exposition(), "main": two.exposition()}).decode()
    types = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    families = {family.name: family for family in text_string_to_metric_families(page)}
    calls = {(s.labels["process"], s.labels["result"]): s.value for s in families["sample_calls"].samples}
    assert calls == {("serving", 'quoted "text" {x}'): 2.0, ("main", "ok"): 3.0}
    counts = {
        s.labels["process"]: s.value for s in families["sample_duration_seconds"].samples if s.name.endswith("_count")
    }
    assert counts == {"serving": 0.0, "main": 1.0}
    assert [s.labels for s in families["sample_alone"].samples] == [{"process": "main"}]


def test_one_page_alone_and_none_at_all() -> None:
    """A dead process is left out."""
    assert merge({}) == b""
    assert b'sample_alone{process="main"} 0.0' in merge({"main": Meters([ALONE]).exposition()})


def test_what_is_no_series_is_refused() -> None:
    """Half a page is no page."""
    with pytest.raises(ValueError, match="is no series"):
        merge({"main": b"# HELP a b\n# TYPE a gauge\n{broken\n"})
