"""The age of the policy is computed by its reader, from three numbers and two clocks."""

import pytest

from entitlements.local.age import FOREVER_MS, age_ms, born_mono_ms, is_live, proven_instant_ms
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.store.layout import StoreState

NOW = 1_790_000_000_000
BOOT = "boot-1"


def state(issued: int = NOW, wall: int = NOW, mono: int = 50_000, boot: str = BOOT) -> StoreState:
    """Return a stored state with this pulse."""
    return StoreState(Epoch(1), Seq(2), b"", True, False, Millis(issued), Millis(wall), Millis(mono), boot)


@pytest.mark.parametrize(
    "pulse, now, mono, boot, age",
    [
        (state(), NOW, 50_000, BOOT, 0),
        (state(), NOW + 7_000, 57_000, BOOT, 7_000),
        (state(wall=NOW + 300), NOW, 50_000, BOOT, 300),  # it was 300 ms on its way
        (state(wall=NOW - 300), NOW, 50_000, BOOT, 0),  # a slow local clock makes nothing younger than it is
        (state(), NOW - 3_600_000, 57_000, BOOT, 7_000),  # the wall clock was moved back: no matter
        (state(), NOW + 9_000, 10, "boot-2", 9_000),  # after a reboot only the wall clock is left
        (state(), NOW - 9_000, 10, "boot-2", 0),
        (state(), NOW + 9_000, 57_000, "", 9_000),  # no boot id: no comparison of monotonic readings
        (state(wall=0, mono=0, boot=""), NOW + 4_000, 57_000, BOOT, 4_000),  # a snapshot without a heartbeat yet
        (state(issued=0, wall=0, mono=0, boot=""), NOW, 57_000, BOOT, FOREVER_MS),
    ],
)
def test_age(pulse: StoreState, now: int, mono: int, boot: str, age: int) -> None:
    """Each source of doubt makes the policy older, never younger."""
    assert age_ms(pulse, now, mono, boot) == age


def test_only_a_heartbeat_since_the_start_makes_it_live() -> None:
    """Of this boot, received after this process began."""
    assert is_live(state(mono=50_000), 50_000, BOOT)
    assert not is_live(state(mono=49_999), 50_000, BOOT)
    assert not is_live(state(boot="boot-0"), 0, BOOT)
    assert not is_live(state(boot=""), 0, "")
    assert not is_live(state(wall=0, mono=0), 0, BOOT)


def test_signed_instant_goes_on_with_the_monotonic_clock() -> None:
    """Within a boot time passes after the signature too; across boots only the signature counts."""
    assert proven_instant_ms(state(), 53_000, BOOT) == NOW + 3_000
    assert proven_instant_ms(state(), 53_000, "boot-2") == NOW
    assert born_mono_ms(state(), BOOT) == 50_000
    assert born_mono_ms(state(), "boot-2") is None
