"""What time and the surroundings do: start, link, polls of the second path, acks, key set, bringing the store to disk."""

from __future__ import annotations

from entitlements.policy.feed_state_catch_up import start_when_due
from entitlements.policy.feed_state_commands import (
    Ack,
    DropLink,
    FetchKeySet,
    OpenLink,
    Persist,
    PollSecondPath,
)
from entitlements.policy.feed_state_events import KeySetArrived, Persisted, Started
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_turn import Turn
from entitlements.policy.feed_state_value import (
    ACK_EVERY_MS,
    ACK_GAP_MS,
    HEARTBEAT_TIMEOUT_MS,
    KEY_SET_EVERY_MS,
    KEY_SET_GAP_MS,
    PERSIST_EVERY_MS,
    POLL_EVERY_MS,
    FeedState,
    Link,
)
from entitlements.policy.ids import Millis


def on_started(turn: Turn, event: Started) -> None:
    """Build on a verified store that is not below the floor; open the link before anything is read."""
    now = turn.now.mono_ms
    position = event.position
    usable = position is not None and position.version >= event.floor
    turn.note(
        Rule.STARTED_VERIFIED if usable else Rule.STARTED_UNLOADED if position is None else Rule.STARTED_BELOW_FLOOR
    )
    if usable and not event.fits:
        turn.note(Rule.STARTED_OTHER_EXTENT)
    turn.state = FeedState(
        position=position if usable else None,
        digest=event.digest if usable else b"",
        basis=usable and event.fits,
        forked=event.forked and usable,
        floor=event.floor,
        ring=(event.ring_tail or (position.chain,)) if usable and position is not None else (),
        issued_at_ms=event.fresh_at_ms,
        fresh_at_ms=event.fresh_at_ms,
        connect_at_mono_ms=now,
        poll_at_mono_ms=Millis(now + POLL_EVERY_MS),
        acked_mono_ms=Millis(now - int(ACK_EVERY_MS * turn.now.draw)),
        has_keys=event.has_keys,
        keys_asked_mono_ms=Millis(now - KEY_SET_GAP_MS),
        keys_at_mono_ms=now,
        persisted=event.floor,
        persist_at_mono_ms=now,
    )


def on_subscribed(turn: Turn) -> None:
    """Count a new generation: what was published since the last one may be lost."""
    if turn.state.link is Link.DOWN:
        turn.note(Rule.LINK_LATE)
        return
    turn.note(Rule.LINK_SUBSCRIBED)
    now = turn.now.mono_ms
    turn.change(
        link=Link.UP,
        generation=turn.state.generation + 1,
        bus_live=False,
        heard_mono_ms=now,
        poll_at_mono_ms=Millis(max(turn.state.poll_at_mono_ms, now + POLL_EVERY_MS)),
        wanted=True,
        failures=0,
        retry_at_mono_ms=now,
    )


def on_disconnected(turn: Turn, rule: Rule = Rule.LINK_LOST) -> None:
    """Open again after a jittered pause, and ask the control plane at once."""
    if turn.state.link is Link.DOWN:
        return
    turn.note(rule)
    now, failures = turn.now.mono_ms, turn.state.link_failures + 1
    turn.change(
        link=Link.DOWN,
        link_failures=failures,
        bus_live=False,
        connect_at_mono_ms=Millis(now + turn.pause_ms(failures)),
        poll_at_mono_ms=Millis(min(turn.state.poll_at_mono_ms, now)),
    )


def on_poll_ended(turn: Turn) -> None:
    """Poll again within a second."""
    turn.change(polling=False, poll_at_mono_ms=_jittered(turn, POLL_EVERY_MS))


def on_key_set(turn: Turn, event: KeySetArrived) -> None:
    """Look again at what older keys could not verify."""
    turn.change(fetching_keys=False, has_keys=True, keys_at_mono_ms=_jittered(turn, KEY_SET_EVERY_MS))
    if event.newer:
        turn.note(Rule.KEYS_NEWER)
        turn.change(wanted=True, failures=0, retry_at_mono_ms=turn.now.mono_ms)


def on_key_set_failed(turn: Turn) -> None:
    """Ask again soon; without any key set nothing can be verified."""
    turn.change(fetching_keys=False, keys_at_mono_ms=_jittered(turn, KEY_SET_GAP_MS))


def on_persisted(turn: Turn, event: Persisted) -> None:
    """Remember how far the floor has come."""
    state = turn.state
    turn.change(persisting=False, persist_at_mono_ms=Millis(turn.now.mono_ms + PERSIST_EVERY_MS))
    if event.floor is not None:
        turn.change(persisted=event.floor, floor=max(state.floor, event.floor))


def _jittered(turn: Turn, most_ms: Millis) -> Millis:
    """Return an instant between half of a length and all of it from now, so a fleet does not act in step."""
    return Millis(turn.now.mono_ms + most_ms // 2 + int(most_ms // 2 * turn.now.draw))


def settle(turn: Turn) -> None:
    """Start everything that is due at the end of a step."""
    now = turn.now.mono_ms
    if turn.state.link is not Link.DOWN and now - turn.state.heard_mono_ms > HEARTBEAT_TIMEOUT_MS:
        turn.do(DropLink())
        on_disconnected(turn, Rule.LINK_SILENT)
    if turn.state.link is Link.DOWN and now >= turn.state.connect_at_mono_ms:
        turn.change(link=Link.OPENING, heard_mono_ms=now)
        turn.do(OpenLink())
    state = turn.state
    if state.polls and not state.polling and now >= state.poll_at_mono_ms:
        turn.change(polling=True)
        turn.do(PollSecondPath())
    if not state.fetching_keys and now >= state.keys_at_mono_ms:
        turn.change(fetching_keys=True, keys_asked_mono_ms=now)
        turn.do(FetchKeySet())
    start_when_due(turn)
    _persist(turn)
    _ack(turn)


def _persist(turn: Turn) -> None:
    state = turn.state
    idle = not state.persisting and state.writing is None
    if idle and state.version > state.persisted and turn.now.mono_ms >= state.persist_at_mono_ms:
        turn.change(persisting=True)
        turn.do(Persist())


def _ack(turn: Turn) -> None:
    state = turn.state
    since = turn.now.mono_ms - state.acked_mono_ms
    if since >= ACK_EVERY_MS or (state.ack_due and since >= ACK_GAP_MS):
        turn.change(ack_due=False, acked_mono_ms=turn.now.mono_ms)
        turn.do(Ack(state.position, state.phase, state.basis, state.fresh_at_ms))


def wake_at(state: FeedState) -> Millis:
    """Return the monotonic instant at which the next Tick has something to do, if nothing else happens before."""
    instants = [state.acked_mono_ms + (ACK_GAP_MS if state.ack_due else ACK_EVERY_MS)]
    if state.link is Link.DOWN:
        instants.append(state.connect_at_mono_ms)
    else:
        instants.append(state.heard_mono_ms + HEARTBEAT_TIMEOUT_MS + 1)
    if state.polls and not state.polling:
        instants.append(state.poll_at_mono_ms)
    if not state.fetching_keys:
        instants.append(state.keys_at_mono_ms)
    if state.writing is None:
        if state.wanted and state.catch_up is None:
            instants.append(state.retry_at_mono_ms)
        if not state.persisting and state.version > state.persisted:
            instants.append(state.persist_at_mono_ms)
    return Millis(min(instants))
