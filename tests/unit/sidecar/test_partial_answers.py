"""Answers from a partial set: who is not held is waited for, then answered as not ready; who does not exist is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import world
from entitlements.local.shelf import NONE
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import RecordKey
from entitlements.runtime.clock import ManualClock
from entitlements.v1 import check_service_pb2 as pb
from entitlements.v1 import decision_pb2
from sidecar.hatch import hatch_path
from sidecar.serving.errands import START_S, Errands
from sidecar.serving.transports.seam import NotYet
from tests.support.engines import Bench, Caller, make_bench
from tests.support.signed_feed import SignedFeed

NOW, MONO = 1_790_000_000_000, 10_000_000
FEATURE = "feature-01"
ENTITLED, UNKNOWN, NOT_READY = (
    decision_pb2.CODE_ENTITLED,
    decision_pb2.CODE_CUSTOMER_UNKNOWN,
    decision_pb2.CODE_POLICY_NOT_READY,
)


def name(number: int) -> str:
    """Return a customer's id."""
    return f"customer-{number:07d}"


def key(number: int) -> RecordKey:
    """Return a customer's record key."""
    return RecordKey(f"c/{name(number)}")


class Desk:
    """A catalogue, four customers of whom nobody is held, an engine, and errands that nobody runs."""

    def __init__(self, folder: Path, fallbacks: Any = NONE) -> None:
        self.folder = folder
        self.feed = SignedFeed(world.PRODUCT)
        self.bodies = dict(world.bodies(4, NOW))
        self.feed.write_catalogue(folder, self.bodies)
        self.bench: Bench = make_bench(folder, [world.PRODUCT], ManualClock(NOW, MONO), fallbacks=fallbacks)
        self.clock = 50.0
        engine = self.bench.engine
        self.errands = Errands(hatch_path(folder), engine.shelves, 800, self.bench.meters, lambda: self.clock)
        engine.errands = self.errands

    def hold(self, *numbers: int, absent: tuple[str, ...] = (), drop: tuple[int, ...] = ()) -> None:
        """Let the main process write."""
        self.bench.engine.shelves[world.PRODUCT].reader.close()
        with self.feed.writer(self.folder) as writer:
            taken: dict[RecordKey, bytes | None] = {key(number): self.bodies[key(number)] for number in numbers}
            writer.hold({**taken, **{RecordKey(f"c/{one}"): None for one in absent}}, [key(number) for number in drop])

    def change(self, changes: dict[str, bytes | None]) -> None:
        """Let a delta arrive."""
        self.bench.engine.shelves[world.PRODUCT].reader.close()
        with self.feed.writer(self.folder) as writer:
            self.feed.change(writer, changes)

    def move_on(self) -> None:
        """Let a delta of somebody else arrive."""
        self.change({key(0): self.bodies[key(0)]})

    def not_yet(self, caller: Caller | None = None, **fields: Any) -> NotYet:
        """Ask what has to be waited for."""
        with pytest.raises(NotYet) as caught:
            self.bench.check(caller, **fields)
        return caught.value

    def misses(self, result: str) -> float:
        """Return how many customers came to this."""
        return self.bench.counted("entitlements_working_set_misses_total", result=result)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Set it up."""
    return Desk(tmp_path)


def read(response: bytes) -> pb.CheckResponse:
    """Return an answer."""
    return pb.CheckResponse.FromString(response)


def test_who_is_not_held_is_waited_for_and_then_answered(desk: Desk) -> None:
    """Within the deadline, and no longer than the setting says."""
    later = desk.not_yet(customer_id=name(1), feature=FEATURE)
    assert (later.ready(), later.wait_s) == (False, 0.8)
    assert desk.not_yet(Caller(0.3), customer_id=name(1), feature=FEATURE).wait_s == pytest.approx(0.26)
    desk.hold(1)
    assert later.ready()
    assert read(later.finish()).code == ENTITLED
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == ENTITLED
    assert desk.misses("fetched") == 1
    assert desk.bench.engine.tally.waiting == 1, "the other call still waits"


def test_who_does_not_come_in_time_is_not_ready_and_never_unknown(tmp_path: Path) -> None:
    """The fallbacks answer in their order; nothing of it is remembered."""
    fallbacks = {world.PRODUCT: {"feature-02": StaticFallback(allowed=True)}}
    desk = Desk(tmp_path, fallbacks)
    for fields, allowed, tier in (
        ({"feature": FEATURE}, False, decision_pb2.SERVED_FROM_STATIC_FALLBACK),
        ({"feature": FEATURE, "fallback": pb.Fallback(allowed=True)}, True, decision_pb2.SERVED_FROM_CALLER_FALLBACK),
        ({"feature": "feature-02"}, True, decision_pb2.SERVED_FROM_STATIC_FALLBACK),
        ({"feature": "no-such-feature"}, False, decision_pb2.SERVED_FROM_STATIC_FALLBACK),
    ):
        answer = read(desk.not_yet(customer_id=name(1), **fields).finish())
        assert (answer.allowed, answer.underlying_code, answer.served_from) == (allowed, NOT_READY, tier)
        assert not answer.freshness.seq
    desk.hold(1)
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == ENTITLED
    assert desk.misses("no_main_process") == 4


def test_nobody_waits_for_what_cannot_come(desk: Desk) -> None:
    """A main process that is away for longer ends the waiting before it begins."""
    desk.clock += START_S + 1
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).underlying_code == NOT_READY
    assert desk.bench.engine.tally.waiting == 0


def test_proven_absence_is_unknown_until_a_delta_ends_it(desk: Desk) -> None:
    """It is remembered like any answer, and let go like any record."""
    desk.hold(absent=(name(1), "nobody"))
    for _ in range(2):
        assert desk.bench.check(customer_id="nobody", feature=FEATURE).code == UNKNOWN
        assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == UNKNOWN
    assert desk.bench.counted("entitlements_decision_cache_total", result="hit") == 2
    desk.change({key(1): desk.bodies[key(1)]})
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == ENTITLED
    assert desk.bench.check(customer_id="nobody", feature=FEATURE).code == UNKNOWN


def test_a_remembered_answer_outlives_its_customer_while_the_position_stands(desk: Desk) -> None:
    """It is as true as it was; with the next position it is asked for again."""
    desk.hold(1)
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == ENTITLED
    desk.hold(drop=(1,))
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).code == ENTITLED
    desk.move_on()
    desk.not_yet(customer_id=name(1), feature=FEATURE)


def test_version_and_customer_are_waited_for_together(desk: Desk) -> None:
    """One waiting, at most as long as the longer of the two."""
    wanted = f"{desk.feed.epoch}-{desk.feed.seq + 1}"
    later = desk.not_yet(customer_id=name(1), feature=FEATURE, min_version=wanted)
    assert later.wait_s == 2.0
    desk.hold(1)
    assert not later.ready()
    desk.move_on()
    assert later.ready()
    answer = read(later.finish())
    assert (answer.code, answer.freshness.seq) == (ENTITLED, desk.feed.seq)


def batch(desk: Desk, *customers: str) -> list[tuple[int, int]]:
    """Ask about several customers and return codes, with what underlies them."""
    items = [pb.CheckRequest(customer_id=one, feature=FEATURE) for one in customers]
    request = pb.BatchCheckRequest(items=items).SerializeToString()
    try:
        response = desk.bench.several.batch(request, Caller())
    except NotYet as later:
        response = later.finish()
    answers = [item.decision for item in pb.BatchCheckResponse.FromString(response).items]
    return [(answer.code, answer.underlying_code) for answer in answers]


def test_a_batch_waits_once_and_each_item_fares_by_itself(desk: Desk) -> None:
    """Held, absent, and not to be had in time, in one call; a remembered answer whose customer is gone is missed as well."""
    desk.hold(1, 2, absent=("nobody",))
    asked = (name(1), "nobody", name(3), name(1))
    expected = [(ENTITLED, 0), (UNKNOWN, 0), (decision_pb2.CODE_FALLBACK_DENY, NOT_READY), (ENTITLED, 0)]
    assert batch(desk, *asked) == expected
    desk.hold(drop=(1,))
    desk.move_on()
    items = [pb.CheckRequest(customer_id=one, feature=FEATURE) for one in (name(1), name(2))]
    with pytest.raises(NotYet) as caught:
        desk.bench.several.batch(pb.BatchCheckRequest(items=items).SerializeToString(), Caller())
    desk.hold(1)
    assert caught.value.ready()
    decided = pb.BatchCheckResponse.FromString(caught.value.finish()).items
    assert [item.decision.code for item in decided] == [ENTITLED, ENTITLED]


def test_a_list_waits_too(desk: Desk) -> None:
    """And lists what fallbacks say when the customer does not come."""
    request = pb.ListEntitlementsRequest(customer_id=name(1)).SerializeToString()
    with pytest.raises(NotYet) as caught:
        desk.bench.several.list(request, Caller())
    listed = pb.ListEntitlementsResponse.FromString(caught.value.finish()).entitlements
    assert {one.underlying_code for one in listed} == {NOT_READY}
    assert len(listed) == world.FEATURES
    desk.hold(1)
    listed = pb.ListEntitlementsResponse.FromString(desk.bench.several.list(request, Caller())).entitlements
    assert ENTITLED in {one.code for one in listed}


def test_uses_are_noted_on_every_way(desk: Desk) -> None:
    """Decided, remembered, in a batch, in a list."""
    desk.hold(0, 1, 2, 3)
    used = desk.errands._used[world.PRODUCT]
    desk.bench.check(customer_id=name(0), feature=FEATURE)
    assert used == {key(0)}
    used.clear()
    desk.bench.check(customer_id=name(0), feature=FEATURE)
    assert used == {key(0)}
    batch(desk, name(0), name(1))
    desk.bench.several.list(pb.ListEntitlementsRequest(customer_id=name(2)).SerializeToString(), Caller())
    assert used == {key(0), key(1), key(2)}


def test_a_partial_set_without_errands_is_not_ready(desk: Desk) -> None:
    """As for a process that only maps the store: what is not held is never called unknown."""
    desk.bench.engine.errands = None
    assert desk.bench.check(customer_id=name(1), feature=FEATURE).underlying_code == NOT_READY
    assert desk.bench.failures == []
