"""Retry with exponential pauses and full jitter; the only importer of tenacity.

Full jitter (a uniform draw between nothing and the exponential bound) spreads a fleet that lost the same dependency at the same moment;
see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. How long to try is counted in attempts, never in wall time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from entitlements.runtime.breaker import BreakerOpen

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses of a retry: `first_s` seconds doubled for each failure, at most `cap_s`, drawn uniformly from zero to that bound."""

    first_s: float
    cap_s: float

    def bound_s(self, failures: int) -> float:
        """Return the longest pause after this many failures, in seconds."""
        # 2**40 times anything is beyond every cap; a larger exponent would only overflow
        return min(self.cap_s, self.first_s * 2.0 ** min(max(failures - 1, 0), 40))

    def pause_s(self, failures: int, draw: float) -> float:
        """Return the pause after this many failures for a draw in [0, 1), in seconds."""
        return self.bound_s(failures) * draw


class Retry:
    """Calls again what failed with one of `on`, at most `attempts` times in all; then the last error is raised as it is.

    An open breaker is never called again: waiting for it is the caller's decision. `draw` returns a number in [0, 1).
    """

    __slots__ = ("_attempts", "_backoff", "_draw", "_on", "_sleep", "_sleep_sync")

    def __init__(
        self,
        attempts: int,
        backoff: Backoff,
        on: tuple[type[Exception], ...],
        draw: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sleep_sync: Callable[[float], None] = time.sleep,
    ) -> None:
        """Hold the rule; ValueError when `attempts` is below 1."""
        if attempts < 1:
            raise ValueError("attempts must be at least 1")
        self._attempts = attempts
        self._backoff = backoff
        self._on = on
        self._draw = draw
        self._sleep = sleep
        self._sleep_sync = sleep_sync

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await `call()` until it succeeds or the attempts are used up."""
        retrying = tenacity.AsyncRetrying(
            sleep=self._sleep,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._again),
            reraise=True,
        )

        async def attempt() -> T:  # tenacity awaits what was declared with `async def`, and nothing else
            return await call()

        return await retrying(attempt)

    def run_sync(self, call: Callable[[], T]) -> T:
        """Call `call()` until it succeeds or the attempts are used up."""
        retrying = tenacity.Retrying(
            sleep=self._sleep_sync,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._again),
            reraise=True,
        )
        return retrying(call)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return self._backoff.pause_s(state.attempt_number, self._draw())

    def _again(self, error: BaseException) -> bool:
        return isinstance(error, self._on) and not isinstance(error, BreakerOpen)

    def __repr__(self) -> str:
        """Show the rule."""
        names = ", ".join(kind.__name__ for kind in self._on)
        return f"<Retry [{self._attempts} attempts | {self._backoff.first_s}-{self._backoff.cap_s} s | {names}]>"
