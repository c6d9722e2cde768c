"""A circuit breaker for asynchronous and synchronous calls; the only importer of pybreaker.

The pattern is Nygard's ("Release It!", 2007). pybreaker keeps the states and counts; three things it does not do are done here. It takes
a cancelled call for a failure, lets every concurrent call through as a trial, and reads the wall clock. Here a cancelled call tells
nothing about the dependency, one trial runs at a time, and the pause is measured on an injected monotonic clock.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import pybreaker

from entitlements.runtime.clock import Clock

_FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)


class BreakerState(IntEnum):
    """States of a breaker; the numbers are what the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


_STATES: Final = {
    pybreaker.STATE_CLOSED: BreakerState.CLOSED,
    pybreaker.STATE_HALF_OPEN: BreakerState.HALF_OPEN,
    pybreaker.STATE_OPEN: BreakerState.OPEN,
}


class BreakerOpen(Exception):  # noqa: N818 - being open is a state, the error happened before
    """The call was not made: the dependency failed lately, or a trial call is under way."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the breaker of {name} is open")
        self.name = name


class _PauseOnClock(pybreaker.CircuitMemoryStorage):
    """Storage that remembers the opening on our clock and shows pybreaker an instant that is over or far away, never a real one."""

    def __init__(self, clock: Clock, pause_ms: int) -> None:
        super().__init__(pybreaker.STATE_CLOSED)
        self._clock = clock
        self._pause_ms = pause_ms
        self._opened_mono_ms = 0

    @property
    def opened_at(self) -> datetime | None:
        return None if self.pause_over else _FAR

    @opened_at.setter
    def opened_at(self, _wall: datetime) -> None:
        self._opened_mono_ms = self._clock.monotonic_ms()

    @property
    def pause_over(self) -> bool:
        return self._clock.monotonic_ms() - self._opened_mono_ms >= self._pause_ms


class _Announcer(pybreaker.CircuitBreakerListener):
    """Passes changes of state on to the owner's listener."""

    def __init__(self, on_state: Callable[[BreakerState], None]) -> None:
        self._on_state = on_state

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - the signature is pybreaker's
        old_state: pybreaker.CircuitBreakerState | None,  # noqa: ARG002
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self._on_state(_STATES[new_state.name])


class Breaker:
    """Guards one dependency: after `fail_max` failures in a row no call is made for `reset_s` seconds, then one trial decides.

    `on_state` hears of every change of state. Exceptions in `answers` prove that the dependency works: they count as success. What is
    no Exception (a cancelled task, an interrupt) counts as nothing; a cancelled trial leaves its place to the next caller.
    """

    __slots__ = ("_answers", "_breaker", "_guard", "_storage", "_trial_under_way", "name")

    def __init__(
        self,
        name: str,
        clock: Clock,
        fail_max: int,
        reset_s: float,
        on_state: Callable[[BreakerState], None] | None = None,
        *,
        answers: tuple[type[Exception], ...] = (),
    ) -> None:
        """Start closed; ValueError when `fail_max` is below 1 or `reset_s` negative."""
        if fail_max < 1 or reset_s < 0:
            raise ValueError(f"breaker {name}: fail_max must be at least 1 and reset_s not negative")
        self.name = name
        self._answers = answers
        self._guard = threading.RLock()
        self._trial_under_way = False
        self._storage = _PauseOnClock(clock, round(reset_s * 1000))
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=fail_max,
            reset_timeout=0,
            state_storage=self._storage,
            listeners=[] if on_state is None else [_Announcer(on_state)],
            name=name,
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> BreakerState:
        """Return the present state; OPEN stays until the first call after the pause."""
        return _STATES[self._storage.state]

    def admits(self) -> bool:
        """Return whether a call made now would go out."""
        if self.state is BreakerState.CLOSED:
            return True
        return not self._trial_under_way and (self.state is BreakerState.HALF_OPEN or self._storage.pause_over)

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Guard the calls inside an `async with` block; BreakerOpen when they must not be made."""
        with self.calling_sync():
            yield

    @contextmanager
    def calling_sync(self) -> Iterator[None]:
        """Guard the calls inside a `with` block; BreakerOpen when they must not be made."""
        trial = self._admit()
        try:
            yield
        except self._answers:
            self._settle(None, trial=trial)
            raise
        except Exception as error:
            self._settle(error, trial=trial)
            raise
        except BaseException:
            self._withdraw(trial=trial)
            raise
        self._settle(None, trial=trial)

    def _admit(self) -> bool:
        """Return whether the call is a trial; BreakerOpen when it may not be made."""
        with self._guard:
            if not self.admits():
                raise BreakerOpen(self.name)
            if self.state is BreakerState.CLOSED:
                return False
            self._trial_under_way = True
            if self.state is BreakerState.OPEN:
                self._breaker.half_open()
            return True

    def _settle(self, error: Exception | None, *, trial: bool) -> None:
        """Count an outcome. A call admitted before the breaker opened is old news and changes nothing."""
        with self._guard:
            if trial:
                self._trial_under_way = False
            elif self.state is not BreakerState.CLOSED:
                return
            try:
                self._breaker.call(_outcome, error)
            except Exception as counted:
                if counted is not error:
                    raise

    def _withdraw(self, *, trial: bool) -> None:
        with self._guard:
            if trial:
                self._trial_under_way = False

    def __repr__(self) -> str:
        """Show name, state and failures in a row."""
        return f"<Breaker {self.name} [{self.state.name} | {self._storage.counter} failures]>"


def _outcome(error: Exception | None) -> None:
    if error is not None:
        raise error
