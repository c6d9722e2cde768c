"""Every rule of the feed's transition table is applied in its own scene, with the effect that the table promises."""

from collections.abc import Callable

import pytest

from entitlements.policy.feed_state_commands import (
    Ack,
    Apply,
    DropLink,
    FetchHead,
    FetchKeySet,
    FetchRange,
    FetchSnapshot,
    OpenLink,
    PollSecondPath,
    Pulse,
    Replace,
    SetForked,
)
from entitlements.policy.feed_state_events import (
    ApplyFailed,
    DeltaArrived,
    Disconnected,
    FetchFailed,
    FetchProblem,
    Head,
    HeadArrived,
    HeartbeatArrived,
    KeySetArrived,
    NudgeArrived,
    RangeArrived,
    Refused,
    SnapshotArrived,
    Started,
    StoreDamaged,
    Subscribed,
    Tick,
    WriteProblem,
)
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import Link, Path, Phase, Version
from entitlements.policy.ids import Epoch, Millis, Seq
from tests.support.feed_bench import (
    EPOCH,
    WALL_MS,
    Bench,
    HeartbeatOf,
    chain,
    delta,
    digest,
    manifest,
    position,
    version,
)

NEWER = EPOCH + 1_000
FAR = WALL_MS // 1000 + 86_400 * 2
Scene = Callable[[], Bench]
SCENES: dict[Rule, Scene] = {}


def scene(rule: Rule) -> Callable[[Scene], Scene]:
    """Register the scene of a rule."""

    def register(play: Scene) -> Scene:
        assert rule not in SCENES
        SCENES[rule] = play
        return play

    return register


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name.lower())
def test_rule_is_applied_in_its_scene(rule: Rule) -> None:
    """The scene of a rule ends with a step that notes it; each scene asserts the effect itself."""
    assert rule in SCENES[rule]().rules


def at_head() -> Bench:
    """Return a bench at seq 10, subscribed, confirmed by a heartbeat, with no catch-up under way."""
    bench = Bench().started(10).subscribed()
    bench.hear(10)
    answer_head(bench, 10)
    assert bench.state.phase is Phase.LIVE
    assert bench.state.catch_up is None
    bench.wait(1_000)
    bench.forget()
    return bench


def unloaded() -> Bench:
    """Return a bench without a store, subscribed, that has asked Redis for the head."""
    return Bench().started(None).subscribed()


def answer_head(bench: Bench, seq: int, epoch: int = EPOCH, low: int = 1) -> None:
    """Answer the head that is asked for."""
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(Epoch(epoch), Seq(seq), Seq(low))))


def behind() -> Bench:
    """Return a bench at seq 10 that waits for the range up to 20."""
    bench = at_head()
    bench.hear(20)
    answer_head(bench, 20)
    return bench


def asking_snapshot(bench: Bench | None = None, epoch: int = NEWER) -> Bench:
    """Return a bench that waits for a snapshot of a newer epoch."""
    bench = bench or at_head()
    bench.hear(5, epoch=epoch)
    answer_head(bench, 5, epoch)
    assert bench.state.catch_up is not None
    return bench


def forked() -> Bench:
    """Return a bench at seq 10 that has seen proof of another history."""
    bench = at_head()
    bench.hear(10, branch="other")
    assert bench.state.forked
    bench.wait(1_000)
    bench.forget()
    return bench


def writing() -> Bench:
    """Return a bench whose write of seq 11 is not reported yet."""
    bench = at_head()
    bench.deliver(11)
    assert bench.says(Apply)
    return bench


def without_basis() -> Bench:
    """Return a bench at seq 10 whose stored set is not to be built upon."""
    bench = at_head()
    bench.tell(StoreDamaged())
    assert not bench.state.basis
    bench.wait(1_000)
    bench.forget()
    return bench


def unmoved(bench: Bench) -> Bench:
    """Assert that the position stayed, and that nothing was written or confirmed."""
    assert bench.state.version == version(10)
    assert not bench.says(Apply)
    assert not bench.says(Replace)
    assert not bench.says(Pulse)
    return bench


def catches_up(bench: Bench) -> Bench:
    """Assert that nothing was written and a source is asked for the head."""
    assert bench.says(FetchHead)
    return unmoved(bench)


def drops(bench: Bench) -> Bench:
    """Assert that nothing at all follows but perhaps an ack."""
    assert not bench.says(FetchHead)
    assert not bench.state.forked
    return unmoved(bench)


