"""Time for decisions never runs backwards, and a step of the wall clock neither gives nor takes time silently (semantics E1)."""

import hypothesis.strategies as st
from hypothesis import given

from entitlements.local.steady_clock import SteadyClock
from entitlements.runtime.clock import ManualClock

START = 1_790_000_000_000


def clocks() -> tuple[ManualClock, SteadyClock]:
    """Return a clock to move and the steady one over it."""
    manual = ManualClock(START, 5_000)
    return manual, SteadyClock(manual)


def test_time_passes_as_the_wall_clock_says() -> None:
    """Without a step the two are the same."""
    manual, steady = clocks()
    manual.advance(1_234)
    assert steady.read() == (START + 1_234, 6_234)
    assert steady.offset_ms == 0


def test_small_step_forward_is_followed_at_once() -> None:
    """What NTP corrects is no event."""
    manual, steady = clocks()
    manual.step_wall(400)
    assert steady.read()[0] == START + 400


def test_step_back_slows_time_until_the_wall_clock_has_caught_up() -> None:
    """Nothing that ended lives again, and the difference is told meanwhile."""
    manual, steady = clocks()
    manual.advance(10_000)
    assert steady.read()[0] == START + 10_000
    manual.step_wall(-3_600_000)
    assert steady.read()[0] == START + 10_000
    assert steady.offset_ms == -3_600_000
    manual.advance(1_000)
    assert steady.read()[0] == START + 10_500
    assert steady.offset_ms == -3_600_000 + 500
    manual.advance(7_200_000)
    assert steady.read()[0] == manual.now_ms()
    assert steady.offset_ms == 0


def test_large_step_forward_is_followed_at_double_speed() -> None:
    """An hour forward does not end every trial of the hour at once."""
    manual, steady = clocks()
    manual.step_wall(3_600_000)
    assert steady.read()[0] == START
    assert steady.offset_ms == 3_600_000
    manual.advance(1_000)
    assert steady.read()[0] == START + 2_000
    manual.advance(3_600_000)
    assert steady.read()[0] == manual.now_ms()


def test_signed_instant_proves_a_step_forward() -> None:
    """A machine that slept: the next heartbeat shows that the wall clock is right, and it is followed at once as far as proven."""
    manual, steady = clocks()
    manual.step_wall(3_600_000)
    steady.at_least(START + 3_599_000)
    assert steady.read()[0] == START + 3_599_000
    steady.at_least(START)
    assert steady.read()[0] >= START + 3_599_000


def test_signed_instant_ahead_of_the_wall_clock_is_not_followed() -> None:
    """A control plane whose clock is wrong does not move this machine's time."""
    _, steady = clocks()
    steady.at_least(START + 3_600_000)
    assert steady.read()[0] == START


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.integers(0, 100_000)),
            st.tuples(st.just("step"), st.integers(-10_000_000, 10_000_000)),
            st.tuples(st.just("proof"), st.integers(-10_000_000, 10_000_000)),
            st.tuples(st.just("read"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_time_never_runs_backwards_and_reaches_the_wall_clock(moves: list[tuple[str, int]]) -> None:
    """Whatever happens to the wall clock; and when it is left alone, the two agree in the end."""
    manual, steady = clocks()
    last = steady.read()[0]
    for kind, amount in moves:
        if kind == "pass":
            manual.advance(amount)
        elif kind == "step":
            manual.step_wall(amount)
        elif kind == "proof":
            steady.at_least(START + amount)
        now = steady.read()[0]
        assert now >= last
        last = now
    for _ in range(3):
        manual.advance(2_000_000_000)
        assert steady.read()[0] >= last
    assert abs(steady.read()[0] - manual.now_ms()) <= 1
