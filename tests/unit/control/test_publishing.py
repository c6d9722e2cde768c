"""The publishing plan: every way in which Redis may differ from the database ends in a log that equals it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.domain.publishing import (
    EPOCH_LEAD_S,
    LOG_KEEP_ENTRIES,
    REFILL_AT_LEAST,
    SNAPSHOT_EVERY_DELTAS,
    SNAPSHOT_EVERY_MS,
    Append,
    Claim,
    Command,
    Hold,
    LogState,
    Position,
    ReEpoch,
    Reset,
    Truth,
    Witness,
    next_epoch,
    plan,
    snapshot_due,
    trim_floor,
)
from entitlements.policy.ids import Epoch, Millis, Seq

NOW_MS = Millis(1_795_000_000_000)
E = Epoch(1_790_000_000)


def chain(seq: int, branch: str = "a") -> bytes:
    """Return a stand-in for a chain value: it names its branch."""
    return f"{branch}{seq}".encode().ljust(32, b".")


def at(seq: int, epoch: int = E, branch: str = "a") -> Position:
    """Return a position on a branch."""
    return Position(Epoch(epoch), Seq(seq), chain(seq, branch))


def log_at(seq: int, epoch: int = E, branch: str = "a", low: int = 1, missing: int = 0) -> LogState:
    """Return a log that holds `low`..`seq`, less `missing` entries."""
    return LogState(at(seq, epoch, branch), Seq(low), None, max(0, seq - low + 1 - missing))


def planned(
    head: int, log: LogState | None, *claims: Claim, oldest: int = 1, snapshot: int | None = None
) -> tuple[Command, ...]:
    """Plan for a database at `head` of branch a."""
    truth = Truth(at(head), Seq(oldest), None if snapshot is None else Seq(snapshot))
    return plan(truth, log, lambda seq: chain(seq) if oldest - 1 <= seq <= head else None, claims, NOW_MS)


def test_an_equal_log_needs_nothing() -> None:
    """Nothing differs, nothing is done."""
    assert planned(7, log_at(7)) == ()


def test_what_is_missing_is_appended() -> None:
    """A publisher that died between commit and publish is caught up with."""
    assert planned(9, log_at(7)) == (Append(Seq(7), Seq(9)),)


def test_an_empty_redis_is_refilled_from_the_held_snapshot() -> None:
    """After FLUSHALL the log reaches back to the snapshot, and at least 1,000 deltas."""
    assert planned(5_000, None, snapshot=1_500) == (Reset(Seq(1_500), None), Append(Seq(1_500), Seq(5_000)))
    back = 5_000 - REFILL_AT_LEAST
    assert planned(5_000, None, snapshot=4_990) == (Reset(Seq(back), None), Append(Seq(back), Seq(5_000)))
    assert planned(5_000, None) == (Reset(Seq(back), None), Append(Seq(back), Seq(5_000)))


def test_a_refill_never_starts_before_what_is_kept() -> None:
    """The base lies within the outbox, and within the size of the log."""
    assert planned(5_000, None, oldest=4_900) == (Reset(Seq(4_899), None), Append(Seq(4_899), Seq(5_000)))
    assert planned(5_000, None, oldest=5_001) == (Reset(Seq(5_000), None),)
    far = LOG_KEEP_ENTRIES + 50
    assert planned(far, None, snapshot=3) == (Reset(Seq(50), None), Append(Seq(50), Seq(far)))


def test_a_fresh_feed_gets_a_head_and_no_entries() -> None:
    """A feed without deltas still has a head, so sidecars know that it is empty rather than missing."""
    assert planned(0, None) == (Reset(Seq(0), None),)


def test_an_older_epoch_in_redis_is_replaced() -> None:
    """The log of the epoch before is of no use to anybody."""
    assert planned(2, log_at(900, epoch=E - 1)) == (Reset(Seq(0), None), Append(Seq(0), Seq(2)))


def test_a_log_that_lost_entries_is_rebuilt_under_compare_and_set() -> None:
    """The head stayed, the stream did not: start anew, provided that the head is still the one seen."""
    assert planned(7, log_at(7, missing=1)) == (Reset(Seq(0), Seq(7)), Append(Seq(0), Seq(7)))


def test_a_log_older_than_the_outbox_is_rebuilt() -> None:
    """Redis was away for longer than deltas are kept."""
    assert planned(900, log_at(10), oldest=501) == (Reset(Seq(500), Seq(10)), Append(Seq(500), Seq(900)))


@pytest.mark.parametrize(
    "ahead", [log_at(8), log_at(7, branch="b"), log_at(5, branch="b"), log_at(1, epoch=E + 1)], ids=str
)
def test_an_unproven_contradiction_publishes_nothing(ahead: LogState) -> None:
    """Anybody with access to Redis can write a head; that alone must not make the control plane begin an epoch."""
    (command,) = planned(7, ahead)
    assert isinstance(command, Hold)
    assert "re-epoch" in command.problem


@pytest.mark.parametrize("witness", list(Witness))
def test_a_proven_contradiction_begins_an_epoch(witness: Witness) -> None:
    """The database was restored and nobody said so: our own signature or a sidecar shows it."""
    assert planned(7, log_at(8), Claim(at(8), witness)) == (ReEpoch(E, witness),)
    assert planned(7, log_at(7), Claim(at(6, branch="b"), witness)) == (ReEpoch(E, witness),)
    assert planned(7, None, Claim(at(1, epoch=E + 5), witness)) == (ReEpoch(Epoch(E + 5), witness),)


def test_a_forked_sidecar_is_freed_though_its_position_fits() -> None:
    """It stands on the database's branch and was shown a dead one; of an epoch that is over, the snapshot already waits for it."""
    assert planned(7, log_at(7), Claim(at(7), Witness.ACK, forked=True)) == (ReEpoch(E, Witness.ACK),)
    assert planned(7, log_at(7), Claim(at(7, epoch=E - 1), Witness.ACK, forked=True)) == ()


