"""The breaker counts failures alone, tries one call at a time, and lives by the injected clock."""

import asyncio
from datetime import UTC, datetime

import pytest

from entitlements.runtime.breaker import Breaker, BreakerOpen, BreakerState
from entitlements.runtime.clock import ManualClock

NOW_MS = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)


class AnswerError(Exception):
    """The dependency answered with a refusal: it works."""


class Scene:
    """A breaker of two failures and five seconds, with what its listener heard."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.heard: list[BreakerState] = []
        self.breaker = Breaker("redis", self.clock, 2, 5.0, self.heard.append, answers=(AnswerError,))

    def state(self) -> BreakerState:
        """Return the breaker's present state."""
        return self.breaker.state

    async def fail(self) -> None:
        """Make one call that fails."""
        with pytest.raises(OSError, match="down"):
            async with self.breaker.calling():
                raise OSError("down")

    async def trip(self) -> None:
        """Fail until the breaker opens."""
        await self.fail()
        await self.fail()
        assert self.state() is BreakerState.OPEN


async def test_opens_after_failures_in_a_row_and_raises_the_original_error() -> None:
    """Two failures open it; the caller sees the dependency's own error, the next caller sees BreakerOpen."""
    scene = Scene()
    await scene.trip()
    with pytest.raises(BreakerOpen, match="redis"):
        async with scene.breaker.calling():
            pytest.fail("a call went out")
    assert scene.heard == [BreakerState.OPEN]
    assert repr(scene.breaker) == "<Breaker redis [OPEN | 2 failures]>"


async def test_a_success_between_failures_starts_the_count_again() -> None:
    """Only failures in a row count."""
    scene = Scene()
    await scene.fail()
    async with scene.breaker.calling():
        pass
    await scene.fail()
    assert scene.state() is BreakerState.CLOSED


async def test_an_answer_is_no_failure() -> None:
    """A refusal by a dependency that works never opens the breaker."""
    scene = Scene()
    await scene.fail()
    for _ in range(5):
        with pytest.raises(AnswerError):
            async with scene.breaker.calling():
                raise AnswerError
    await scene.fail()
    assert scene.state() is BreakerState.CLOSED


async def test_cancellation_is_neither_failure_nor_success() -> None:
    """A cancelled call leaves the count where it was."""
    scene = Scene()
    await scene.fail()
    for _ in range(3):
        with pytest.raises(asyncio.CancelledError):
            async with scene.breaker.calling():
                raise asyncio.CancelledError
    assert scene.state() is BreakerState.CLOSED
    await scene.fail()
    assert scene.state() is BreakerState.OPEN


async def test_pause_is_measured_on_the_injected_monotonic_clock() -> None:
    """A wall clock that jumps an hour shortens nothing; five monotonic seconds end the pause."""
    scene = Scene()
    await scene.trip()
    scene.clock.step_wall(3_600_000)
    assert not scene.breaker.admits()
    scene.clock.advance(4_999)
    assert not scene.breaker.admits()
    scene.clock.advance(1)
    assert scene.breaker.admits()
    async with scene.breaker.calling():
        pass
    assert scene.heard == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


async def test_one_trial_at_a_time() -> None:
    """Of ten callers after the pause one goes out, nine are refused."""
    scene = Scene()
    await scene.trip()
    scene.clock.advance(5_000)
    entered: list[str] = []
    release = asyncio.Event()

    async def attempt() -> None:
        async with scene.breaker.calling():
            entered.append("in")
            await release.wait()

    tasks = [asyncio.ensure_future(attempt()) for _ in range(10)]
    refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == ["in"]
    assert [type(result) for result in results].count(BreakerOpen) == 9
    assert len(refused) == 9
    assert scene.state() is BreakerState.CLOSED


async def test_failed_trial_opens_again_for_a_whole_pause() -> None:
    """The pause starts anew with the failed trial."""
    scene = Scene()
    await scene.trip()
    scene.clock.advance(5_000)
    await scene.fail()
    assert scene.state() is BreakerState.OPEN
    scene.clock.advance(4_999)
    assert not scene.breaker.admits()


async def test_cancelled_trial_leaves_its_place_to_the_next() -> None:
    """A trial that was cancelled proves nothing: the breaker stays half-open and takes the next caller."""
    scene = Scene()
    await scene.trip()
    scene.clock.advance(5_000)
    with pytest.raises(asyncio.CancelledError):
        async with scene.breaker.calling():
            raise asyncio.CancelledError
    assert scene.state() is BreakerState.HALF_OPEN
    assert scene.breaker.admits()
    async with scene.breaker.calling():
        pass
    assert scene.state() is BreakerState.CLOSED


async def test_late_outcome_of_an_older_call_changes_nothing() -> None:
    """A call admitted while closed that succeeds after the opening does not close the breaker."""
    scene = Scene()
    async with scene.breaker.calling():
        await scene.trip()
    assert scene.state() is BreakerState.OPEN


def test_guards_synchronous_calls() -> None:
    """The publisher's thread uses the same breaker without an event loop."""
    scene = Scene()
    for _ in range(2):
        with pytest.raises(OSError, match="down"), scene.breaker.calling_sync():
            raise OSError("down")
    with pytest.raises(BreakerOpen), scene.breaker.calling_sync():
        pytest.fail("a call went out")


@pytest.mark.parametrize("fail_max, reset_s", [(0, 1.0), (1, -1.0)])
def test_refuses_numbers_without_meaning(fail_max: int, reset_s: float) -> None:
    """A breaker that could never close or never open is a mistake of whoever builds it."""
    with pytest.raises(ValueError, match="breaker redis"):
        Breaker("redis", ManualClock(NOW_MS), fail_max, reset_s)
