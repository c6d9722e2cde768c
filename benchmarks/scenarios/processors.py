"""Where things run and how fast that is at the moment: pinning, a fixed computation, processor time and memory from /proc, so on Linux."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

SERVER_CPU: Final = 0
"""Whatever answers runs here."""

ASKER_CPU: Final = 1
"""Whatever asks runs here."""

SPIN_STEPS: Final = 250_000
PINS: Final = hasattr(os, "sched_setaffinity")
"""Whether the system can keep a process to a processor; Linux can."""

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def asker_cpu() -> int | None:
    """Return the processor that generators keep to; None where there is only one, so that everything shares it."""
    return ASKER_CPU if PINS and ASKER_CPU in os.sched_getaffinity(0) else None


@contextlib.contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """Keep this thread, and the processes and threads that it starts meanwhile, to one processor; without effect where that is forbidden."""
    if not PINS:
        yield
        return
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)


def spin_ms() -> float:
    """Return how long a fixed computation takes on the server's processor now, in milliseconds: the machine's speed at this moment."""
    with pinned(SERVER_CPU):
        began = time.perf_counter()
        total = 0
        for number in range(SPIN_STEPS):
            total += number & 7
        took = (time.perf_counter() - began) * 1000
    if total != SPIN_STEPS // 8 * 28:
        raise ArithmeticError("the fixed computation came out differently")
    return took


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the user and system time that processes have used, in seconds; one that is gone counts as none."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_mib(pids: Sequence[int]) -> float:
    """Return the resident memory of processes, in MiB; pages that they share are divided among them."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:  # a kernel without it, or a process of somebody else
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
            continue
        name = "Pss:" if len(pids) > 1 else "Rss:"
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    return total / (1 << 20)


def busy_seconds() -> float:
    """Return the time that all processors have spent on anything, the host's other guests included, in seconds."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    mine, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime


class Meter:
    """What was used between its making and `read`: by the processes measured, and by everybody else on the machine."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Begin."""
        self._pids = tuple(pids)
        self._began = (time.monotonic(), cpu_seconds(self._pids), busy_seconds(), own_seconds())

    def read(self) -> tuple[float, float]:
        """Return the processor seconds of the processes measured, and the share of all processors that others used (1.0: one whole one)."""
        began, cpu, busy, own = self._began
        used = cpu_seconds(self._pids) - cpu
        others = busy_seconds() - busy - used - (own_seconds() - own)
        return used, max(0.0, others / (time.monotonic() - began))