def forks(bench: Bench) -> Bench:
    """Assert that the store is marked, the catch-up ended, and an ack says so."""
    assert bench.says(SetForked)
    assert bench.state.phase is Phase.FORKED
    assert bench.state.catch_up is None
    assert bench.last(Ack).phase is Phase.FORKED
    return unmoved(bench)


@scene(Rule.STARTED_VERIFIED)
def _() -> Bench:
    bench = Bench().started(10, floor=version(10))
    assert bench.state.basis
    assert bench.state.version == version(10)
    assert bench.says(OpenLink)
    assert not bench.says(FetchHead), "nothing is read before the subscription stands"
    return bench


@scene(Rule.STARTED_UNLOADED)
def _() -> Bench:
    bench = Bench().started(None, floor=version(7))
    assert bench.state.phase is Phase.UNLOADED
    assert bench.state.floor == version(7)
    return bench


@scene(Rule.STARTED_BELOW_FLOOR)
def _() -> Bench:
    bench = Bench().started(10, floor=version(11))
    assert bench.state.phase is Phase.UNLOADED
    assert not bench.state.ring
    return bench


@scene(Rule.STARTED_OTHER_EXTENT)
def _() -> Bench:
    bench = Bench()
    bench.tell(Started(position(10), digest(10), fits=False, fresh_at_ms=Millis(1), has_keys=True))
    assert bench.state.position == position(10)
    assert not bench.state.basis
    bench.subscribed()
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(10), Seq(1))))
    assert bench.says(FetchSnapshot)
    return bench


@scene(Rule.LINK_SUBSCRIBED)
def _() -> Bench:
    bench = at_head()
    generation = bench.state.generation
    bench.tell(Subscribed())
    assert bench.state.generation == generation + 1
    return catches_up(bench)


@scene(Rule.LINK_LATE)
def _() -> Bench:
    bench = at_head()
    bench.tell(Disconnected())
    bench.tell(Subscribed())
    assert bench.state.link is Link.DOWN
    return bench


@scene(Rule.LINK_LOST)
def _() -> Bench:
    bench = at_head()
    bench.tell(Disconnected())
    assert bench.says(PollSecondPath), "the control plane is asked at once"
    assert not bench.says(OpenLink)
    bench.wait(101)
    bench.tell(Tick())
    assert bench.says(OpenLink), "full jitter: half of 200 ms for a draw of one half"
    return bench


@scene(Rule.LINK_SILENT)
def _() -> Bench:
    bench = at_head()
    bench.wait(2_000)
    bench.tell(Tick())
    assert not bench.says(DropLink)
    bench.wait(1)
    bench.tell(Tick())
    assert bench.says(DropLink)
    assert bench.says(PollSecondPath)
    return bench


