"""The guard on instructions: what counts as dearer, when there is nothing to compare, and how counts are read."""

import pytest

from benchmarks.counted import CountFailedError, per_call
from benchmarks.guard import BUDGET, Budget, Finding, findings, reason_to_skip

MADE_WITH = {"python": "3.11.7", "machine": "x86_64", "lmdb": "3.0.0"}


def budget(**instructions: int) -> Budget:
    """Return a budget made with known versions."""
    return Budget(instructions, 0.05, MADE_WITH, "2026-01-01", "abc")


@pytest.mark.parametrize(
    "counted, over, under",
    [
        (10_000, False, False),
        (10_500, False, False),
        (10_501, True, False),
        (9_499, False, True),
        (9_500, False, False),
    ],
)
def test_a_path_is_over_its_budget_beyond_the_tolerance(counted: int, *, over: bool, under: bool) -> None:
    """Five per cent either way is noise of a compiler or an allocator; more is a change."""
    finding = Finding("hit", counted, 10_000, 0.05)
    assert (finding.is_over, finding.is_under) == (over, under)
    assert ("OVER BUDGET" in str(finding)) is over


def test_a_path_without_a_budget_is_named_and_not_judged() -> None:
    """A new path fails nobody until it has a budget."""
    (finding,) = findings({"new": 5}, budget(hit=3))
    assert not finding.is_over
    assert "without a budget" in str(finding)


@pytest.mark.parametrize(
    "present, valgrind, reason",
    [
        (MADE_WITH, "/usr/bin/valgrind", ""),
        (MADE_WITH, None, "valgrind is not installed"),
        ({**MADE_WITH, "python": "3.13.1"}, "/usr/bin/valgrind", "python 3.13.1 instead of 3.11.7"),
        ({"python": "3.11.7", "machine": "x86_64"}, "/usr/bin/valgrind", "lmdb absent instead of 3.0.0"),
        ({**MADE_WITH, "redis": "8"}, "/usr/bin/valgrind", "redis 8 instead of none"),
    ],
    ids=["same", "no valgrind", "other python", "a library is gone", "a library is new"],
)
def test_other_versions_have_no_budget(present: dict[str, str], valgrind: str | None, reason: str) -> None:
    """Instructions of another interpreter say nothing about a change here: the guard says so instead of failing."""
    found = reason_to_skip(budget(hit=1), present, valgrind)
    assert (reason in found) if reason else not found


LOG = "==12== Cachegrind\n==12==\n==12== I   refs:      {}\n"
PRINTED = "hit: 20 calls, 1 bytes\ncounted 11 hit 20\nhit: 120 calls, 2 bytes\ncounted 12 hit 120\n"


def test_start_up_cancels_out() -> None:
    """The difference of two runs over the difference of their calls is one call."""
    logs = {11: LOG.format("1,263,161,355"), 12: LOG.format("1,268,095,505")}
    assert per_call(PRINTED, logs) == {"hit": 49_342}


@pytest.mark.parametrize(
    "printed, logs",
    [
        (PRINTED, {11: LOG.format("1")}),
        (PRINTED, {11: LOG.format("1"), 12: "==12== killed"}),
        ("counted 11 hit 20\n", {11: LOG.format("1")}),
    ],
    ids=["no log", "no count in it", "one number of calls"],
)
def test_a_missing_count_is_an_error(printed: str, logs: dict[int, str]) -> None:
    """A count that valgrind did not give is never guessed."""
    with pytest.raises(CountFailedError):
        per_call(printed, logs)


def test_the_checked_in_budget_is_one() -> None:
    """The file that the guard reads has a positive number for each path and says what it was made with."""
    read = Budget.read(BUDGET)
    assert {"hit", "miss", "batch", "list"} <= set(read.instructions)
    assert min(read.instructions.values()) > 1000
    assert {"python", "build", "machine", "protobuf", "lmdb"} <= set(read.made_with)
    assert 0 < read.tolerance < 0.2
