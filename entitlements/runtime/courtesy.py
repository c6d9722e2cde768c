"""How a busy process lets another one on the same processor go first, without ever being starved.

Linux lets a task that runs finish its slice before it turns to one that wakes up, up to the next tick of the clock, and priority alone does not
change that: callers waited 3 to 4 ms now and then. So whoever works on for long gives way between two small portions of work. To one who is
always ready to run that must not be done for ever: a task that gives way forfeits its slice, and would get next to nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

NICE: Final = 5
"""Against a process of normal priority this is a quarter of one processor, when both want all of it."""
LONG_S: Final = 0.001
"""Whoever was let in and stayed for longer than this is busy himself, and fair shares are the scheduler's business."""
REST: Final = 20
"""Nobody is let in again for this many times as long as the last one stayed."""
AT_A_STRETCH: Final = 32
"""So many records of a snapshot are handled before somebody is let in: about a third of a millisecond."""
Item = TypeVar("Item")


class Courtesy:
    """Gives way while that costs little; one for a process."""

    __slots__ = ("_let_in", "_monotonic", "_not_before_s")

    def __init__(
        self, let_in: Callable[[], None] = os.sched_yield, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Be ready to give way."""
        self._let_in = let_in
        self._monotonic = monotonic
        self._not_before_s = 0.0

    def __call__(self) -> None:
        """Let whoever waits for this processor run now; about a microsecond when nobody does."""
        began_s = self._monotonic()
        if began_s < self._not_before_s:
            return
        self._let_in()
        ended_s = self._monotonic()
        if ended_s - began_s > LONG_S:
            self._not_before_s = ended_s + REST * (ended_s - began_s)


give_way: Final = Courtesy()


class Unhurried(Generic[Item]):
    """Items that are gone through in small portions, giving way in between; as often as the items themselves can be."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Take the items."""
        self._items = items

    def __iter__(self) -> Iterator[Item]:
        """Yield them in order."""
        for number, item in enumerate(self._items):
            if number % AT_A_STRETCH == 0:
                give_way()
            yield item


_IDLY: Final = """
import os, sys
try:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
except (AttributeError, OSError):
    pass
os.execv(sys.argv[1], sys.argv[1:])
"""


def idly(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one only while nobody else wants the processor (Linux, SCHED_IDLE), elsewhere as it is.

    From its first imports on: an interpreter that starts takes a tenth of a second, which is what callers would notice. A bare one
    of a few milliseconds sets the class and becomes the other. Only for work that may wait for ever.
    """
    return [sys.executable, "-I", "-S", "-c", _IDLY, *command]


def step_back() -> None:
    """Lower the priority of this thread, and of the threads and processes that it starts from now on; there is no way back without privileges."""
    with contextlib.suppress(OSError):
        if sys.platform == "linux":  # elsewhere the whole process would be meant
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