@scene(Rule.DELTA_FUTURE_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.deliver(11, epoch=FAR)
    return drops(bench)


@scene(Rule.DELTA_OLDER_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.deliver(11, epoch=EPOCH - 1)
    assert bench.says(Ack)
    return drops(bench)


@scene(Rule.DELTA_WHILE_WRITING)
def _() -> Bench:
    bench = writing()
    bench.forget()
    bench.deliver(12)
    assert not bench.says(Apply)
    assert not bench.says(FetchHead), "not before the write is over"
    bench.commit(11)
    assert bench.says(FetchHead)
    return bench


@scene(Rule.DELTA_NEWER_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.deliver(1, epoch=NEWER)
    return catches_up(bench)


@scene(Rule.DELTA_WHILE_FORKED)
def _() -> Bench:
    bench = forked()
    bench.deliver(11)
    assert bench.says(Ack)
    assert not bench.says(FetchHead)
    return unmoved(bench)


@scene(Rule.DELTA_NO_BASIS)
def _() -> Bench:
    bench = Bench().started(10).subscribed()
    bench.tell(StoreDamaged())
    bench.deliver(11)
    assert bench.state.wanted
    return unmoved(bench)


@scene(Rule.DELTA_DUPLICATE)
def _() -> Bench:
    bench = at_head()
    bench.deliver(10)
    bench.deliver(3)
    assert bench.rules == [Rule.DELTA_DUPLICATE, Rule.DELTA_DUPLICATE]
    return drops(bench)


@scene(Rule.DELTA_FORK_BEHIND)
def _() -> Bench:
    bench = at_head()
    bench.deliver(10, branch="other")
    return forks(bench)


@scene(Rule.DELTA_GAP)
def _() -> Bench:
    bench = at_head()
    bench.deliver(12)
    return catches_up(bench)


@scene(Rule.DELTA_FORK_AHEAD)
def _() -> Bench:
    bench = at_head()
    bench.deliver(11, branch="other")
    return forks(bench)


@scene(Rule.DELTA_NEXT)
def _() -> Bench:
    bench = at_head()
    bench.deliver(11)
    assert list(bench.last(Apply).deltas) == [delta(11)]
    return bench


@scene(Rule.NUDGE_AHEAD)
def _() -> Bench:
    bench = at_head()
    bench.tell(NudgeArrived(version(11)))
    return catches_up(bench)


@scene(Rule.NUDGE_REACHED)
def _() -> Bench:
    bench = at_head()
    bench.tell(NudgeArrived(version(10)))
    bench.tell(NudgeArrived(version(11, FAR)))
    return drops(bench)


@scene(Rule.HEARTBEAT_EXPIRED)
def _() -> Bench:
    bench = at_head()
    late = HeartbeatOf(EPOCH, Seq(10), chain(10), digest(10), bench.wall_ms, Millis(bench.wall_ms - 1))
    bench.tell(HeartbeatArrived(late, Path.REDIS))
    return drops(bench)


@scene(Rule.HEARTBEAT_NOT_NEWER)
def _() -> Bench:
    bench = at_head()
    bench.hear(10)
    assert bench.says(Pulse)
    bench.forget()
    bench.hear(10)
    return drops(bench)


@scene(Rule.HEARTBEAT_FUTURE_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.hear(1, epoch=FAR)
    return drops(bench)


@scene(Rule.HEARTBEAT_OLDER_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.hear(99, epoch=EPOCH - 1)
    assert bench.says(Ack), "a sidecar ahead of a restored database is noticed by its ack alone"
    return drops(bench)


@scene(Rule.HEARTBEAT_WHILE_WRITING)
def _() -> Bench:
    bench = writing()
    bench.forget()
    bench.hear(11)
    assert not bench.says(Pulse)
    return bench


@scene(Rule.HEARTBEAT_NEWER_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.hear(0, epoch=NEWER)
    return catches_up(bench)


@scene(Rule.HEARTBEAT_WHILE_FORKED)
def _() -> Bench:
    bench = forked()
    bench.hear(10)
    assert bench.says(Ack)
    assert bench.state.forked, "agreement later on does not undo a fork"
    return unmoved(bench)


@scene(Rule.HEARTBEAT_AHEAD)
def _() -> Bench:
    bench = at_head()
    bench.hear(11)
    assert bench.state.phase is Phase.BEHIND
    return catches_up(bench)


@scene(Rule.HEARTBEAT_BEYOND_RING)
def _() -> Bench:
    bench = at_head()
    bench.hear(3)
    return drops(bench)


@scene(Rule.HEARTBEAT_FORK)
def _() -> Bench:
    bench = at_head()
    bench.hear(10, branch="other")
    return forks(bench)


@scene(Rule.HEARTBEAT_DRIFT)
def _() -> Bench:
    bench = at_head()
    beat = HeartbeatOf(EPOCH, Seq(10), chain(10), b"another", bench.wall_ms, Millis(bench.wall_ms + 1))
    bench.tell(HeartbeatArrived(beat, Path.REDIS))
    assert not bench.state.basis
    assert not bench.last(Ack).digest_ok
    return catches_up(bench)


@scene(Rule.HEARTBEAT_CONFIRMS)
def _() -> Bench:
    bench = at_head()
    bench.follow(11)
    bench.hear(10)
    assert bench.last(Pulse) == Pulse(bench.wall_ms, bench.wall_ms, bench.mono_ms), "an older head on our own branch"
    return bench


@scene(Rule.HEAD_STALE_ANSWER)
def _() -> Bench:
    bench = behind()
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, Head(EPOCH, Seq(30), Seq(1))))
    assert bench.state.catch_up is not None
    assert bench.state.catch_up.head == version(20)
    return bench


@scene(Rule.HEAD_MISSING)
def _() -> Bench:
    bench = at_head()
    bench.hear(20)
    bench.tell(HeadArrived(bench.last(FetchHead).ticket, None))
    assert bench.last(FetchHead).path is Path.CONTROL
    return unmoved(bench)


@scene(Rule.HEAD_FUTURE_EPOCH)
def _() -> Bench:
    bench = at_head()
    bench.hear(20)
    answer_head(bench, 1, FAR)
    assert not bench.says(FetchSnapshot)
    return unmoved(bench)


@scene(Rule.HEAD_OLDER)
def _() -> Bench:
    bench = at_head()
    bench.hear(20)
    answer_head(bench, 19)
    assert bench.last(FetchHead).path is Path.CONTROL
    answer_head(bench, 99, EPOCH - 1)
    assert bench.rules[-2:] == [Rule.HEAD_OLDER, Rule.FETCH_LATER]
    return unmoved(bench)


@scene(Rule.HEAD_WHILE_FORKED)
def _() -> Bench:
    bench = forked()
    bench.tell(Subscribed())
    answer_head(bench, 50)
    assert bench.state.catch_up is None
    assert not bench.says(FetchSnapshot)
    return unmoved(bench)


@scene(Rule.HEAD_NEEDS_SNAPSHOT)
def _() -> Bench:
    bench = at_head()
    bench.hear(20)
    answer_head(bench, 20, low=12)
    assert bench.last(FetchSnapshot).at_least == version(10)
    return unmoved(bench)


@scene(Rule.HEAD_BEHIND)
def _() -> Bench:
    bench = behind()
    assert bench.last(FetchRange).after.version == version(10)
    return unmoved(bench)


@scene(Rule.HEAD_REACHED)
def _() -> Bench:
    bench = at_head()
    bench.tell(Subscribed())
    answer_head(bench, 10, low=99)
    assert bench.state.catch_up is None
    return unmoved(bench)


@scene(Rule.RANGE_EMPTY)
def _() -> Bench:
    bench = behind()
    bench.tell(RangeArrived(bench.last(FetchRange).ticket, ()))
    assert bench.last(FetchRange).path is Path.CONTROL
    return unmoved(bench)


@scene(Rule.RANGE_GAP)
def _() -> Bench:
    bench = behind()
    bench.tell(RangeArrived(bench.last(FetchRange).ticket, [delta(12), delta(13)]))
    assert bench.says(FetchSnapshot)
    return unmoved(bench)


@scene(Rule.RANGE_FORK)
def _() -> Bench:
    bench = behind()
    bench.tell(RangeArrived(bench.last(FetchRange).ticket, [delta(11, "other"), delta(12, "other")]))
    return forks(bench)


@scene(Rule.RANGE_NEXT)
def _() -> Bench:
    bench = behind()
    bench.tell(RangeArrived(bench.last(FetchRange).ticket, [delta(10), delta(11), delta(12)], b"last"))
    assert list(bench.last(Apply).deltas) == [delta(11), delta(12)]
    bench.commit(12)
    assert bench.last(FetchRange).after.version == version(12), "until the head is reached"
    return bench


@scene(Rule.RANGE_SUPERSEDED)
def _() -> Bench:
    bench = behind()
    ticket = bench.last(FetchRange).ticket
    bench.tell(StoreDamaged())
    bench.forget()
    bench.tell(RangeArrived(ticket, [delta(11)]))
    assert bench.says(FetchHead)
    return unmoved(bench)


@scene(Rule.SNAPSHOT_FUTURE_EPOCH)
def _() -> Bench:
    bench = asking_snapshot()
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(5, epoch=FAR), b""))
    return unmoved(bench)


@scene(Rule.SNAPSHOT_BELOW_FLOOR)
def _() -> Bench:
    bench = Bench().started(None, floor=version(10)).subscribed()
    answer_head(bench, 20)
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(9), b""))
    assert not bench.says(Replace)
    assert bench.last(FetchSnapshot).path is Path.CONTROL
    return bench


