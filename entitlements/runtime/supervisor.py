"""Child processes: started by exec, told to go on by a line, known to be ready by a line, restarted when they die, never left behind by accident.

A child reads orders from its standard input and announces itself with one JSON object on its standard output. Children are fresh
interpreters, never forks: neither gRPC nor LMDB survives one. They are not tied to their parent's death either: what answers must go on when
its supervisor dies, and a new supervisor finds it by the lock it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Final

from entitlements.runtime.clock import Clock

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
STEADY_MS: Final = 10_000
"""A child that lived this long was healthy: the next restart is quick again."""
POLL_S: Final = 0.02


class ChildFailed(Exception):  # noqa: N818 - a state of the child
    """The child ended, or took too long, before it announced itself."""

    def __init__(self, name: str, problem: str, code: int | None = None) -> None:
        super().__init__(f"{name} {problem}")
        self.code = code


class Child:
    """One process. Made by `start`; every method may be called after its end."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Take a process whose standard input and output are pipes."""
        self.name = name
        self.process = process

    @classmethod
    def start(cls, name: str, command: Sequence[str], environ: dict[str, str] | None = None) -> Child:
        """Start a program in a session of its own, so that a terminal's Ctrl-C reaches its supervisor alone."""
        process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, start_new_session=True
        )
        return cls(name, process)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return self.process.poll() is None

    def order(self, line: str) -> None:
        """Send a line; a child that has ended does not hear it."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self.process.stdin.write(line.encode() + b"\n")

    async def announced(self, timeout_s: float) -> dict[str, Any]:
        """Wait for the line that says that it is ready; ChildFailed when it ends or stays silent."""
        output = self.process.stdout
        if output is None:
            raise ChildFailed(self.name, "has no output to announce itself on")
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(output.fileno()), "rb", 0)
        )
        try:
            async with asyncio.timeout(timeout_s):
                line = await reader.readline()
        except TimeoutError:
            raise ChildFailed(self.name, f"did not announce itself within {timeout_s:g} s") from None
        finally:
            transport.close()
        if not line:
            code = await self.ended()
            raise ChildFailed(self.name, f"ended with code {code} before it was ready", code)
        try:
            facts = json.loads(line)
        except ValueError:
            raise ChildFailed(self.name, "announced itself with something else than JSON") from None
        return facts if isinstance(facts, dict) else {}

    async def ended(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        if self.is_alive and hasattr(os, "pidfd_open"):
            loop = asyncio.get_running_loop()
            over = asyncio.Event()
            handle = os.pidfd_open(self.pid)
            loop.add_reader(handle, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(handle)
                os.close(handle)
        while self.is_alive:  # noqa: ASYNC110 - where the kernel has no such handle, and until the exit code is there
            await asyncio.sleep(POLL_S)
        return int(self.process.returncode)

    async def stop(self, grace_s: float) -> int:
        """Ask it to end, insist after the grace, and return its exit code."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                return await self.ended()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.ended()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens after its end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def __repr__(self) -> str:
        """Show the process and how it fares."""
        state = "alive" if self.is_alive else f"ended with {self.process.returncode}"
        return f"<Child {self.name} [{self.pid} | {state}]>"


class Supervisor:
    """Keeps one child running until stopped.

    `spawn` starts it, `order` is the line that sets it going, `on_ready` hears what it announced, `on_end` hears why it is down. Whoever
    starts it cannot do without an `essential` child: when the first one ends by itself before it was ready, `keep` fails; otherwise it goes
    on trying, with pauses that double up to `longest_pause_s`.
    """

    def __init__(
        self,
        spawn: Callable[[], Child],
        order: str,
        clock: Clock,
        on_ready: Callable[[dict[str, Any]], None],
        on_end: Callable[[str], None],
        ready_within_s: float = 30.0,
        *,
        essential: bool = True,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        """Start nothing yet."""
        self._spawn = spawn
        self._order = order
        self._clock = clock
        self._on_ready = on_ready
        self._on_end = on_end
        self._ready_within_s = ready_within_s
        self._essential = essential
        self._longest_pause_s = longest_pause_s
        self._stopping = asyncio.Event()
        self.child: Child | None = None
        self.restarts = 0

    async def keep(self, first: Child) -> None:
        """Look after a child that is started and ordered already, then after its successors, until `stop`.

        ChildFailed when the first one is essential and ends by itself before it was ready: something is wrong that a restart will not mend.
        """
        self.child = first
        pause_s = FIRST_PAUSE_S
        while True:
            began_ms = self._clock.monotonic_ms()
            try:
                self._on_ready(await self.child.announced(self._ready_within_s))
                why = f"ended with code {await self.child.ended()}"
            except ChildFailed as failure:
                self.child.signal(signal.SIGKILL)
                await self.child.ended()
                if self._essential and self.restarts == 0 and failure.code is not None and failure.code > 0:
                    raise
                why = str(failure)
            if self._stopping.is_set():
                return
            self._on_end(why)
            pause_s = FIRST_PAUSE_S if self._clock.monotonic_ms() - began_ms >= STEADY_MS else pause_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
            if self._stopping.is_set():
                return
            pause_s = min(pause_s * 2, self._longest_pause_s)
            self.restarts += 1
            self.child = self._spawn()
            self.child.order(self._order)

    async def stop(self, grace_s: float) -> None:
        """End the child and start no other."""
        self._stopping.set()
        if self.child is not None:
            await self.child.stop(grace_s)

    def __repr__(self) -> str:
        """Show the child and how often it was replaced."""
        return f"<Supervisor [{self.child!r} | {self.restarts} restarts]>"
