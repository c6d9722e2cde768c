"""The one way to catch up, level-triggered and single-flight: look at the head, then fetch pages or a snapshot until it is reached.

What a source says of the head is a hint. Only verified deltas and snapshots move the position, and only they prove a fork.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from entitlements.policy.feed_state_commands import Command, FetchHead, FetchRange, FetchSnapshot, Replace
from entitlements.policy.feed_state_events import (
    Applied,
    ApplyFailed,
    DeltaFacts,
    FetchFailed,
    FetchProblem,
    Head,
    HeadArrived,
    RangeArrived,
    SnapshotArrived,
    WriteProblem,
)
from entitlements.policy.feed_state_frames import ask_for_keys, write
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_turn import Turn
from entitlements.policy.feed_state_value import (
    RING_SIZE,
    CatchUp,
    FeedState,
    Link,
    Path,
    Position,
    Stage,
    Version,
    Writing,
)


def start_when_due(turn: Turn) -> None:
    """Begin the catch-up that is wanted, unless one is under way, a write is, or the pause is not over."""
    state = turn.state
    if state.wanted and state.catch_up is None and state.writing is None and turn.now.mono_ms >= state.retry_at_mono_ms:
        path = Path.REDIS if state.link is Link.UP else Path.CONTROL
        turn.change(wanted=False)
        _ask(turn, CatchUp(Stage.HEAD, 0, path))


def _ask(turn: Turn, catch_up: CatchUp) -> None:
    """Send the fetch of a stage, under a new ticket."""
    ticket = turn.state.tickets + 1
    turn.change(tickets=ticket, catch_up=replace(catch_up, ticket=ticket))
    turn.do(_fetch(turn.state, catch_up.stage, ticket, catch_up.path))


def _fetch(state: FeedState, stage: Stage, ticket: int, path: Path) -> Command:
    if stage is Stage.RANGE and state.position is not None:
        return FetchRange(ticket, path, state.position)
    if stage is Stage.SNAPSHOT:
        above = state.position.epoch if state.forked and state.position is not None else None
        return FetchSnapshot(ticket, path, max(state.floor, state.version), above)
    return FetchHead(ticket, path)


def _awaited(turn: Turn, ticket: int, stage: Stage | None = None) -> CatchUp | None:
    """Return the catch-up that waits for this answer, or None when the answer came too late to matter."""
    found = turn.state.catch_up
    if found is None or found.ticket != ticket or stage not in {None, found.stage}:
        turn.note(Rule.HEAD_STALE_ANSWER)
        return None
    return found


def _other_path(turn: Turn, catch_up: CatchUp) -> None:
    if catch_up.other_tried:
        turn.note(Rule.FETCH_LATER)
        turn.try_later()
    else:
        turn.note(Rule.FETCH_OTHER_PATH)
        _ask(turn, replace(catch_up, path=catch_up.path.other, other_tried=True))


def _look_again(turn: Turn, catch_up: CatchUp) -> None:
    _ask(turn, replace(catch_up, stage=Stage.HEAD))


def on_head(turn: Turn, event: HeadArrived) -> None:
    """Choose between a page, a snapshot and nothing."""
    catch_up = _awaited(turn, event.ticket, Stage.HEAD)
    if catch_up is None:
        return
    head, state = event.head, turn.state
    doubt = _doubt(turn, head)
    if head is None or doubt is not None:
        turn.note(doubt or Rule.HEAD_MISSING)
        _other_path(turn, catch_up)
        return
    position = state.position
    seen = replace(catch_up, head=head.version)
    if state.forked and position is not None and head.epoch <= position.epoch:
        turn.note(Rule.HEAD_WHILE_FORKED)
        turn.change(catch_up=None)
    elif position is None or not state.basis or head.epoch > position.epoch or _trimmed(head, position):
        turn.note(Rule.HEAD_NEEDS_SNAPSHOT)
        _ask(turn, replace(seen, stage=Stage.SNAPSHOT))
    elif head.seq > position.seq:
        turn.note(Rule.HEAD_BEHIND)
        _ask(turn, replace(seen, stage=Stage.RANGE))
    else:
        turn.note(Rule.HEAD_REACHED)
        turn.change(catch_up=None, failures=0)


def _doubt(turn: Turn, head: Head | None) -> Rule | None:
    """Return why a source's head is not worth following."""
    state = turn.state
    if head is None:
        return Rule.HEAD_MISSING
    if turn.too_far_ahead(head.epoch):
        return Rule.HEAD_FUTURE_EPOCH
    if head.epoch < state.version.epoch or head.version < state.known_head:
        return Rule.HEAD_OLDER
    return None


def _trimmed(head: Head, position: Position) -> bool:
    return head.seq > position.seq and head.min_replay_seq > position.seq + 1


