"""How old the policy is: the time since the newest verified heartbeat was issued, computed by whoever reads the store.

The main process writes three numbers at each heartbeat: when it was issued, and both of its own clocks when it came. The monotonic clock
is one per boot for all processes, so a dead main process, a stopped feed and a wall clock that was moved all show as what they are. Nothing
here renews an age (semantics F7).
"""

from __future__ import annotations

from typing import Final

from entitlements.store.layout import StoreState

FOREVER_MS: Final = 1 << 53
"""The age of a policy of which nobody knows when it was issued."""


def born_mono_ms(state: StoreState, boot_id: str) -> int | None:
    """Return the monotonic reading at which the policy was new: when its heartbeat came, less the delay that the receiver saw.

    A fast local clock makes it older, which is the safe side. None after a reboot and before the first heartbeat.
    """
    if boot_id and state.boot_id == boot_id and state.wall_rx_ms and state.issued_at_ms > 0:
        return state.mono_rx_ms - max(0, state.wall_rx_ms - state.issued_at_ms)
    return None


def age_ms(state: StoreState, now_ms: int, mono_ms: int, boot_id: str) -> int:
    """Return the policy's age in milliseconds, never negative; where the monotonic clock cannot tell, the wall clock does."""
    born = born_mono_ms(state, boot_id)
    if born is not None:
        return max(0, mono_ms - born)
    return FOREVER_MS if state.issued_at_ms <= 0 else max(0, now_ms - state.issued_at_ms)


def proven_instant_ms(state: StoreState, mono_ms: int, boot_id: str) -> int:
    """Return an instant that it certainly is by now: the signed one, plus what has passed since on the monotonic clock of this boot."""
    if boot_id and state.boot_id == boot_id and state.wall_rx_ms and mono_ms >= state.mono_rx_ms:
        return state.issued_at_ms + mono_ms - state.mono_rx_ms
    return state.issued_at_ms


def is_live(state: StoreState, started_mono_ms: int, boot_id: str) -> bool:
    """Return whether a verified heartbeat has confirmed this policy since the process started (semantics F3)."""
    return bool(boot_id) and state.boot_id == boot_id and state.wall_rx_ms > 0 and state.mono_rx_ms >= started_mono_ms
