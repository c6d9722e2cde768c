"""Runs a plan: every step's scenario with the subjects and generators that this machine has, rows kept as they come, the page at the end.

A step that fails is named and the others go on. The result file is written anew after each step, so a run that is broken off keeps what it
measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from benchmarks.plan import EVERY, Step
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.spread import wrong_verdicts


class Participant(Protocol):
    """A subject or a generator, as far as the suite cares."""

    name: str

    def missing(self) -> str | None:
        """Return why it cannot take part here."""


def module_of(scenario: str) -> ModuleType | None:
    """Return the module of a scenario, None when this checkout has none of that name."""
    for name in (f"benchmarks.scenarios.{scenario}", f"benchmarks.{scenario}"):
        if importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
            return module if hasattr(module, "run") else None
    return None


def title_of(scenario: str) -> str:
    """Return what a scenario does, in its own words; empty when it is not here."""
    module = module_of(scenario)
    return str(getattr(module, "TITLE", "")) if module else ""


@dataclass(slots=True)
class Run:
    """One run of a plan in progress."""

    name: str
    subjects: Sequence[Any]
    generators: Sequence[Any]
    left_out: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    at: str = field(default_factory=commit)
    on: dict[str, Any] = field(default_factory=machine)

    def result(self) -> Result:
        """Return what was measured so far."""
        return Result(
            benchmark=self.name,
            date=self.date,
            commit=self.at,
            machine=self.on,
            rows=tuple(self.rows),
            versions=library_versions(),
            left_out=tuple(dict.fromkeys(self.left_out)),
            took_s=time.monotonic() - self.started,
        )

    def do(self, step: Step, find: Callable[[str], ModuleType | None] = module_of) -> None:
        """Run one step; whatever it raises is a line of the report, not the end of the run."""
        module = find(step.scenario)
        if module is None:
            self._leave_out(f"scenario {step.scenario}: not in this checkout")
            return
        began = time.monotonic()
        print(f"{step.scenario}: {getattr(module, 'TITLE', '')}", flush=True)
        try:
            chosen = [
                named(self.subjects, step.subjects, self._leave_out),
                named(self.generators, step.generators, self._leave_out),
            ]
            found = module.run(*chosen, step.rounds, step.seconds, **step.options)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one broken scenario must not cost the others their rows
            traceback.print_exc()
            self.failed.append(step.scenario)
            self._leave_out(
                f"scenario {step.scenario} failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
            return
        self.rows += found
        wrong = sum(wrong_verdicts(row) for row in found)
        print(f"  {len(found)} rows, {wrong} wrong verdicts, {time.monotonic() - began:.0f} s", flush=True)

    def _leave_out(self, line: str) -> None:
        if line not in self.left_out:
            print(f"  left out: {line}", flush=True)
            self.left_out.append(line)


def named(have: Sequence[Any], wanted: Sequence[str], leave_out: Callable[[str], None]) -> list[Any]:
    """Return the participants of these names (all when there are none) that can take part here; say why others do not.

    A wanted name that nobody here has is no mistake: scenarios bring participants of their own.
    """
    found = []
    for each in have:
        if wanted and each.name not in wanted:
            continue
        reason = each.missing()
        if reason is None:
            found.append(each)
        else:
            leave_out(f"{each.name}: {reason}")
    return found


def run_plan(name: str, steps: Iterable[Step], rounds: int | None = None) -> tuple[Result, Path, list[str]]:
    """Run the steps; return the result, its file, and the scenarios that failed."""
    from benchmarks.participants import generators, subjects  # noqa: PLC0415  finding them may install and compile

    left_out: list[str] = []
    steps = list(steps)
    alone = all(step.is_alone for step in steps)
    every = [] if alone else subjects(left_out, every=name in EVERY)
    run = Run(name, every, [] if alone else generators(), left_out=left_out)
    path = run.result().write()
    for step in steps:
        run.do(step if rounds is None else replace(step, rounds=rounds))
        path = run.result().write()
    return run.result(), path, run.failed
