"""How the story is told: claims that do not hold end it, numbers are kept, and masking leaves what a transcript promises."""

from __future__ import annotations

import json

import pytest

from demo.narration import Narrator, NotAsToldError, masked
from demo.pages import metric


def test_a_claim_that_does_not_hold_ends_the_step() -> None:
    """It is recorded with what was seen, and raised."""
    step = Narrator(quiet=True).begin("a step")
    step.claim("holds", held=True)
    assert step.as_json()["ok"]
    with pytest.raises(NotAsToldError, match="does not; seen: 7"):
        step.claim("does not", held=False, seen=7)
    assert not step.as_json()["ok"]
    assert step.as_json()["claims"][1] == {"text": "does not", "held": False, "seen": "7"}


def test_a_step_without_claims_is_not_ok() -> None:
    """Nothing claimed is nothing shown."""
    assert not Narrator(quiet=True).begin("silent").ok


def test_quiet_prints_only_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """For machines the narration is inside the document."""
    tell = Narrator(quiet=True)
    tell.begin("one").claim("true", held=True)
    tell.row("asked", "ALLOW")
    assert capsys.readouterr().out == ""
    tell.print_json()
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert [masked(line) for line in document["transcript"]] == ["", "# one", "asked ALLOW"]
    tell.print_json("it broke")
    assert not json.loads(capsys.readouterr().out)["ok"]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("  p50 0.31 ms,  max 1,024 ms", "p# # ms, max # ms"),
        ("ALLOW  ENTITLED by PLAN", "ALLOW ENTITLED by PLAN"),
        ("  boards-business@3 of acme", "boards-business@# of acme"),
    ],
)
def test_masking(line: str, expected: str) -> None:
    """Numbers and the width of columns differ from run to run, nothing else."""
    assert masked(line) == expected


def test_metric_sums_the_series_that_match() -> None:
    """Labels that are not named are summed over; an unknown metric is 0."""
    text = '# HELP x y\nx_total{product="a",reason="r"} 2\nx_total{product="b",reason="r"} 3\nx_total_other 9\ny 1.5\n'
    assert metric(text, "x_total") == 5
    assert metric(text, "x_total", product="b") == 3
    assert metric(text, "y") == 1.5
    assert metric(text, "z") == 0