@scene(Rule.SNAPSHOT_SAME_EPOCH)
def _() -> Bench:
    bench = asking_snapshot(forked())
    assert bench.last(FetchSnapshot).above == EPOCH
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(99), b""))
    assert bench.state.forked
    return unmoved(bench)


@scene(Rule.SNAPSHOT_SUPERSEDED)
def _() -> Bench:
    bench = asking_snapshot()
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(10), b""))
    return unmoved(bench)


@scene(Rule.SNAPSHOT_TAKEN)
def _() -> Bench:
    bench = asking_snapshot()
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(5, epoch=NEWER), b"m", ["records"]))
    assert bench.last(Replace) == Replace(manifest(5, epoch=NEWER), b"m", ["records"])
    return bench


@scene(Rule.FETCH_TRIMMED)
def _() -> Bench:
    bench = behind()
    bench.tell(FetchFailed(bench.last(FetchRange).ticket, FetchProblem.TRIMMED))
    assert bench.last(FetchSnapshot).path is Path.REDIS
    return unmoved(bench)


@scene(Rule.FETCH_OTHER_PATH)
def _() -> Bench:
    bench = behind()
    bench.tell(FetchFailed(bench.last(FetchRange).ticket))
    assert bench.last(FetchRange).path is Path.CONTROL
    return unmoved(bench)


