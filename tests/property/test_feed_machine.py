"""The feed's core against a world that loses, repeats, reorders, restores and forgets.

Invariants (docs/reference/feed.md): I1 the content at a position is the database's, I2 the position never goes back, I4 what is called
fresh is fresh, I5 nothing is unknown before a whole set, I9 convergence after calm, I14 an epoch changes by snapshot alone, I15 the floor
holds. `MUTANTS` are cores with one defence removed; the same machine must catch each of them, and `caught by` says which invariant did.
"""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from entitlements.policy.feed_state import FeedState, Moment, step
from entitlements.policy.feed_state_commands import Apply, Command, Note, OpenLink, Pulse
from entitlements.policy.feed_state_events import (
    DeltaArrived,
    Event,
    HeartbeatArrived,
    SnapshotArrived,
    Started,
    Subscribed,
)
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import NO_VERSION, Link, Position, Writing
from entitlements.policy.ids import Seq
from tests.support.feed_bench import HeartbeatOf
from tests.support.feed_world import Database, Delta, RedisCopy, Step, World

Outcome = tuple[FeedState, list[Command]]


class FeedMachine(RuleBasedStateMachine):
    """One sidecar in a world of faults; invariants are checked after every step of the core."""

    core: Step = staticmethod(step)

    @initialize(seed=st.integers(0, 2**32), skew_ms=st.sampled_from([0, 0, 400, 2_000]), written=st.integers(0, 8))
    def build(self, seed: int, skew_ms: int, written: int) -> None:
        """Begin with an empty database and a sidecar without a store, or with some history and a sidecar at the head."""
        self.world = World(seed, skew_ms, type(self).core)
        for number in range(written):
            self.world.write("i", number)
        if written:
            self.world.calm()
        self.backup: Database = self.world.database.copy()
        self.replica: RedisCopy = self.world.redis.copy()

    @rule(key=st.sampled_from("abc"), value=st.integers(0, 9))
    def write(self, key: str, value: int) -> None:
        """Commit a change."""
        self.world.write(key, value)

    @rule(count=st.integers(5, 15))
    def write_many(self, count: int) -> None:
        """Commit more changes than the log keeps."""
        for number in range(count):
            self.world.write("m", number)

    @rule()
    def publish(self) -> None:
        """Run the publisher once."""
        self.world.publish()

    @rule(ms=st.sampled_from([20, 300, 1_100, 3_200, 9_000]))
    def advance(self, ms: int) -> None:
        """Let time pass without anything happening."""
        self.world.advance(ms)

    @rule(seconds=st.integers(1, 4))
    def live(self, seconds: int) -> None:
        """Let everything that works go on working for a while."""
        for _ in range(seconds):
            self.world.advance(1_000)
            self.world.publish()
            self._settle()

    def _settle(self) -> None:
        for message in list(self.world.bus):
            self.world.hear(message)
        self.world.bus.clear()
        for _ in range(len(self.world.pending)):
            self.world.complete(0)

    @rule()
    def settle(self) -> None:
        """Deliver and answer everything that waits."""
        self._settle()

    @precondition(lambda self: self.world.bus)
    @rule(index=st.integers(0, 50), keep=st.booleans())
    def deliver(self, index: int, keep: bool) -> None:  # noqa: FBT001 - drawn
        """Deliver any waiting message, in any order, once or more often."""
        at = index % len(self.world.bus)
        message = self.world.bus[at] if keep else self.world.bus.pop(at)
        self.world.hear(message)

    @precondition(lambda self: self.world.bus)
    @rule(index=st.integers(0, 50))
    def lose(self, index: int) -> None:
        """Lose a waiting message."""
        self.world.bus.pop(index % len(self.world.bus))

    @precondition(lambda self: self.world.history and self.world.link == "up")
    @rule(index=st.integers(0, 500))
    def replay(self, index: int) -> None:
        """Bring any message of the past again, as whoever holds Redis can."""
        self.world.hear(self.world.history[index % len(self.world.history)])

    @precondition(lambda self: self.world.pending)
    @rule(index=st.integers(0, 20), fail=st.booleans())
    def answer(self, index: int, fail: bool) -> None:  # noqa: FBT001 - drawn
        """Answer one waiting command, or fail it."""
        self.world.complete(index, fail=fail)

    @rule()
    def cut(self) -> None:
        """Cut the subscription."""
        self.world.cut()

    @precondition(lambda self: self.world.link == "up")
    @rule()
    def half_open(self) -> None:
        """Let everything on the subscription vanish without an error."""
        self.world.link = "half"
        self.world.bus.clear()

    @precondition(lambda self: self.world.link == "up")
    @rule()
    def resubscribe_silently(self) -> None:
        """Lose what waits, and reconnect beneath the sidecar."""
        self.world.bus.clear()
        self.world.tell(Subscribed())

    @rule(up=st.booleans())
    def redis(self, up: bool) -> None:  # noqa: FBT001 - drawn
        """Redis goes away with its data in place, or comes back."""
        self.world.redis_up = up
        if not up:
            self.world.cut()

    @rule()
    def wipe(self) -> None:
        """Redis loses everything it holds."""
        self.world.redis = RedisCopy()

    @rule()
    def replicate(self) -> None:
        """The replica catches up."""
        self.replica = self.world.redis.copy()

    @rule()
    def fail_over(self) -> None:
        """The replica, which may be older, takes over."""
        self.world.redis = self.replica.copy()
        self.world.cut()

    @rule(up=st.booleans())
    def control(self, up: bool) -> None:  # noqa: FBT001 - drawn
        """The second path goes away or comes back."""
        self.world.control_up = up

    @rule(up=st.booleans())
    def publisher(self, up: bool) -> None:  # noqa: FBT001 - drawn
        """The publisher stops or goes on."""
        self.world.publisher_up = up

    @rule()
    def back_up(self) -> None:
        """Take a backup of the database."""
        self.backup = self.world.database.copy()

    @rule(re_epoch=st.booleans(), anew=st.integers(0, 9))
    def restore(self, re_epoch: bool, anew: int) -> None:  # noqa: FBT001 - drawn
        """Restore the backup, as the runbook says or forgetting the new epoch, and commit something else on it."""
        self.world.restore(self.backup, re_epoch=re_epoch)
        self.world.write("r", anew)

    @rule(seconds=st.integers(4, 8), index=st.integers(0, 20), anew=st.integers(0, 9))
    def eclipse(self, seconds: int, index: int, anew: int) -> None:
        """Hold everything back for some seconds, as whoever holds Redis and the network can, then bring one thing of that time."""
        world = self.world
        before = len(world.history)
        for second in range(seconds):
            world.advance(1_000)
            if second == 1:
                world.write("e", anew)
            world.publish()
            world.bus.clear()
            while world.pending:
                world.complete(0, fail=not isinstance(world.pending[0][0], OpenLink))
        held_back = world.history[before:]
        if held_back and world.link == "up":
            world.hear(held_back[index % len(held_back)])

    @rule(lost=st.integers(1, 3), anew=st.integers(1, 4), publishes=st.integers(1, 3))
    def restore_unnoticed(self, lost: int, anew: int, publishes: int) -> None:
        """Lose the last changes by a restore, forget the new epoch, and lose every trace by which the publisher would see it."""
        world = self.world
        backup = world.database.copy()
        for number in range(lost):
            world.write("lost", number)
        world.publish()
        self._settle()
        world.restore(backup, re_epoch=False)
        world.redis = RedisCopy()
        for number in range(anew):
            world.write("anew", number)
        for _ in range(publishes):
            world.advance(300)
            world.acked = None
            world.publish()
            self._settle()

    @rule()
    def restart(self) -> None:
        """Kill the sidecar and start it on its store."""
        self.world.start()

    @rule()
    def lose_power(self) -> None:
        """Start the sidecar on what was brought to disk."""
        self.world.lose_power()

    @rule(seconds=st.integers(0, 6))
    def drift(self, seconds: int) -> None:
        """Let the next write not have the signed digest, and see how the sidecar comes out of it."""
        self.world.drifted = self.world.store.position is not None
        self.world.write("d", seconds)
        self.world.publish()
        self._settle()
        for _ in range(seconds):
            self.world.advance(1_000)
            self._settle()

    @rule()
    def calm(self) -> None:
        """After the last fault the sidecar arrives at the head."""
        self.world.calm()

    def teardown(self) -> None:
        """Whatever happened, calm ends at the head."""
        if hasattr(self, "world") and not self.world.broken:
            self.world.calm()


