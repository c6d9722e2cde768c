"""What the messages of a feed do: deltas, heartbeats, nudges, refusals. All but the refused are verified."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.policy.feed_state_commands import Apply, Pulse
from entitlements.policy.feed_state_events import (
    DeltaArrived,
    DeltaFacts,
    HeartbeatArrived,
    HeartbeatFacts,
    NudgeArrived,
    Refused,
)
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_turn import Turn
from entitlements.policy.feed_state_value import KEY_SET_GAP_MS, Path, Position, Version, Writing
from entitlements.policy.ids import Millis


def on_delta(turn: Turn, event: DeltaArrived) -> None:
    """Apply the next delta, drop what is known, and catch up or fork on anything else."""
    state, delta = turn.state, event.delta
    position = state.position
    if turn.too_far_ahead(delta.epoch):
        turn.note(Rule.DELTA_FUTURE_EPOCH)
        return
    if position is not None and delta.epoch < position.epoch:
        turn.note(Rule.DELTA_OLDER_EPOCH)
        turn.ack()
        return
    turn.see_head(Version(delta.epoch, delta.seq))
    if state.writing is not None:
        turn.note(Rule.DELTA_WHILE_WRITING)
        turn.want()
    elif position is None or delta.epoch > position.epoch:
        turn.note(Rule.DELTA_NEWER_EPOCH)
        turn.want()
    elif state.forked:
        turn.note(Rule.DELTA_WHILE_FORKED)
        turn.ack()
    elif not state.basis:
        turn.note(Rule.DELTA_NO_BASIS)
        turn.want()
    elif delta.seq <= position.seq:
        if state.chain_at(delta.seq) in {None, delta.chain}:
            turn.note(Rule.DELTA_DUPLICATE)
        else:
            turn.fork(Rule.DELTA_FORK_BEHIND)
    elif delta.seq > position.seq + 1:
        turn.note(Rule.DELTA_GAP)
        turn.want()
    elif delta.prev != position.chain:
        turn.fork(Rule.DELTA_FORK_AHEAD)
    else:
        turn.note(Rule.DELTA_NEXT)
        write(turn, (delta,), event.envelope)


def write(turn: Turn, deltas: Sequence[DeltaFacts], envelope: bytes) -> None:
    """Apply deltas that continue the present position."""
    last = deltas[-1]
    position = Position(last.epoch, last.seq, last.chain)
    turn.change(writing=Writing(position, tuple(delta.chain for delta in deltas), whole=False))
    turn.do(Apply(deltas, envelope))


def on_heartbeat(turn: Turn, event: HeartbeatArrived) -> None:
    """Let a new heartbeat confirm what the store holds, or show that it does not hold the head."""
    state, heartbeat = turn.state, event.heartbeat
    position = state.position
    if turn.now.wall_ms > heartbeat.not_after_ms:
        turn.note(Rule.HEARTBEAT_EXPIRED)
        return
    if heartbeat.issued_at_ms <= state.issued_at_ms:
        turn.note(Rule.HEARTBEAT_NOT_NEWER)
        return
    if turn.too_far_ahead(heartbeat.epoch):
        turn.note(Rule.HEARTBEAT_FUTURE_EPOCH)
        return
    _take(turn, event)
    if position is not None and heartbeat.epoch < position.epoch:
        turn.note(Rule.HEARTBEAT_OLDER_EPOCH)
        turn.ack()
        return
    turn.change(known_head=Version(heartbeat.epoch, heartbeat.seq))
    if state.writing is not None:
        turn.note(Rule.HEARTBEAT_WHILE_WRITING)
        turn.want()
    elif position is None or heartbeat.epoch > position.epoch:
        turn.note(Rule.HEARTBEAT_NEWER_EPOCH)
        turn.want()
    elif state.forked:
        turn.note(Rule.HEARTBEAT_WHILE_FORKED)
        turn.ack()
    elif heartbeat.seq > position.seq or not state.basis:
        turn.note(Rule.HEARTBEAT_AHEAD)
        turn.want()
    else:
        _compare(turn, heartbeat, position)


def _take(turn: Turn, event: HeartbeatArrived) -> None:
    turn.change(issued_at_ms=event.heartbeat.issued_at_ms)
    if event.path is Path.REDIS:
        turn.change(bus_live=True, heard_mono_ms=turn.now.mono_ms, link_failures=0)


def _compare(turn: Turn, heartbeat: HeartbeatFacts, position: Position) -> None:
    """Compare a head at or behind our position with our own history."""
    state = turn.state
    chain = state.chain_at(heartbeat.seq)
    at_head = heartbeat.seq == position.seq
    if chain is None:
        turn.note(Rule.HEARTBEAT_BEYOND_RING)
    elif chain != heartbeat.chain:
        turn.fork(Rule.HEARTBEAT_FORK)
    elif at_head and heartbeat.digest != state.digest:
        turn.lose_basis(Rule.HEARTBEAT_DRIFT)
    else:
        turn.note(Rule.HEARTBEAT_CONFIRMS)
        turn.do(Pulse(heartbeat.issued_at_ms, turn.now.wall_ms, turn.now.mono_ms))
        turn.change(
            fresh_at_ms=heartbeat.issued_at_ms,
            confirmed=True,
            ack_due=state.ack_due or not state.confirmed,
            failures=0,
            # nothing is left to catch up with: a signed head says so, whatever an emptied Redis says
            wanted=state.wanted and not (at_head and state.catch_up is None),
        )


def on_nudge(turn: Turn, event: NudgeArrived) -> None:
    """Look at the head when it is said to be ahead."""
    if event.version > turn.state.version and not turn.too_far_ahead(event.version.epoch):
        turn.note(Rule.NUDGE_AHEAD)
        turn.see_head(event.version)
        turn.want()
    else:
        turn.note(Rule.NUDGE_REACHED)


def on_refused(turn: Turn, event: Refused) -> None:
    """Look for a newer key set when the key is not known."""
    if event.unknown_key:
        ask_for_keys(turn)


def ask_for_keys(turn: Turn) -> None:
    """Fetch the key set soon, but not more often than the gap allows."""
    turn.note(Rule.KEYS_UNKNOWN)
    earliest = max(turn.now.mono_ms, turn.state.keys_asked_mono_ms + KEY_SET_GAP_MS)
    turn.change(keys_at_mono_ms=Millis(min(turn.state.keys_at_mono_ms, earliest)))
