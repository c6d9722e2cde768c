"""Asks one in-process peer in a loop. Runs in the peers' environment, a process for each peer.

    python -m benchmarks.peers.in_process MODULE QUESTIONS LATENCIES SECONDS WARM_UP_SECONDS PROCESSOR

Prints one line of JSON (`Asked`) and leaves the nanoseconds of every call, as unsigned 64-bit numbers of this machine, in LATENCIES.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import cycle
from pathlib import Path

from benchmarks.peers.questionnaire import Ask, Questionnaire


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking.

    Attributes:
        calls: Calls in the measured part.
        seconds: Its length, the checking of verdicts included.
        wrong: Verdicts that were not the expected ones, of all 600 pairs before and of every measured call.
        rss_mib: Resident memory of the process before the measured part, interpreter and library included; 0 where nobody tells.
        versions: Distribution -> version.
        note: What a reader must know.
    """

    calls: int
    seconds: float
    wrong: int
    rss_mib: float
    versions: dict[str, str]
    note: str


def main(argv: list[str]) -> int:
    """Ask; return 1 when a verdict was wrong."""
    name, questions_path, latencies_path, seconds, warm_up, processor = argv
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(processor)})
    questions = Questionnaire.read(Path(questions_path))
    peer = importlib.import_module(name)
    with peer.opened(questions) as ask:
        wrong = sum(ask(customer, feature) is not allowed for customer, feature, allowed in questions.pairs)
        measure(ask, questions, float(warm_up))
        rss = resident_mib()
        gc.collect()
        gc.freeze()  # what was loaded belongs to the peer's start, not to a call
        latencies, took, missed = measure(ask, questions, float(seconds))
    Path(latencies_path).write_bytes(latencies.tobytes())
    versions = {each: metadata.version(each) for each in peer.DISTRIBUTIONS}
    print(json.dumps(asdict(Asked(len(latencies), took, wrong + missed, rss, versions, peer.NOTE))))
    return 1 if wrong + missed else 0


def resident_mib() -> float:
    """Return what this process holds in memory now. Not the greatest it ever held: that counts the parent it was forked from."""
    statistics = Path("/proc/self/statm")
    pages = int(statistics.read_text(encoding="ascii").split()[1]) if statistics.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def measure(ask: Ask, questions: Questionnaire, seconds: float) -> tuple[array[int], float, int]:
    """Ask around all pairs for some seconds; return the nanoseconds of each call, the seconds it took, and wrong verdicts."""
    latencies: array[int] = array("Q")
    wrong = 0
    clock = time.perf_counter_ns
    started = clock()
    end = started + int(seconds * 1e9)
    for customer, feature, allowed in cycle(questions.pairs):
        before = clock()
        answer = ask(customer, feature)
        after = clock()
        latencies.append(after - before)
        wrong += answer is not allowed
        if after >= end:
            break
    return latencies, (clock() - started) / 1e9, wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