@scene(Rule.FETCH_LATER)
def _() -> Bench:
    bench = behind()
    bench.tell(FetchFailed(bench.last(FetchRange).ticket))
    bench.tell(FetchFailed(bench.last(FetchRange).ticket))
    bench.forget()
    bench.wait(100)
    bench.tell(Tick())
    assert not bench.says(FetchHead)
    bench.wait(1)
    bench.tell(Tick())
    assert bench.says(FetchHead)
    return behind_twice_failed(bench)


def behind_twice_failed(bench: Bench) -> Bench:
    """Fail both paths once more, so that the rule is noted again after `forget`."""
    bench.tell(FetchFailed(bench.last(FetchHead).ticket))
    bench.tell(FetchFailed(bench.last(FetchHead).ticket))
    assert bench.state.failures == 2
    return unmoved(bench)


@scene(Rule.WRITE_APPLIED)
def _() -> Bench:
    bench = writing()
    bench.commit(11)
    assert bench.state.version == version(11)
    assert bench.state.ring == (chain(10), chain(11))
    assert bench.state.digest == digest(11)
    return bench


@scene(Rule.WRITE_REPLACED)
def _() -> Bench:
    bench = asking_snapshot(forked())
    bench.tell(SnapshotArrived(bench.last(FetchSnapshot).ticket, manifest(5, epoch=NEWER), b"m"))
    bench.commit(5, epoch=NEWER)
    assert not bench.state.forked
    assert bench.state.basis
    assert bench.state.ring == (chain(5, epoch=NEWER),)
    assert bench.says(FetchHead), "what came after the snapshot is fetched next"
    return bench


@scene(Rule.WRITE_DIGEST_MISMATCH)
def _() -> Bench:
    bench = writing()
    bench.tell(ApplyFailed(WriteProblem.DIGEST_MISMATCH))
    assert bench.state.version == version(10)
    assert not bench.state.basis
    bench.wait(5_000)
    bench.tell(Tick())
    answer_head(bench, 11)
    assert bench.says(FetchSnapshot)
    return bench


@scene(Rule.WRITE_FAILED)
def _() -> Bench:
    bench = writing()
    bench.tell(ApplyFailed(WriteProblem.STORE))
    assert bench.state.version == version(10)
    assert bench.state.basis, "a full disk says nothing against what is stored"
    assert bench.state.wanted
    return bench


@scene(Rule.STORE_DAMAGED)
def _() -> Bench:
    bench = at_head()
    bench.tell(StoreDamaged())
    answer_head(bench, 10)
    assert bench.says(FetchSnapshot)
    return unmoved(bench)


@scene(Rule.KEYS_UNKNOWN)
def _() -> Bench:
    bench = at_head()
    bench.tell(KeySetArrived(newer=False))
    bench.forget()
    bench.wait(2_000)
    bench.tell(Refused(unknown_key=True))
    assert bench.says(FetchKeySet)
    bench.tell(KeySetArrived(newer=False))
    bench.forget()
    bench.tell(Refused(unknown_key=True))
    assert not bench.says(FetchKeySet), "at most every two seconds"
    return bench


@scene(Rule.KEYS_NEWER)
def _() -> Bench:
    bench = at_head()
    bench.tell(KeySetArrived(newer=True))
    return catches_up(bench)


def test_every_rule_has_exactly_one_row() -> None:
    """Two members with the same words would be one member under two names, and would never be told apart."""
    assert len({(rule.event, rule.guard, rule.action) for rule in Rule}) == len(Rule.__members__) == len(SCENES)


def test_delta_event_carries_its_envelope_to_the_store() -> None:
    """What is stored as proof is what was received."""
    bench = at_head()
    bench.tell(DeltaArrived(delta(11), b"proof"))
    assert bench.last(Apply).envelope == b"proof"


def test_version_orders_by_epoch_first() -> None:
    """A new epoch is ahead of every seq of an older one."""
    assert Version(Epoch(2), Seq(0)) > Version(Epoch(1), Seq(999))