def test_claims_that_fit_change_nothing() -> None:
    """A sidecar behind the head, at it, or of an older epoch is normal."""
    claims = [Claim(at(3), Witness.ACK), Claim(at(7), Witness.ACK), Claim(at(99, epoch=E - 1), Witness.ACK)]
    assert planned(7, log_at(7), *claims) == ()


def test_a_claim_from_before_the_outbox_contradicts_nothing() -> None:
    """A chain value that is no longer kept cannot be compared."""
    assert planned(7, log_at(7), Claim(at(2, branch="b"), Witness.ACK), oldest=6) == ()


def test_a_claim_far_in_the_future_is_not_believed() -> None:
    """Following it would push the feed's epoch beyond what sidecars accept."""
    edge = NOW_MS // 1_000 + EPOCH_LEAD_S
    assert planned(7, log_at(7), Claim(at(1, epoch=edge + 1), Witness.ACK)) == ()
    assert planned(7, log_at(7), Claim(at(1, epoch=edge), Witness.ACK)) == (ReEpoch(Epoch(edge), Witness.ACK),)


def test_epochs_are_seconds_and_always_rise() -> None:
    """A new epoch is above the one seen even when clocks disagree."""
    assert next_epoch(E, NOW_MS) == 1_795_000_000
    assert next_epoch(Epoch(1_800_000_000), NOW_MS) == 1_800_000_001


def test_trimming_never_passes_the_previous_snapshot() -> None:
    """What a sidecar needs after loading the previous snapshot stays in the log."""
    assert trim_floor(Seq(500_000), Seq(420_000), Seq(450_000)) == 300_001
    assert trim_floor(Seq(500_000), Seq(250_000), Seq(450_000)) == 250_001
    assert trim_floor(Seq(500_000), Seq(450_000), Seq(100)) == 100
    assert trim_floor(Seq(10), Seq(0), Seq(1)) == 0


def test_snapshots_are_due_by_count_and_by_time() -> None:
    """After 10,000 deltas, or 15 minutes with news; an idle feed needs none."""
    assert snapshot_due(at(5), None, Millis(0))
    assert snapshot_due(at(0, epoch=E + 1), at(5), Millis(0))
    assert not snapshot_due(at(5), at(5), Millis(10 * SNAPSHOT_EVERY_MS))
    assert not snapshot_due(at(6), at(5), Millis(SNAPSHOT_EVERY_MS - 1))
    assert snapshot_due(at(6), at(5), SNAPSHOT_EVERY_MS)
    assert snapshot_due(at(5 + SNAPSHOT_EVERY_DELTAS), at(5), Millis(0))


