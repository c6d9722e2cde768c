"""Counts the instructions of one call of each path of `benchmarks.one_path`, with valgrind's cachegrind.

One interpreter starts under valgrind and imports everything; then each measurement is a fork of it, which makes its own store and its own engine
and N calls. Forks count their parent's instructions too, so the difference of two Ns is left with the calls alone. Cachegrind with its cache
model off is the quickest of valgrind's counters here: a whole set takes less than half a minute.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TIMES: Final[Mapping[str, tuple[int, int]]] = {
    "hit": (20, 220),
    "miss": (20, 120),
    "batch": (3, 15),
    "batch-miss": (3, 15),
    "list": (3, 23),
}
"""Path -> the two numbers of calls; both a multiple of nothing in particular, as the difference is what counts."""
REFERENCES: Final = re.compile(r"I\s+refs:\s+([\d,]+)")
LINE: Final = re.compile(r"^counted (\d+) (\S+) (\d+)$", re.MULTILINE)


class CountFailedError(Exception):
    """Valgrind or the path under it ended badly; the message holds what was printed."""


def instructions(paths: Sequence[str] = tuple(TIMES)) -> dict[str, int]:
    """Return instructions per call by path. Two runs of valgrind share the paths, because most machines have two processors."""
    halves = [half for half in (paths[::2], paths[1::2]) if half]
    with ThreadPoolExecutor(len(halves)) as pool:
        found = {name: count for half in pool.map(_run, halves) for name, count in half.items()}
    return {name: found[name] for name in paths}


def _run(paths: Sequence[str]) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        command += [f"--log-file={folder}/%p.log", sys.executable, "-m", "benchmarks.counted", *paths]
        # A hash seed of its own and no byte code to write: nothing else may differ from run to run.
        environ = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CountFailedError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        logs = {int(path.stem): path.read_text(encoding="utf-8") for path in Path(folder).glob("*.log")}
    return per_call(done.stdout, logs)


def per_call(printed: str, logs: Mapping[int, str]) -> dict[str, int]:
    """Return instructions per call from what the forks printed and from valgrind's log of each; CountFailedError when one is missing."""
    totals: dict[str, dict[int, int]] = {}
    for process, name, times in LINE.findall(printed):
        match = REFERENCES.search(logs.get(int(process), ""))
        if match is None:
            raise CountFailedError(f"valgrind left no count for process {process} ({name}, {times} calls)")
        totals.setdefault(name, {})[int(times)] = int(match.group(1).replace(",", ""))
    counts = {}
    for name, by_times in totals.items():
        fewer, more = min(by_times), max(by_times)
        if fewer == more:
            raise CountFailedError(f"{name} was counted with one number of calls only")
        counts[name] = round((by_times[more] - by_times[fewer]) / (more - fewer))
    return counts


def main(paths: Sequence[str]) -> int:
    """Fork once for each path and number of calls; under valgrind each fork leaves its own count."""
    from benchmarks import one_path  # noqa: PLC0415  the counting side has no use for the engine

    for name in paths:
        for times in TIMES[name]:
            sys.stdout.flush()
            process = os.fork()
            if process == 0:
                code = one_path.main([name, str(times)])
                sys.stdout.flush()
                os._exit(code)
            _, status = os.waitpid(process, 0)
            if status:
                return 1
            print(f"counted {process} {name} {times}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
