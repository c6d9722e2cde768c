"""Stepping back and giving way, and a collector that finds nothing to do."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from entitlements.runtime import courtesy
from entitlements.runtime.courtesy import AT_A_STRETCH, LONG_S, NICE, REST, Courtesy, Unhurried, give_way, idly
from entitlements.runtime.garbage import MIDDLE, OLD, YOUNG

STEPPING_BACK = """
import os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from entitlements.runtime.courtesy import step_back
NICENESS = [sys.executable, "-c", "import os; print(os.nice(0))"]
nursery = ThreadPoolExecutor(1)
nursery.submit(int).result()
step_back()
niceness = lambda: subprocess.run(NICENESS, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
print(os.nice(0), ThreadPoolExecutor(1).submit(os.nice, 0).result(), niceness(), nursery.submit(niceness).result())
"""
SETTLING = """
import gc
from entitlements.runtime.garbage import settle
settle()
print(gc.get_threshold(), gc.get_freeze_count() > 1000)
"""


def run(program: str) -> str:
    """Run a program and return what it prints."""
    return subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_threads_and_children_step_back_but_for_those_of_an_earlier_thread() -> None:
    """What the thread starts afterwards is as low as it is; a thread from before starts normal processes."""
    present = os.nice(0)
    wanted = max(present, NICE)
    assert run(STEPPING_BACK) == f"{wanted} {wanted} {wanted} {present}"


def test_giving_way_costs_next_to_nothing() -> None:
    """Ten thousand times within a moment, from any thread."""

    def often() -> None:
        for _ in range(10_000):
            give_way()

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(often).result(timeout=10)


def test_nobody_is_let_in_again_soon_who_stayed_for_long() -> None:
    """A process that is always ready to run would starve whoever gives way to it each time."""
    now_s = 0.0
    stays_s = LONG_S / 2
    let_in: list[float] = []

    def let() -> None:
        nonlocal now_s
        let_in.append(now_s)
        now_s += stays_s

    polite = Courtesy(let, lambda: now_s)
    polite()
    polite()
    assert len(let_in) == 2
    stays_s = LONG_S * 2
    polite()
    polite()
    assert len(let_in) == 3
    now_s += REST * stays_s * 0.9
    polite()
    assert len(let_in) == 3
    now_s += REST * stays_s * 0.2
    polite()
    assert len(let_in) == 4


def test_unhurried_items_come_in_order_and_as_often_as_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may be gone through again, as when a write has to be repeated."""
    pauses: list[None] = []
    monkeypatch.setattr(courtesy, "give_way", lambda: pauses.append(None))
    items = Unhurried(list(range(3 * AT_A_STRETCH)))
    assert list(items) == list(items) == list(range(3 * AT_A_STRETCH))
    assert len(pauses) == 6


def test_settled_process_looks_at_young_objects_alone() -> None:
    """Whatever exists is exempt."""
    assert run(SETTLING) == f"({YOUNG}, {MIDDLE}, {OLD}) True"
    assert gc.isenabled()


def test_idle_command_is_the_same_process_in_the_idle_class() -> None:
    """It keeps its number, its arguments and its exit code; nobody has to know that another one was there first."""
    code = "import os, sys; print(os.getpid(), os.sched_getscheduler(0) == os.SCHED_IDLE, sys.argv[1:]); sys.exit(3)"
    process = subprocess.Popen(idly([sys.executable, "-c", code, "a b", "-c"]), stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=30)
    assert said == f"{process.pid} True ['a b', '-c']\n"
    assert process.returncode == 3
