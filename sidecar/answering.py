"""The processes that answer, as the main process sees them: started one after the other, each supervised by itself, asked together, drained together.

Number 0 has the unix socket and the TCP address; the others have the TCP address alone, which they share by SO_REUSEPORT. Number 0 alone
decides whether the sidecar has started and is ready: a sidecar that answers with fewer processes than wanted is better than none, so the
others are tried again for as long as it takes, and counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, Final

from entitlements.runtime import logs
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.runtime.supervisor import LONGEST_PAUSE_S, Child, Supervisor
from sidecar import metrics
from sidecar.intercom import Predecessor, ask, process_name
from sidecar.upkeep import ASK_S, Upkeep

LOOK_S: Final = 0.01
PATIENT_PAUSE_S: Final = 10.0
"""The longest pause between two attempts of a process that the sidecar can do without."""
GO: Final = "go"
TAKE_OVER: Final = "go takeover"


class AnsweringProcess:
    """One of them: its supervisor, what it said last, and the process of an earlier sidecar in whose place it came."""

    def __init__(
        self,
        number: int,
        start: Callable[[int], subprocess.Popen[bytes]],
        upkeep: Upkeep,
        meters: Meters,
        clock: Clock,
        predecessor: Predecessor | None,
    ) -> None:
        """Start nothing yet."""
        self.number = number
        self.name = process_name(number)
        self._start = start
        self.upkeep = upkeep
        self._predecessor = predecessor
        self._stopping = False
        self._log = logs.logger(number=number)
        self._up = meters.gauge(metrics.SERVING_UP, str(number))
        self._up.set(0)
        self._ends = meters.counter(metrics.SERVING_RESTARTS, str(number))
        self._supervisor = Supervisor(
            self._spawn,
            GO,
            clock,
            self._on_ready,
            self._on_end,
            essential=number == 0,
            longest_pause_s=LONGEST_PAUSE_S if number == 0 else PATIENT_PAUSE_S,
        )

    def _spawn(self) -> Child:
        return Child(self.name, self._start(self.number))

    async def keep(self, first: Child | None = None) -> None:
        """Look after it until `stop`; `first` is one that was started and ordered already. ChildFailed as in `Supervisor.keep`."""
        if first is None:
            if self._stopping:
                return
            first = self._spawn()
            first.order(GO if self._predecessor is None else TAKE_OVER)
        retiring = asyncio.create_task(self._retire())
        try:
            await self._supervisor.keep(first)
        finally:
            retiring.cancel()

    async def _retire(self) -> None:
        """Let the predecessor go once this one answers in its place."""
        while not self.upkeep.is_up:  # noqa: ASYNC110 - its readiness is told by a callback of the supervisor
            await asyncio.sleep(LOOK_S)
        if self._predecessor is not None:
            await retire(self._predecessor)

    async def stop(self, grace_s: float) -> None:
        """End it and start no other."""
        self._stopping = True
        await self._supervisor.stop(grace_s)

    def _on_ready(self, facts: dict[str, Any]) -> None:
        self.upkeep.up(facts)
        self._up.set(1)
        self._log.info("serving", **facts, restarts=self._supervisor.restarts)

    def _on_end(self, why: str) -> None:
        self.upkeep.down()
        self._up.set(0)
        self._ends.inc()
        self._log.error("serving process is down and will be started again", why=why)

    async def status(self) -> dict[str, Any]:
        """Return its number, what it announced, how often it was replaced, and what it says of itself; None where it says nothing."""
        reply = await self.upkeep.ask("status")
        return {
            "number": self.number,
            **self.upkeep.facts,
            "restarts": self._supervisor.restarts,
            "status": None if reply is None else json.loads(reply),
        }

    def __repr__(self) -> str:
        """Show its name and how it fares."""
        return f"<AnsweringProcess {self.name} [{self.upkeep!r} | {self._supervisor.restarts} restarts]>"


class AnsweringProcesses:
    """All of them. Must be made inside the event loop."""

    def __init__(
        self,
        count: int,
        start: Callable[[int], subprocess.Popen[bytes]],
        products: tuple[str, ...],
        on_damage: Callable[[str], None],
        meters: Meters,
        clock: Clock,
        predecessors: Mapping[int, Predecessor],
    ) -> None:
        """Start nothing yet. `start` starts one by its number; `on_damage` hears of which product any of them has read a damaged record."""
        self._all = [
            AnsweringProcess(number, start, Upkeep(products, on_damage), meters, clock, predecessors.get(number))
            for number in range(count)
        ]
        self._surplus = [predecessor for number, predecessor in predecessors.items() if number >= count]
        self._stopping = False

    @property
    def first(self) -> AnsweringProcess:
        """Return the one with the unix socket."""
        return self._all[0]

    async def keep(self, first: Child) -> None:
        """Look after all of them until `stop`; `first` is number 0, started and ordered already. ChildFailed when it is no good."""
        upkeep = [asyncio.create_task(one.upkeep.keep()) for one in self._all]
        kept = [asyncio.create_task(work) for work in (self.first.keep(first), self._keep_others())]
        try:
            await asyncio.gather(*kept)
        finally:
            for task in (*kept, *upkeep):
                task.cancel()
            await asyncio.gather(*kept, *upkeep, return_exceptions=True)

    async def _keep_others(self) -> None:
        """Start the others when number 0 answers: it has made sure that the address is ours, and the first answer needs the processors."""
        while not self.first.upkeep.is_up:
            if self._stopping:
                return
            await asyncio.sleep(LOOK_S)
        for predecessor in self._surplus:
            await retire(predecessor)
        await asyncio.gather(*(one.keep() for one in self._all[1:]))

    async def stop(self, grace_s: float) -> None:
        """End all of them, each within the same grace."""
        self._stopping = True
        await asyncio.gather(*(one.stop(grace_s) for one in self._all))

    async def exposition(self) -> dict[str, bytes]:
        """Return the metrics of each that answers, by its name."""
        pages = await asyncio.gather(*(one.upkeep.ask("metrics") for one in self._all))
        return {one.name: page for one, page in zip(self._all, pages, strict=True) if page is not None}

    async def status(self) -> list[dict[str, Any]]:
        """Return the status of each, number 0 first."""
        return list(await asyncio.gather(*(one.status() for one in self._all)))

    def __repr__(self) -> str:
        """Show each."""
        return f"<AnsweringProcesses [{' | '.join(map(repr, self._all))}]>"


async def retire(predecessor: Predecessor) -> None:
    """Have a process of an earlier sidecar end its calls and go; one that does not hear is killed, for it would keep its share of connections."""
    try:
        await asyncio.to_thread(ask, predecessor.intercom, "drain", ASK_S)
    except OSError:
        predecessor.kill()
    logs.logger().info("predecessor retired", pid=predecessor.pid, intercom=str(predecessor.intercom))
