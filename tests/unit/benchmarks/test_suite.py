"""The suite: what it runs, that one broken scenario costs only itself, and what the command line makes of names."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks import __main__ as console
from benchmarks.plan import FULL, PLANS, STANDARD, Step, step_named
from benchmarks.report.terminal import summary
from benchmarks.result import ROOT, Result
from benchmarks.row import Row
from benchmarks.suite import Run, module_of, named
from tests.support.benchmark_rows import example_result, example_rows


def participant(name: str, reason: str | None = None) -> Any:
    """Return one that can take part unless there is a reason."""
    return SimpleNamespace(name=name, missing=lambda: reason)


def run_of(*subjects: Any) -> Run:
    """Return a run that has measured nothing."""
    return Run("test", subjects, [participant("c")], at="abc", on={})


def scenario(found: Sequence[Row]) -> Any:
    """Return a scenario that measures nothing and brings rows, and remembers whom it was given."""
    seen: list[Any] = []

    def run(
        subjects: Sequence[Any], generators: Sequence[Any], rounds: int, seconds: float, **options: Any
    ) -> list[Row]:
        seen.append(([each.name for each in subjects], [each.name for each in generators], rounds, seconds, options))
        return list(found)

    return SimpleNamespace(TITLE="made up", run=run, seen=seen)


def test_rows_of_all_steps_are_kept() -> None:
    """Each step gets the subjects and generators of its plan, its rounds, its time and its options."""
    rows = example_rows()[:4]
    made = scenario(rows)
    run = run_of(participant("a"), participant("b"))
    run.do(Step(scenario="x", seconds=2.0, subjects=("b",), options={"sizes": (1,)}), lambda _: cast("Any", made))
    run.do(Step(scenario="y", seconds=1.0, rounds=5), lambda _: cast("Any", made))
    assert run.rows == rows * 2
    assert made.seen == [(["b"], ["c"], 3, 2.0, {"sizes": (1,)}), (["a", "b"], ["c"], 5, 1.0, {})]


@pytest.mark.parametrize("error", [RuntimeError("broken\nwith a log"), SystemExit("gave up")])
def test_a_broken_scenario_costs_only_itself(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named in the result with the first line of its complaint, and the next step runs."""

    def fail(*_: object, **__: object) -> list[Row]:
        raise error

    run = run_of()
    run.do(Step(scenario="bad", seconds=1.0), lambda _: cast("Any", SimpleNamespace(TITLE="", run=fail)))
    rows = example_rows()[:1]
    run.do(Step(scenario="good", seconds=1.0), lambda _: cast("Any", scenario(rows)))
    assert run.failed == ["bad"]
    assert run.rows == rows
    (line,) = run.left_out
    assert "scenario bad failed" in line
    assert "with a log" not in line
    capsys.readouterr()


def test_who_is_missing_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A subject that cannot run here is left out of every step and listed once, with the reason."""
    run = run_of(participant("a"), participant("b", "b needs a compiler"))
    for _ in range(2):
        run.do(Step(scenario="x", seconds=1.0), lambda _: cast("Any", scenario([])))
    assert run.left_out == ["b: b needs a compiler"]
    assert capsys.readouterr().out.count("b needs a compiler") == 1


def test_a_scenario_that_is_not_there_is_left_out() -> None:
    """A plan may name what this checkout lacks; nothing is invented for it."""
    run = run_of()
    run.do(Step(scenario="unheard_of", seconds=1.0))
    assert run.rows == []
    assert run.left_out == ["scenario unheard_of: not in this checkout"]


def test_participants_are_chosen_by_name() -> None:
    """No names mean all of them."""
    have = [participant("a"), participant("b")]
    assert [each.name for each in named(have, (), pytest.fail)] == ["a", "b"]
    assert [each.name for each in named(have, ("b", "z"), pytest.fail)] == ["b"]


@pytest.mark.parametrize("step", FULL, ids=lambda step: step.scenario)
def test_every_scenario_of_the_full_plan_can_be_run(step: Step) -> None:
    """Each leads to a module with `run`, a title, and parameters that the step's options fit."""
    module = module_of(step.scenario)
    assert module is not None, f"{step.scenario} has no module with `run`"
    assert step.scenario == module.NAME
    assert module.TITLE
    names = module.run.__code__.co_varnames[: module.run.__code__.co_argcount + module.run.__code__.co_kwonlyargcount]
    assert {*step.options, *step.fast} <= set(names)


def test_the_standard_plan_is_about_five_minutes() -> None:
    """Its rows alone may take three minutes; starting and warming up subjects takes the rest."""
    measured = sum(step.seconds * step.rounds * max(1, len(step.subjects)) for step in STANDARD)
    assert measured < 180


def test_a_hurried_step_is_short_and_single() -> None:
    """`--fast` shows that everything works; options made for it replace the long ones."""
    step = Step(scenario="x", seconds=4.0, options={"sizes": (5_000_000,), "other": 1}, fast={"sizes": (10,)}).hurried()
    assert (step.seconds, step.rounds, step.options) == (0.4, 1, {"sizes": (10,), "other": 1})


def test_a_step_is_found_in_the_fullest_plan() -> None:
    """One scenario alone runs as in the full suite."""
    found = step_named("saturated")
    assert found is not None
    assert found in PLANS["full"]
    assert step_named("unheard_of") is None


def test_an_unknown_name_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the list, not a five-minute run."""
    assert console.main(["unheard_of"]) == 2
    told = capsys.readouterr().out
    assert "compare" in told
    assert "saturated" in told


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists and measures nothing."""
    assert console.main(["-h"]) == 0
    assert "usage" in capsys.readouterr().out


def test_a_run_ends_with_its_figures_for_a_terminal() -> None:
    """A line per measurement, faults in sight, the targets, and how quiet it was."""
    text = summary(example_result())
    assert "sidecar-inline unix from c" in text
    assert "WRONG 3, FAILED 6" in text
    assert "targets: " in text
    assert "a quiet run" in text


def test_a_result_file_is_named_by_date_and_commit(tmp_path: Path) -> None:
    """Rows stand one to a line, so that two files can be compared by eye, and the file is JSON."""
    result = replace(example_result(example_rows()[:3]), date="2026-11-25T01:02:03+00:00", commit="abc1234-dirty")
    path = result.write(tmp_path)
    assert path.name == "20261125T010203Z-abc1234-dirty.json"
    plain = json.loads(path.read_text(encoding="utf-8"))
    assert list(plain) == ["benchmark", "date", "commit", "machine", "versions", "left_out", "took_s", "rows"]
    assert len(path.read_text(encoding="utf-8").splitlines()) < 30
    assert len(Result.read(path).rows) == 3


def test_a_result_file_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    """It is published: a complaint that names the checkout is cut to what lies inside it."""
    result = replace(example_result(example_rows()[:1]), left_out=(f"x: {ROOT}/benchmarks is odd",))
    text = result.write(tmp_path).read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert "./benchmarks is odd" in text
