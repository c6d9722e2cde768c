"""The table of what one answer costs: every path and step has its figure, and the document gets it in its place."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from benchmarks import micro
from benchmarks.one_path import main as one_path
from benchmarks.row import Row


def row(path: str, step: str, mean: float) -> Row:
    """Return one round of one step."""
    return Row(
        scenario="micro",
        subject="engine",
        generator="in-process",
        endpoint="in-process",
        parameters={"path": path, "step": step},
        round=1,
        spin_ms=40.0,
        seconds=1.0,
        calls=1,
        decisions=1,
        latency_us={"mean": mean},
    )


def test_the_table_has_medians_with_their_spread() -> None:
    """Three rounds of one step, and a dash for what is not measured."""
    made = micro.table([row("hit", "whole", mean) for mean in (3.0, 9.0, 4.0)])
    assert made.splitlines()[2] == "| Check, remembered | - | - | - | - | - | - | 4.0 (3.0-9.0) |"


def test_the_document_keeps_all_but_the_table(tmp_path: Path) -> None:
    """Text around the place stays; a document without the place is refused with a remedy."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- micro -->\nold\n<!-- /micro -->\nafter\n", encoding="utf-8")
    micro.publish("new\n", page)
    assert page.read_text(encoding="utf-8") == "before\n<!-- micro -->\nnew\n<!-- /micro -->\nafter\n"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="markers"):
        micro.publish("new\n", page)


def test_every_step_can_be_taken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of everything gives every path of the table a figure for its whole."""
    monkeypatch.setattr(micro, "measure", lambda step, number: (step.call(), row(step.path, step.name, number))[1])
    assert micro.main(["--rounds", "1", "--markdown"]) == 0
    table = capsys.readouterr().out
    for title in micro.PATHS.values():
        line = next(line for line in table.splitlines() if line.startswith(f"| {title} |"))
        assert line.endswith(" 1.0 (1.0-1.0) |")


@pytest.mark.parametrize("name", ["hit", "miss", "batch", "batch-miss", "list", "list-miss"])
def test_paths_answer_the_same_each_time(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is counted can be repeated: two runs answer the same number of bytes."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    try:
        codes = [one_path([name, "7"]), one_path([name, "7"])]
    finally:  # it stops the collector, as a process of its own may
        gc.enable()
        gc.unfreeze()
    assert codes == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert "7 calls" in first