def on_range(turn: Turn, event: RangeArrived) -> None:
    """Apply the part of a page that lies beyond us, if it continues our history."""
    catch_up = _awaited(turn, event.ticket, Stage.RANGE)
    if catch_up is None:
        return
    state = turn.state
    position = state.position
    if position is None or state.writing is not None or state.forked or not state.basis:
        turn.note(Rule.RANGE_SUPERSEDED)
        _look_again(turn, catch_up)
        return
    known = [delta for delta in event.deltas if Version(delta.epoch, delta.seq) <= position.version]
    beyond = event.deltas[len(known) :]
    if any(_differs(state, delta) for delta in known):
        turn.fork(Rule.RANGE_FORK)
    elif not beyond and position.version >= catch_up.head:
        turn.note(Rule.RANGE_SUPERSEDED)
        _look_again(turn, catch_up)
    elif not beyond:
        turn.note(Rule.RANGE_EMPTY)
        _other_path(turn, catch_up)
    elif beyond[0].epoch != position.epoch or beyond[0].seq != position.seq + 1:
        turn.note(Rule.RANGE_GAP)
        _ask(turn, replace(catch_up, stage=Stage.SNAPSHOT))
    elif beyond[0].prev != position.chain:
        turn.fork(Rule.RANGE_FORK)
    else:
        turn.note(Rule.RANGE_NEXT)
        turn.change(catch_up=replace(catch_up, stage=Stage.WRITE))
        write(turn, beyond, event.envelope)


def _differs(state: FeedState, delta: DeltaFacts) -> bool:
    return delta.epoch == state.version.epoch and state.chain_at(delta.seq) not in {None, delta.chain}


def on_snapshot(turn: Turn, event: SnapshotArrived) -> None:
    """Replace everything by a snapshot that does not take us back."""
    catch_up = _awaited(turn, event.ticket, Stage.SNAPSHOT)
    if catch_up is None:
        return
    state, manifest = turn.state, event.manifest
    version = Version(manifest.epoch, manifest.seq)
    objection = _objection(turn, version)
    if objection is not None:
        turn.note(objection)
        _other_path(turn, catch_up)
    elif state.writing is not None or (state.basis and not state.forked and version == state.version):
        turn.note(Rule.SNAPSHOT_SUPERSEDED)
        _other_path(turn, catch_up)
    else:
        turn.note(Rule.SNAPSHOT_TAKEN)
        position = Position(manifest.epoch, manifest.seq, manifest.chain)
        turn.change(
            catch_up=replace(catch_up, stage=Stage.WRITE), writing=Writing(position, (manifest.chain,), whole=True)
        )
        turn.do(Replace(manifest, event.envelope, event.records))


def _objection(turn: Turn, version: Version) -> Rule | None:
    """Return why a snapshot must not be taken."""
    state = turn.state
    if turn.too_far_ahead(version.epoch):
        return Rule.SNAPSHOT_FUTURE_EPOCH
    if version < max(state.floor, state.version):
        return Rule.SNAPSHOT_BELOW_FLOOR
    if state.forked and version.epoch <= state.version.epoch:
        return Rule.SNAPSHOT_SAME_EPOCH
    return None


def on_fetch_failed(turn: Turn, event: FetchFailed) -> None:
    """Try the other path, then later; a trimmed range asks for a snapshot."""
    catch_up = _awaited(turn, event.ticket)
    if catch_up is None:
        return
    if event.problem is FetchProblem.UNKNOWN_KEY:
        ask_for_keys(turn)
    if event.problem is FetchProblem.TRIMMED and catch_up.stage is Stage.RANGE:
        turn.note(Rule.FETCH_TRIMMED)
        _ask(turn, replace(catch_up, stage=Stage.SNAPSHOT))
    else:
        _other_path(turn, catch_up)


def on_applied(turn: Turn, event: Applied) -> None:
    """Move to where the store is now, and go on with the catch-up that asked for the write."""
    state, writing = turn.state, turn.state.writing
    if writing is None:
        return
    moved = {"position": event.position, "digest": event.digest, "writing": None, "ack_due": True}
    if writing.whole:
        turn.note(Rule.WRITE_REPLACED)
        turn.change(**moved, ring=writing.chains, basis=True, forked=False, confirmed=False)
    else:
        turn.note(Rule.WRITE_APPLIED)
        turn.change(**moved, ring=(state.ring + writing.chains)[-RING_SIZE:])
    catch_up = turn.state.catch_up
    if catch_up is None or catch_up.stage is not Stage.WRITE:
        return
    if not writing.whole and event.position.version < catch_up.head:
        _ask(turn, replace(catch_up, stage=Stage.RANGE))
    else:
        _look_again(turn, catch_up)


def on_apply_failed(turn: Turn, event: ApplyFailed) -> None:
    """Stop building on a set that is not the signed one; wait when the store itself fails."""
    if turn.state.writing is None:
        return
    turn.change(writing=None)
    if event.problem is WriteProblem.DIGEST_MISMATCH:
        turn.lose_basis(Rule.WRITE_DIGEST_MISMATCH)
    elif event.problem is WriteProblem.STORE:
        turn.note(Rule.WRITE_FAILED)
    else:
        assert_never(event.problem)
    turn.try_later()
