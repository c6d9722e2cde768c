"""Which proof of a customer is believed, and who stays when there is no room."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from entitlements.policy.feed_state_value import Position
from entitlements.policy.ids import CustomerId, Epoch, Seq
from entitlements.policy.roster import ABSENT_LEAST, ABSENT_LIFE_MS, Roster
from entitlements.policy.working_set import Finding, Recollection


@dataclass(frozen=True)
class Op:
    """A change of one record."""

    key: str
    body: bytes | None = b"body"


@dataclass(frozen=True)
class Moved:
    """A delta that was applied."""

    seq: Seq
    ops: tuple[Op, ...] = ()
    chain: bytes = b""
    prev: bytes = b""


@dataclass(frozen=True)
class ProofOf:
    """A proof's facts."""

    seq: Seq
    chain: bytes
    customer: CustomerId
    epoch: Epoch


@dataclass
class Line:
    """A recollection that has come from 7-10, with a chain value for each position."""

    past: Recollection = field(default_factory=Recollection)

    def __post_init__(self) -> None:
        """Begin."""
        self.past.begin(Position(Epoch(7), Seq(10), self.chain(10)))

    @staticmethod
    def chain(seq: int) -> bytes:
        """Return the chain value at a position."""
        return b"%032d" % seq

    def move(self, seq: int, *keys: str) -> None:
        """Apply a delta."""
        self.past.follow([self.delta(seq, *keys)])

    def delta(self, seq: int, *keys: str) -> Moved:
        """Return a delta of this history."""
        return Moved(Seq(seq), tuple(Op(key) for key in keys), self.chain(seq), self.chain(seq - 1))

    def judge(self, seq: int, customer: str = "acme", **facts: object) -> Finding:
        """Judge a proof of this history, or of the facts given."""
        proof = ProofOf(Seq(seq), self.chain(seq), CustomerId(customer), Epoch(7))
        return self.past.judge(ProofOf(**{**vars(proof), **facts}))


def test_a_proof_of_our_position_is_true_and_a_later_one_waits() -> None:
    """The feed comes to it by itself."""
    line = Line()
    assert (line.judge(10), line.judge(11)) == (Finding.TRUE, Finding.AHEAD)
    line.move(11, "c/initech")
    assert line.judge(11) is Finding.TRUE


def test_an_earlier_proof_is_true_until_its_customer_is_touched() -> None:
    """What happens to others and to the catalogue does not matter."""
    line = Line()
    line.move(11, "c/initech", "f/acme", "p/acme@1")
    assert (line.judge(10), line.judge(10, "initech")) == (Finding.TRUE, Finding.TOUCHED)
    assert line.judge(11, "initech") is Finding.TRUE
    line.move(12, "c/acme")
    assert [line.judge(seq) for seq in (10, 11, 12)] == [Finding.TOUCHED, Finding.TOUCHED, Finding.TRUE]


def test_what_is_older_than_the_recollection_is_not_believed() -> None:
    """Neither from before the start, nor from before the window, whose length deltas and touches bound."""
    line = Line(Recollection(window=2))
    assert line.judge(9) is Finding.TOO_OLD
    for seq in (11, 12, 13):
        line.move(seq, "c/initech")
    assert [line.judge(seq) for seq in (10, 11, 12)] == [Finding.TOO_OLD, Finding.TRUE, Finding.TRUE]
    few = Line(Recollection(touches=3))
    few.move(11, "c/a", "c/b")
    few.move(12, "c/c", "c/d")
    assert [few.judge(seq) for seq in (10, 11)] == [Finding.TOO_OLD, Finding.TRUE]
    few.move(13, "c/a", "c/b", "c/c", "c/d")
    assert [few.judge(seq) for seq in (12, 13)] == [Finding.TOO_OLD, Finding.TRUE]
    assert "0 deltas | 0 customers" in repr(few.past)


def test_another_history_is_not_believed_at_any_position() -> None:
    """A database that was restored signs well and is wrong: the chain value tells."""
    line = Line()
    line.move(11)
    assert {line.judge(seq, chain=b"other") for seq in (10, 11)} == {Finding.OTHER_BRANCH}
    assert line.judge(3, epoch=Epoch(8)) is Finding.AHEAD, "whose catalogue will tell"
    assert line.judge(11, epoch=Epoch(6)) is Finding.TOO_OLD


