"""What our serving process counts itself, read from its intercom: the second opinion on what a generator saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from sidecar import metrics
from sidecar.intercom import ask

PATIENCE_S: Final = 5.0


def samples(intercom: Path, name: str) -> Iterator[Sample]:
    """Return the samples of one metric; OSError when the process does not answer."""
    for family in text_string_to_metric_families(ask(intercom, "metrics", PATIENCE_S).decode()):
        yield from (sample for sample in family.samples if sample.name == name)


def decisions_by_code(intercom: Path) -> Counter[str]:
    """Return how many decisions were given so far, by reason code."""
    found: Counter[str] = Counter()
    for sample in samples(intercom, metrics.CHECKS.name):
        found[sample.labels["code"]] += int(sample.value)
    return found


def transport(intercom: Path) -> str:
    """Return the transport that carries the calls, whatever was asked for; empty when the process does not say."""
    used = (sample.labels["transport"] for sample in samples(intercom, metrics.TRANSPORT.name) if sample.value)
    return next(used, "")
