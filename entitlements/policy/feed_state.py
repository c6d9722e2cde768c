"""The feed protocol as one pure function: `step(state, event, now)` gives the next state and what the shell shall do.

No clock, no socket, no randomness, no bytes: the same code runs in production, under property tests and in a simulator. The style is that
of h11 ("bring your own I/O"). The table in words is `feed_state_rules`, which is also the reference page.

    feed_state_value     the state          feed_state_frames    deltas, heartbeats, nudges
    feed_state_events    what can happen    feed_state_catch_up  head, pages, snapshots, writes
    feed_state_commands  what to do         feed_state_upkeep    start, link, polls, acks, keys, disk
"""

from __future__ import annotations

from typing import assert_never

from entitlements.policy import feed_state_catch_up as catch_up
from entitlements.policy import feed_state_events as events
from entitlements.policy import feed_state_frames as frames
from entitlements.policy import feed_state_upkeep as upkeep
from entitlements.policy.feed_state_commands import Command
from entitlements.policy.feed_state_events import Event
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_turn import Turn
from entitlements.policy.feed_state_upkeep import wake_at
from entitlements.policy.feed_state_value import FeedState, Moment

__all__ = ["FeedState", "Moment", "step", "wake_at"]


def step(state: FeedState, event: Event, now: Moment) -> tuple[FeedState, list[Command]]:
    """Return the state after an event and the commands to execute, in order.

    The first event is Started. Commands that write (Apply, Replace) are answered before the next write is asked for.
    """
    turn = Turn(state, now)
    _dispatch(turn, event)
    upkeep.settle(turn)
    return turn.state, turn.commands


def _dispatch(turn: Turn, event: Event) -> None:
    match event:
        case events.DeltaArrived():
            frames.on_delta(turn, event)
        case events.Applied():
            catch_up.on_applied(turn, event)
        case events.HeartbeatArrived():
            frames.on_heartbeat(turn, event)
        case events.Tick():
            pass
        case events.NudgeArrived():
            frames.on_nudge(turn, event)
        case events.HeadArrived():
            catch_up.on_head(turn, event)
        case events.RangeArrived():
            catch_up.on_range(turn, event)
        case events.SnapshotArrived():
            catch_up.on_snapshot(turn, event)
        case events.FetchFailed():
            catch_up.on_fetch_failed(turn, event)
        case events.ApplyFailed():
            catch_up.on_apply_failed(turn, event)
        case events.Refused():
            frames.on_refused(turn, event)
        case events.Subscribed():
            upkeep.on_subscribed(turn)
        case events.Disconnected():
            upkeep.on_disconnected(turn)
        case events.PollEnded():
            upkeep.on_poll_ended(turn)
        case events.KeySetArrived():
            upkeep.on_key_set(turn, event)
        case events.KeySetFailed():
            upkeep.on_key_set_failed(turn)
        case events.Persisted():
            upkeep.on_persisted(turn, event)
        case events.StoreDamaged():
            turn.lose_basis(Rule.STORE_DAMAGED)
        case events.Started():
            upkeep.on_started(turn, event)
        case _:
            assert_never(event)
