"""Children are kept running, told what to do, and not left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from entitlements.runtime.clock import SystemClock
from entitlements.runtime.supervisor import Child, ChildFailed, Supervisor

OBEDIENT = """
import sys
line = sys.stdin.readline().strip()
print('{"order": "%s"}' % line, flush=True)
sys.stdin.read()
import time; time.sleep(60)
"""
SILENT = "import time; time.sleep(60)"
FAILING = "import sys; sys.exit(3)"
TALKATIVE = "print('hello', flush=True); import time; time.sleep(60)"
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); signal.pause()"
WITHIN_S = 10


@pytest.fixture
async def started() -> AsyncIterator[list[Child]]:
    """Collect children; whatever is left is killed at the end."""
    children: list[Child] = []
    yield children
    for child in children:
        child.signal(signal.SIGKILL)
        child.process.wait(WITHIN_S)
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()


def start(started: list[Child], program: str) -> Child:
    """Start a small program."""
    child = Child.start("sample", [sys.executable, "-c", program])
    started.append(child)
    return child


async def test_child_hears_its_order_and_announces_itself(started: list[Child]) -> None:
    """One line in, one JSON object out."""
    child = start(started, OBEDIENT)
    child.order("go now")
    assert await child.announced(WITHIN_S) == {"order": "go now"}
    assert repr(child).endswith("| alive]>")
    assert await child.stop(WITHIN_S) == -signal.SIGTERM
    child.order("too late")
    child.signal(signal.SIGTERM)
    assert repr(child).endswith(f"[{child.pid} | ended with {-signal.SIGTERM}]>")


@pytest.mark.parametrize(
    "program, within_s, words, code",
    [
        (FAILING, WITHIN_S, "ended with code 3 before it was ready", 3),
        (SILENT, 0.1, "did not announce itself within 0.1 s", None),
        (TALKATIVE, WITHIN_S, "announced itself with something else than JSON", None),
    ],
)
async def test_child_that_does_not_come_up_is_told_why(
    started: list[Child], program: str, within_s: float, words: str, code: int | None
) -> None:
    """Ended, silent, or talking nonsense."""
    with pytest.raises(ChildFailed, match=words) as caught:
        await start(started, program).announced(within_s)
    assert caught.value.code == code


async def test_child_that_ignores_the_request_to_end_is_killed(started: list[Child]) -> None:
    """After the grace."""
    child = start(started, STUBBORN)
    await child.announced(WITHIN_S)
    assert await child.stop(0.05) == -signal.SIGKILL


async def test_supervisor_replaces_what_dies_and_stops_when_asked(started: list[Child]) -> None:
    """The order is given to each successor, and the counts are right."""
    ready: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    ends: list[str] = []
    supervisor = Supervisor(lambda: start(started, OBEDIENT), "again", SystemClock(), ready.put_nowait, ends.append)
    first = start(started, OBEDIENT)
    first.order("first")
    keeping = asyncio.create_task(supervisor.keep(first))
    async with asyncio.timeout(WITHIN_S):
        assert await ready.get() == {"order": "first"}
        first.signal(signal.SIGKILL)
        assert await ready.get() == {"order": "again"}
        assert (supervisor.restarts, ends) == (1, ["ended with code -9"])
        await supervisor.stop(WITHIN_S)
        await keeping
    assert [child.is_alive for child in started] == [False, False]


async def test_first_child_that_fails_by_itself_is_not_tried_again(started: list[Child]) -> None:
    """Wrong settings are not mended by a restart: the failure goes to whoever started the supervisor."""
    supervisor = Supervisor(lambda: start(started, FAILING), "go", SystemClock(), lambda _: None, lambda _: None)
    with pytest.raises(ChildFailed, match="ended with code 3"):
        await supervisor.keep(start(started, FAILING))
    assert len(started) == 1


async def test_child_that_is_not_essential_is_tried_again(started: list[Child]) -> None:
    """Whoever can do without it hears of each end, and has it when it comes up at last."""
    ready: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    ends: list[str] = []

    def spawn() -> Child:
        return start(started, FAILING if len(started) < 3 else OBEDIENT)

    supervisor = Supervisor(spawn, "go", SystemClock(), ready.put_nowait, ends.append, essential=False)
    keeping = asyncio.create_task(supervisor.keep(spawn()))
    async with asyncio.timeout(WITHIN_S):
        assert await ready.get() == {"order": "go"}
        await supervisor.stop(WITHIN_S)
        await keeping
    assert ends == ["sample ended with code 3 before it was ready"] * 3
