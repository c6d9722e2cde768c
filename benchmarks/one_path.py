"""One path of an answer, N times, without a clock in it: what an instruction counter measures.

    PYTHONHASHSEED=0 python -m benchmarks.one_path {hit|miss|batch|batch-miss|list|list-miss} N

Run it under callgrind with two different N: the difference divided by the difference of N is the number of instructions of one call, start-up
cancelled out. The world, the ids and both clocks are fixed, no garbage is collected, and the store is not looked for again.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.bare_engine import CALLER, batch_request, engine_over, list_request, reader_of, request, write_store
from entitlements.runtime.clock import ManualClock
from sidecar.serving.several import Several

NOW_MS: Final = 1_795_000_000_000
MONO_MS: Final = 10_000_000
CUSTOMERS: Final = 60
BATCH: Final = 20
WARM: Final = 130
"""Calls before the counted ones: every record decoded, every table filled, every question asked twice."""


def path(name: str, store_dir: Path) -> Callable[[], bytes]:
    """Return what makes one call of a path; KeyError for an unknown one."""
    clock = ManualClock(NOW_MS, MONO_MS)
    write_store(store_dir, CUSTOMERS, clock)
    # A cache of one answer is one that has always forgotten the question, and that pays for remembering and evicting.
    engine = engine_over(reader_of(store_dir, lambda: 0.0), 1 if name.endswith("miss") else 10_000, clock)
    several = Several(engine)
    every = range(CUSTOMERS)
    batches = [batch_request(every[start : start + BATCH]) for start in range(0, CUSTOMERS, BATCH)]
    check, batch, many = engine.check, several.batch, several.list
    turn: dict[str, tuple[Callable[..., bytes], list[bytes]]] = {
        "hit": (check, [request(number, number % 20) for number in every]),
        "miss": (check, [request(number, number % 20) for number in every]),
        "batch": (batch, batches),
        "batch-miss": (batch, batches),
        "list": (many, [list_request(number) for number in every]),
        "list-miss": (many, [list_request(number) for number in every]),
    }
    answer, requests = turn[name]
    next_request = itertools.cycle(requests).__next__
    return lambda: answer(next_request(), CALLER)


def main(argv: list[str]) -> int:
    """Make N calls of one path; the number of bytes answered is printed, so that two runs can be seen to have done the same."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        print("one_path counts instructions, which depend on the hash seed: set PYTHONHASHSEED=0", file=sys.stderr)
        return 2
    if len(argv) != 2 or not argv[1].isdecimal():
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    name, times = argv[0], int(argv[1])
    with tempfile.TemporaryDirectory() as folder:
        try:
            call = path(name, Path(folder))
        except KeyError:
            print(f"there is no path {name}", file=sys.stderr)
            return 2
        for _ in range(WARM):
            call()
        gc.collect()
        gc.freeze()
        gc.disable()
        answered = sum(len(call()) for _ in range(times))
    print(f"{name}: {times} calls, {answered} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
