"""Two results side by side: only what the rounds' own spread and the machine's speed cannot explain is called faster or slower."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.compare import LEAST_BAND, changes, main
from benchmarks.result import Result
from benchmarks.row import Row
from tests.support.benchmark_rows import example_result, example_rows


def saturated(calls: list[int], spin_ms: float = 40.0) -> list[Row]:
    """Return the rounds of one measurement of one second each."""
    return [
        Row(
            scenario="saturated", subject="sidecar-inline", generator="c", endpoint="unix", round=number,
            spin_ms=spin_ms, seconds=1.0, calls=count, decisions=count,
        )
        for number, count in enumerate(calls, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "before, after, word",
    [
        ([1000, 1000, 1000], [1200, 1200, 1200], "faster"),
        ([1000, 1000, 1000], [800, 800, 800], "slower"),
        ([1000, 1000, 1000], [1020, 1020, 1020], "same"),
        ([900, 1000, 1100], [1000, 1090, 1180], "same"),
        ([900, 1000, 1100], [1200, 1300, 1400], "faster"),
    ],
    ids=["clear gain", "clear loss", "below the least band", "within the spread", "beyond the spread"],
)
def test_a_difference_must_exceed_the_noise(before: list[int], after: list[int], word: str) -> None:
    """The band is what rounds of the same code differ by."""
    (change,) = changes(saturated(before), saturated(after), ["per_second"])
    assert change.word == word
    assert change.band >= LEAST_BAND


def test_a_slower_machine_widens_the_band() -> None:
    """When the fixed computation took half as long again, a third less throughput says nothing about the code."""
    slow_machine = saturated([700, 700, 700], spin_ms=60.0)
    (change,) = changes(saturated([1000, 1000, 1000]), slow_machine, ["per_second"])
    assert change.word == "same"


def test_a_single_round_proves_little() -> None:
    """One round knows no spread: a quarter is assumed."""
    (change,) = changes(saturated([1000]), saturated([1200]), ["per_second"])
    assert change.word == "same"


def test_less_is_better_for_latencies() -> None:
    """The ratio is speed: above 1 means better, also where the figure counts microseconds."""
    before = [replace(row, latency_us={"p99": 100.0}) for row in saturated([1, 1, 1])]
    after = [replace(row, latency_us={"p99": 50.0}) for row in saturated([1, 1, 1])]
    (change,) = changes(before, after, ["p99"])
    assert (change.ratio, change.word) == (2.0, "faster")


def written(folder: Path, result: Result) -> str:
    """Write a result to a folder of its own and return the path."""
    return str(result.write(folder))


def test_the_exit_code_fails_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A comparison informs; `--fail-on-slower` makes a gate of it."""
    fast = written(tmp_path / "a", example_result(saturated([1000, 1001, 1002])))
    slow = written(tmp_path / "b", example_result(saturated([500, 501, 502])))
    assert main([fast, slow, "--figure", "per_second"]) == 0
    assert main([fast, slow, "--figure", "per_second", "--fail-on-slower"]) == 1
    assert main([slow, fast, "--figure", "per_second", "--fail-on-slower"]) == 0
    assert "1 slower" in capsys.readouterr().out


def test_the_same_code_twice_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file beside itself has nothing faster and nothing slower."""
    path = written(tmp_path, example_result(example_rows()))
    assert main([path, path, "--all", "--fail-on-slower"]) == 0
    assert "0 faster  0 slower" in capsys.readouterr().out


def test_a_file_without_rows_is_refused_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of single benchmarks have no rows to compare."""
    other = tmp_path / "micro.json"
    other.write_text(json.dumps({"benchmark": "micro", "numbers": {}}), encoding="utf-8")
    assert main([str(other), str(other)]) == 2
    assert "dev.py bench" in capsys.readouterr().err


def test_a_written_result_reads_back(tmp_path: Path) -> None:
    """Nothing is lost between the run and the report."""
    result = example_result()
    assert Result.read(result.write(tmp_path)) == replace(result, left_out=list(result.left_out))
