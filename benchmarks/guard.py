"""Compares the instructions of one call with the checked-in budget: `python3 dev.py bench guard [--record]`.

Time says little on a shared machine; the number of instructions is the same to a few parts in a million, so a change that makes an answer dearer
shows on any machine. Valgrind counts them (`benchmarks.counted` says how): each path of `benchmarks.one_path` with two numbers of calls, the
difference over the difference, so start-up cancels out. The budget (benchmarks/budget.json) holds for one version of Python, of the processor's
architecture and of the libraries on the path; elsewhere, and without valgrind, the guard says why it has nothing to compare and is content.

    --record    count and write the budget anew: after an improvement, or for a dearer answer with the reason in the commit
    --force     count although the versions differ, and show the figures; the exit code is then about nothing else
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks import counted
from benchmarks.result import commit

BUDGET: Final = Path(__file__).with_name("budget.json")
LIBRARIES: Final = ("protobuf", "lmdb", "prometheus-client")
TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Budget:
    """Instructions per call by path, and what they were counted with."""

    instructions: Mapping[str, int]
    tolerance: float
    made_with: Mapping[str, str]
    date: str
    commit: str

    @classmethod
    def read(cls, path: Path = BUDGET) -> Budget:
        """Return the checked-in budget; KeyError or TypeError when the file is not one."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path = BUDGET) -> None:
        """Write it for review."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return what the count depends on beside this repository; `build` tells compilers and their options apart, not their folders."""
    built = " ".join([platform.python_compiler(), str(sysconfig.get_config_var("CONFIG_ARGS"))])
    build = hashlib.sha256(re.sub(r"'--prefix=[^']*'|/\S+", "", built).encode()).hexdigest()[:12]
    found = {"python": platform.python_version(), "build": build, "machine": platform.machine()}
    return found | {name: metadata.version(name) for name in LIBRARIES}


def reason_to_skip(budget: Budget, present: Mapping[str, str], valgrind: str | None) -> str:
    """Return why there is nothing to compare here, or an empty string."""
    if valgrind is None:
        return "valgrind is not installed"
    names = [*budget.made_with, *(name for name in present if name not in budget.made_with)]
    other = [
        f"{name} {present.get(name, 'absent')} instead of {budget.made_with.get(name, 'none')}"
        for name in names
        if present.get(name) != budget.made_with.get(name)
    ]
    return f"the budget was made with other versions: {', '.join(other)}" if other else ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One path: what was counted and what was allowed."""

    path: str
    instructions: int
    budget: int | None
    tolerance: float

    @property
    def share(self) -> float | None:
        """Return counted over budget."""
        return self.instructions / self.budget if self.budget else None

    @property
    def is_over(self) -> bool:
        """Tell whether the path became dearer than allowed."""
        return self.share is not None and self.share > 1 + self.tolerance

    @property
    def is_under(self) -> bool:
        """Tell whether it became cheaper by as much: the budget should follow, or the gain can be lost unseen."""
        return self.share is not None and self.share < 1 - self.tolerance

    def __str__(self) -> str:
        if self.share is None:
            return f"{self.path:<12} {self.instructions:>10,} instructions, without a budget: run with --record"
        word = "OVER BUDGET" if self.is_over else "cheaper: lower the budget with --record" if self.is_under else "ok"
        return f"{self.path:<12} {self.instructions:>10,} instructions, budget {self.budget:,}, {self.share - 1:+.1%}  {word}"


def findings(counts: Mapping[str, int], budget: Budget) -> list[Finding]:
    """Return one finding per counted path."""
    return [Finding(name, count, budget.instructions.get(name), budget.tolerance) for name, count in counts.items()]


def main(argv: Sequence[str]) -> int:
    """Count, compare, print; return 1 when a path is over its budget."""
    parser = argparse.ArgumentParser(prog="bench guard", description="Instructions per call against the budget.")
    parser.add_argument("--record", action="store_true", help="write the budget anew")
    parser.add_argument("--force", action="store_true", help="count although the versions differ")
    asked = parser.parse_args(argv)
    present, valgrind = versions(), shutil.which("valgrind")
    if asked.record and valgrind is None:
        print("guard: valgrind is not installed; on Debian: apt-get install valgrind", file=sys.stderr)
        return 2
    budget = Budget.read() if BUDGET.exists() else Budget({}, TOLERANCE, present, "", "")
    reason = reason_to_skip(budget, present, valgrind)
    if reason and not asked.record and (valgrind is None or not asked.force):
        print(f"skipped: {reason}")
        return 0
    counts = counted.instructions()
    if asked.record:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        Budget(counts, budget.tolerance, present, moment, commit()).write()
    found = findings(counts, budget)
    for each in found:
        print(each)
    print(f"written {BUDGET.name}" if asked.record else f"tolerance {budget.tolerance:.0%}")
    return 1 if any(each.is_over for each in found) and not asked.record and not reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