HOUSE = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
HUNT = settings(HOUSE, max_examples=1_500, phases=(Phase.generate,), database=None, derandomize=True)

FeedMachine.TestCase.settings = HOUSE
TestFeed = FeedMachine.TestCase


def ages_from_receipt(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that takes a heartbeat for as young as its arrival."""
    state, following = step(state, event, now)
    return state, [
        replace(command, issued_at_ms=now.wall_ms) if isinstance(command, Pulse) else command for command in following
    ]


def trusts_heads_ahead(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that lets any heartbeat confirm what it holds, also one that it has not caught up with."""
    after, following = step(state, event, now)
    if isinstance(event, HeartbeatArrived) and state.position is not None and Note(Rule.HEARTBEAT_AHEAD) in following:
        following.append(Pulse(event.heartbeat.issued_at_ms, now.wall_ms, now.mono_ms))
    return after, following


def compares_no_chains(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core to which every history looks like its own."""
    if state.position is not None and isinstance(event, HeartbeatArrived):
        ours = state.chain_at(event.heartbeat.seq)
        same = event.heartbeat.epoch == state.position.epoch
        if same and ours is not None and isinstance(event.heartbeat, HeartbeatOf):
            event = replace(event, heartbeat=replace(event.heartbeat, chain=ours, digest=state.digest))
    if state.position is not None and isinstance(event, DeltaArrived) and isinstance(event.delta, Delta):
        event = replace(event, delta=replace(event.delta, prev=state.position.chain))
    return step(state, event, now)


def applies_whatever_comes(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that applies a delta of its epoch without looking at its number."""
    position = state.position
    if (
        isinstance(event, DeltaArrived)
        and isinstance(event.delta, Delta)
        and position is not None
        and state.writing is None
        and state.basis
        and event.delta.epoch == position.epoch
    ):
        there = replace(state, position=Position(position.epoch, Seq(event.delta.seq - 1), event.delta.prev))
        return step(there, event, now)
    return step(state, event, now)


def crosses_epochs_by_delta(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that takes the first delta of a newer epoch for the next one."""
    delta = event.delta if isinstance(event, DeltaArrived) else None
    if delta is not None and state.position is not None and state.writing is None and delta.epoch > state.version.epoch:
        there = Writing(Position(delta.epoch, delta.seq, delta.chain), (delta.chain,), whole=False)
        return replace(state, writing=there), [Apply((delta,), b"")]
    return step(state, event, now)


def takes_any_snapshot(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core without a floor, which also does not mind going back."""
    if isinstance(event, SnapshotArrived) and state.position is not None:
        lowered = Position(state.position.epoch, Seq(0), state.position.chain)
        state = replace(state, floor=NO_VERSION, position=lowered, basis=False)
    return step(state, event, now)


def forgets_its_floor(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that starts without the floor and takes a store that is below it."""
    return step(state, replace(event, floor=NO_VERSION) if isinstance(event, Started) else event, now)


def waits_for_a_dead_link(state: FeedState, event: Event, now: Moment) -> Outcome:
    """A core that never gives up a silent subscription, and believes that it is alive."""
    return step(replace(state, heard_mono_ms=now.mono_ms, bus_live=state.link is Link.UP), event, now)


MUTANTS: dict[Step, str] = {
    ages_from_receipt: "I4",
    trusts_heads_ahead: "I4",
    compares_no_chains: "I1|I4",
    applies_whatever_comes: "I1",
    crosses_epochs_by_delta: "I14",
    takes_any_snapshot: "I2",
    waits_for_a_dead_link: "I9",
}
"""A core with one defence removed -> the invariant that catches it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_machine_catches_a_core_without_a_defence(mutant: Step) -> None:
    """The machine can fail: with a defence removed it finds a violation, and it is the one that was expected."""
    machine = type("Mutant", (FeedMachine,), {"core": staticmethod(mutant)})
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=HUNT)
    assert re.match(MUTANTS[mutant], str(caught.value))