def test_the_past_can_be_recalled_from_a_log() -> None:
    """From its end backwards, as far as it leads to where we stand; what was touched then counts."""
    line = Line(Recollection(window=4))
    line.move(11, "c/acme")
    assert line.judge(8) is Finding.TOO_OLD
    assert line.past.recall([line.delta(9, "c/globex"), line.delta(10, "c/acme")])
    assert (line.judge(8, "initech"), line.judge(8, "globex"), line.judge(9, "globex")) == (
        Finding.TRUE,
        Finding.TOUCHED,
        Finding.TRUE,
    )
    assert line.judge(10) is Finding.TOUCHED, "the newer touch counts"
    assert line.past.oldest == Position(Epoch(7), Seq(8), line.chain(8))
    assert not line.past.recall([Moved(Seq(8), (), b"other", line.chain(7))])
    assert not line.past.recall([line.delta(7)]), "a gap"
    assert not line.past.recall([line.delta(7), line.delta(8)]), "room for one"
    assert line.judge(7, "initech") is Finding.TRUE
    assert not Recollection().recall([line.delta(8)])


def test_nothing_is_true_of_nothing() -> None:
    """Before the first catalogue there is no position, and no delta."""
    empty = Recollection()
    assert empty.judge(ProofOf(Seq(1), b"", CustomerId("acme"), Epoch(7))) is Finding.NO_POSITION
    with pytest.raises(ValueError, match="nothing"):
        empty.follow([Moved(Seq(1))])


def names(count: int, prefix: str = "c") -> list[CustomerId]:
    """Return as many customers."""
    return [CustomerId(f"{prefix}{number}") for number in range(count)]


def holding(most: int, *, settled: int = 0) -> Roster:
    """Return a roster whose first customers were used in two intervals."""
    roster = Roster(most)
    for customer in names(settled):
        roster.take(customer, 0, absent=False)
    for _ in range(2):
        roster.use(names(settled))
    return roster


def test_the_least_recently_used_go_first_and_only_when_there_is_no_room() -> None:
    """In the order in which they were used for the last time."""
    roster = holding(3)
    for customer in names(3):
        roster.take(customer, 0, absent=False)
    assert roster.surplus(0, 10) == []
    roster.use(names(1))
    roster.take(CustomerId("new"), 0, absent=False)
    assert roster.surplus(0, 10) == ["c1"]
    assert roster.by_use() == ["new", "c0", "c2"]


def test_a_scan_does_not_push_out_what_is_used_again_and_again() -> None:
    """A thousand customers that are each asked about once leave the settled ones alone."""
    roster = holding(10, settled=8)
    for customer in names(1_000, "scan"):
        roster.take(customer, 0, absent=False)
        roster.use([customer])
        roster.surplus(0, 10)
    assert all(customer in roster for customer in names(8))
    assert roster.customers == 10


def test_a_new_favourite_settles_and_an_old_one_loses_its_place() -> None:
    """The settled part has its bound; who falls out of it goes to the end of probation."""
    roster = holding(10, settled=8)
    late = names(4, "late")
    for customer in late:
        roster.take(customer, 0, absent=False)
    for _ in range(2):
        roster.use(late)
    assert set(roster.surplus(0, 10)) == {"c0", "c1"}
    assert all(customer in roster for customer in late)


def test_absences_push_out_nobody_and_end_by_themselves() -> None:
    """They have a bound and a lifetime of their own."""
    roster = holding(10, settled=8)
    strangers = names(ABSENT_LEAST + 5, "stranger")
    for customer in strangers:
        roster.take(customer, 0, absent=True)
    assert roster.surplus(0, 100) == strangers[:5]
    assert (roster.customers, roster.absences) == (8, ABSENT_LEAST)
    assert roster.surplus(ABSENT_LIFE_MS - 1, 100) == []
    roster.take(strangers[-1], ABSENT_LIFE_MS, absent=True)
    assert len(roster.surplus(ABSENT_LIFE_MS, 100)) == 100
    assert len(roster.surplus(ABSENT_LIFE_MS, 10_000)) == ABSENT_LEAST - 101
    assert strangers[-1] in roster


def test_deltas_turn_absence_into_presence_and_back() -> None:
    """For those who are known; nobody else is taken by a delta."""
    roster = holding(10, settled=1)
    roster.take(CustomerId("nobody"), 0, absent=True)
    roster.follow([Moved(Seq(1), (Op("c/nobody"), Op("c/c0", None), Op("c/other"), Op("f/c0")))], 5)
    assert (roster.customers, roster.absences) == (1, 1)
    assert CustomerId("other") not in roster
    assert roster.by_use() == ["nobody"]
    roster.forget(names(1))
    assert (roster.customers, roster.absences) == (1, 0)


def test_a_set_without_room_is_refused() -> None:
    """It could answer nothing."""
    with pytest.raises(ValueError, match="at least one"):
        Roster(0)