@dataclass
class World:
    """A database, a Redis with the rules of the scripts, and publishers that act on views that may be old."""

    history: list[bytes] = field(default_factory=lambda: [chain(0)])
    epoch: int = E
    branch: int = 0
    head: tuple[int, int, bytes, int] | None = None  # epoch, seq, chain, min
    entries: dict[int, bytes] = field(default_factory=dict)
    published: list[tuple[Position, bytes]] = field(default_factory=list)

    def truth(self) -> Truth:
        """Read the database."""
        seq = len(self.history) - 1
        return Truth(Position(Epoch(self.epoch), Seq(seq), self.history[seq]), Seq(1))

    def log(self) -> LogState | None:
        """Read Redis."""
        if self.head is None:
            return None
        epoch, seq, value, low = self.head
        return LogState(Position(Epoch(epoch), Seq(seq), value), Seq(low), None, len(self.entries))

    def commit(self) -> None:
        """Add a delta."""
        self.history.append(chain(len(self.history), f"{self.epoch}/{self.branch}/"))

    def restore(self, keep: int) -> None:
        """Go back to a backup without telling anybody."""
        del self.history[max(1, keep) :]
        self.branch += 1

    def look(self) -> tuple[Truth, tuple[bytes, ...], tuple[Command, ...]]:
        """Let a publisher look and plan; it may act later."""
        truth, log, chains = self.truth(), self.log(), tuple(self.history)
        claims = [] if log is None else [Claim(log.head, Witness.LOG)]  # all logs here are signed by us
        commands = plan(truth, log, lambda seq: chains[seq] if seq < len(chains) else None, claims, NOW_MS)
        return truth, chains, commands

    def act(self, view: tuple[Truth, tuple[bytes, ...], tuple[Command, ...]]) -> None:
        """Execute a plan, however old its view is, under the rules of the scripts."""
        truth, chains, commands = view
        epoch = truth.head.epoch
        for command in commands:
            if isinstance(command, ReEpoch) and self.epoch == epoch:  # compare-and-set in the database
                self.epoch = next_epoch(Epoch(max(command.seen, self.epoch)), Millis(0))
                self.history = [chain(0, f"{self.epoch}/")]
            elif isinstance(command, Reset):
                fenced = self.head is not None and self.head[0] > epoch
                changed = self.head is not None and self.head[0] == epoch and self.head[1] != command.seen
                if not fenced and not changed:
                    self.head = (epoch, command.base, chains[command.base], command.base + 1)
                    self.entries = {}
            elif isinstance(command, Append):
                for seq in range(command.after + 1, command.through + 1):
                    if self.head is not None and self.head[:2] == (epoch, seq - 1):
                        self.head = (epoch, seq, chains[seq], self.head[3])
                        self.entries[seq] = chains[seq]


FAULTS = st.lists(
    st.one_of(
        st.just(("commit", 0)),
        st.just(("look", 0)),
        st.tuples(st.just("act"), st.integers(0, 20)),
        st.just(("flush", 0)),
        st.tuples(st.just("drop"), st.integers(0, 20)),
        st.tuples(st.just("replica"), st.integers(0, 20)),
        st.tuples(st.just("restore"), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(FAULTS)
def test_whatever_happened_two_quiet_turns_make_the_log_equal_the_database(faults: list[tuple[str, int]]) -> None:
    """Commits, late and repeated plans of several publishers, wipes, lost entries, old replicas, silent restores."""
    world = World()
    views = [world.look()]
    replicas = [(world.head, dict(world.entries))]
    for kind, number in faults:
        if kind == "commit":
            world.commit()
        elif kind == "look":
            views.append(world.look())
        elif kind == "act":
            world.act(views[number % len(views)])
            replicas.append((world.head, dict(world.entries)))
        elif kind == "flush":
            world.head, world.entries = None, {}
        elif kind == "drop" and world.entries:
            world.entries.pop(sorted(world.entries)[number % len(world.entries)])
        elif kind == "replica":
            world.head, entries = replicas[number % len(replicas)]
            world.entries = dict(entries)
        elif kind == "restore":
            world.restore(number)
    for _turn in range(3):
        world.act(world.look())
    truth = world.truth()
    log = world.log()
    assert log is not None
    assert log.head == truth.head
    assert world.entries == {seq: world.history[seq] for seq in range(log.min_seq, truth.head.seq + 1)}
    assert world.look()[2] == ()
