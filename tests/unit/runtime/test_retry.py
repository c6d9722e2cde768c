"""Retry tries a fixed number of times, pauses with jitter, and leaves an open breaker alone."""

import asyncio
from collections.abc import Awaitable

import pytest

from entitlements.runtime.breaker import BreakerOpen
from entitlements.runtime.retry import Backoff, Retry


class Flaky:
    """Fails a number of times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error

    def call(self) -> str:
        """Fail or answer."""
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return "answer"

    async def call_later(self) -> str:
        """Fail or answer, awaited."""
        return self.call()


def retry_with(pauses: list[float], attempts: int = 4) -> Retry:
    """Return a rule whose pauses are written down instead of slept."""

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    return Retry(attempts, Backoff(0.2, 1.0), (OSError,), draw=lambda: 0.5, sleep=sleep, sleep_sync=pauses.append)


async def test_pauses_double_up_to_the_cap() -> None:
    """With a draw of one half the pauses are half of 0.2, 0.4, 0.8, ... capped at 1 second."""
    pauses: list[float] = []
    flaky = Flaky(4, OSError("down"))
    assert await retry_with(pauses, attempts=5).run(flaky.call_later) == "answer"
    assert pauses == [0.1, 0.2, 0.4, 0.5]


async def test_what_merely_returns_an_awaitable_is_awaited() -> None:
    """A lambda around a client's method is retried like a coroutine function."""
    pauses: list[float] = []
    flaky = Flaky(1, OSError("down"))
    assert await retry_with(pauses).run(lambda: flaky.call_later()) == "answer"  # noqa: PLW0108 - the lambda is the point
    assert pauses == [0.1]


async def test_last_error_is_raised_as_it_is() -> None:
    """The caller sees the dependency's error, not the retry's."""
    pauses: list[float] = []
    flaky = Flaky(9, OSError("down"))
    with pytest.raises(OSError, match="down"):
        await retry_with(pauses).run(flaky.call_later)
    assert flaky.calls == 4
    assert len(pauses) == 3


@pytest.mark.parametrize(
    "error", [ValueError("bug"), BreakerOpen("redis"), asyncio.CancelledError()], ids=lambda error: type(error).__name__
)
async def test_other_errors_are_not_repeated(error: Exception) -> None:
    """A bug, an open breaker and a cancellation pass through at once."""
    pauses: list[float] = []
    flaky = Flaky(9, error)
    with pytest.raises(type(error)):
        await retry_with(pauses).run(flaky.call_later)
    assert (flaky.calls, pauses) == (1, [])


async def test_open_breaker_is_left_alone_even_when_everything_is_retried() -> None:
    """`on=(Exception,)` still does not knock at an open breaker."""
    flaky = Flaky(9, BreakerOpen("redis"))
    with pytest.raises(BreakerOpen):
        await Retry(5, Backoff(0.2, 1.0), (Exception,), draw=lambda: 0.5).run(flaky.call_later)
    assert flaky.calls == 1


def test_synchronous_calls_follow_the_same_rule() -> None:
    """The publisher's thread pauses by the same bounds."""
    pauses: list[float] = []
    flaky = Flaky(2, OSError("down"))
    assert retry_with(pauses).run_sync(flaky.call) == "answer"
    assert pauses == [0.1, 0.2]


@pytest.mark.parametrize("failures, bound_s", [(0, 0.2), (1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (2000, 5.0)])
def test_backoff_is_bounded(failures: int, bound_s: float) -> None:
    """The bound never passes the cap, however long an outage lasts."""
    backoff = Backoff(0.2, 5.0)
    assert backoff.bound_s(failures) == pytest.approx(bound_s)
    assert backoff.pause_s(failures, 0.0) == 0.0


def test_refuses_no_attempts() -> None:
    """A retry that never calls is a mistake."""
    with pytest.raises(ValueError, match="attempts"):
        Retry(0, Backoff(0.2, 1.0), (OSError,), draw=lambda: 0.5)


async def test_a_call_that_only_returns_an_awaitable_is_awaited() -> None:
    """A lambda around a client's method is no `async def`, and its answer counts all the same."""
    pauses: list[float] = []
    flaky = Flaky(2, OSError("down"))

    def call() -> Awaitable[str]:
        return flaky.call_later()

    assert await retry_with(pauses).run(call) == "answer"
    assert flaky.calls == 3
