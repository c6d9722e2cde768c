"""The engine over a real store and a clock of our own: what is remembered, for how long, and what a remembered answer says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import world
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import CustomerId, FeatureKey, Millis
from entitlements.policy.model import Customer, Override, OverrideEffect, Window
from entitlements.runtime.clock import ManualClock
from entitlements.store.writer import StoreWriter
from entitlements.v1 import check_service_pb2, decision_pb2
from entitlements.wire.codec import customer_to_bytes
from sidecar.serving.transports.seam import NotYet
from tests.support.engines import Bench, Caller, make_bench
from tests.support.signed_feed import SignedFeed

NOW = 1_790_000_000_000
MONO = 10_000_000
ASK: dict[str, Any] = {"customer_id": "customer-0000001", "feature": "feature-02"}


class Desk:
    """A store, its clock, and an engine that reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW, MONO)
        self.feed = SignedFeed(world.PRODUCT)
        self.feed.write(folder, dict(world.bodies(4, NOW)), age_ms=None)
        self.pulse()
        self.bench = self.engine()

    def engine(self, entries: int = 1000) -> Bench:
        """Return a new engine."""
        return make_bench(self.folder, [world.PRODUCT], self.clock, entries=entries)

    def pulse(self, age_ms: int = 0) -> None:
        """Record a heartbeat; the store is open for writing only meanwhile, because one process opens it once."""
        with self._writer() as writer:
            now, mono = self.clock.now_ms(), self.clock.monotonic_ms()
            writer.pulse(now - age_ms, now - age_ms, mono - age_ms)

    def change(self, changes: dict[str, bytes | None]) -> None:
        """Apply one delta."""
        with self._writer() as writer:
            self.feed.change(writer, changes)

    def _writer(self) -> StoreWriter:
        if hasattr(self, "bench"):
            self.bench.engine.shelves[world.PRODUCT].reader.close()
        return self.feed.writer(self.folder)

    def looked_up(self) -> dict[str, float]:
        """Return how the decision cache fared."""
        name = "entitlements_decision_cache_total"
        return {result: self.bench.counted(name, result=result) for result in ("hit", "revalidated", "miss")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with four customers."""
    made = Desk(tmp_path)
    yield made
    made.bench.engine.shelves[world.PRODUCT].reader.close()


def without_id(response: check_service_pb2.CheckResponse) -> check_service_pb2.CheckResponse:
    """Return an answer without what differs in each."""
    copy = check_service_pb2.CheckResponse()
    copy.CopyFrom(response)
    copy.ClearField("decision_id")
    return copy


def test_second_answer_is_remembered_and_equal(desk: Desk) -> None:
    """Same bytes, same answer, another id; one miss, one hit, two decisions counted."""
    first, second = desk.bench.check(**ASK), desk.bench.check(**ASK)
    assert without_id(first) == without_id(second)
    assert first.decision_id != second.decision_id
    assert desk.looked_up() == {"hit": 1, "revalidated": 0, "miss": 1}
    assert desk.bench.counted("entitlements_checks_total", code="ENTITLED", served_from="LIVE") == 2
    assert desk.bench.counted("entitlements_check_duration_seconds_count", method="Check") == 2


def test_remembered_answer_tells_its_present_age_and_rung(desk: Desk) -> None:
    """The body is old, the tail is new: age, state and the next rung move with the clock."""
    fresh = desk.bench.check(**ASK)
    assert (fresh.freshness.state, fresh.freshness.age_ms) == (decision_pb2.FRESHNESS_STATE_FRESH, 0)
    assert fresh.valid_until.ToMilliseconds() == NOW + 5_000
    desk.clock.advance(5_000)
    stale = desk.bench.check(**ASK)
    assert (stale.freshness.state, stale.freshness.age_ms) == (decision_pb2.FRESHNESS_STATE_STALE, 5_000)
    assert stale.valid_until.ToMilliseconds() == NOW + 5_000 + 86_400_000
    assert desk.looked_up()["hit"] == 1


def test_too_stale_is_never_answered_from_memory(desk: Desk) -> None:
    """The last rung is decided anew each time."""
    desk.bench.check(**ASK)
    desk.clock.advance(86_405_000)
    for _ in range(2):
        response = desk.bench.check(**ASK)
        assert response.freshness.state == decision_pb2.FRESHNESS_STATE_TOO_STALE
        assert not response.HasField("valid_until")
    assert desk.looked_up()["hit"] == 0


def test_new_heartbeat_keeps_the_answer_and_renews_its_age(desk: Desk) -> None:
    """A pulse moves no record."""
    desk.bench.check(**ASK)
    desk.clock.advance(4_000)
    desk.pulse()
    response = desk.bench.check(**ASK)
    assert response.freshness.age_ms == 0
    assert desk.looked_up() == {"hit": 0, "revalidated": 1, "miss": 1}


def test_change_elsewhere_keeps_the_answer(desk: Desk) -> None:
    """The position moves, the records that were read do not: the answer stays, under the new position."""
    desk.bench.check(**ASK)
    desk.change({"c/customer-0000003": None})
    response = desk.bench.check(**ASK)
    assert response.freshness.seq == 2
    assert desk.looked_up()["revalidated"] == 1


def test_change_of_a_record_that_was_read_is_decided_anew(desk: Desk) -> None:
    """A record gone, and an absent one that appears: both count as read."""
    assert desk.bench.check(**ASK).allowed
    desk.change({"c/customer-0000001": None})
    assert desk.bench.check(**ASK).code == decision_pb2.CODE_CUSTOMER_UNKNOWN
    newcomer: dict[str, Any] = {"customer_id": "newcomer", "feature": "feature-00"}
    assert desk.bench.check(**newcomer).code == decision_pb2.CODE_CUSTOMER_UNKNOWN
    desk.change({"c/newcomer": customer_to_bytes(Customer(CustomerId("newcomer")))})
    assert desk.bench.check(**newcomer).code == decision_pb2.CODE_ENTITLED_CORE
    assert desk.looked_up()["miss"] == 4


def test_window_that_ends_is_seen_on_its_millisecond(desk: Desk) -> None:
    """Without any message: the remembered answer ends with the window it rests on."""
    window = Window(None, Millis(NOW + 1_000))
    override = Override("o1", FeatureKey("feature-02"), OverrideEffect.DENY, window=window)
    desk.change({"c/customer-0000001": customer_to_bytes(replace(world.customer(1, NOW), overrides=(override,)))})
    denied = desk.bench.check(**ASK)
    assert denied.code == decision_pb2.CODE_REVOKED
    assert denied.valid_until.ToMilliseconds() == NOW + 1_000
    desk.clock.advance(999)
    assert desk.bench.check(**ASK).code == decision_pb2.CODE_REVOKED
    assert desk.looked_up()["hit"] == 1
    desk.clock.advance(1)
    assert desk.bench.check(**ASK).code == decision_pb2.CODE_ENTITLED


def test_first_heartbeat_since_the_start_turns_remembered_answers_live(desk: Desk) -> None:
    """LAST_KNOWN_GOOD is said until a heartbeat has confirmed the set in this process's life."""
    desk.clock.advance(10)
    desk.bench.engine.shelves[world.PRODUCT].reader.close()
    desk.bench = desk.engine()
    assert desk.bench.check(**ASK).served_from == decision_pb2.SERVED_FROM_LAST_KNOWN_GOOD
    desk.pulse()
    assert desk.bench.check(**ASK).served_from == decision_pb2.SERVED_FROM_LIVE


def test_other_instant_is_not_remembered(desk: Desk) -> None:
    """`as_of` is marked, evaluated there, and asked anew."""
    request = check_service_pb2.CheckRequest(**ASK)
    request.as_of.FromMilliseconds(NOW - 120 * 86_400_000)
    for _ in range(2):
        response = desk.bench.ask(request.SerializeToString())
        assert response.code == decision_pb2.CODE_SUBSCRIPTION_NOT_STARTED
        assert response.as_of == request.as_of
    assert desk.looked_up() == {"hit": 0, "revalidated": 0, "miss": 2}


def test_version_that_is_behind_asks_to_be_called_again(desk: Desk) -> None:
    """Within deadline and setting; when it comes late the answer says so and is not remembered."""
    behind = check_service_pb2.CheckRequest(**ASK, min_version=f"{desk.feed.epoch}-2").SerializeToString()
    with pytest.raises(NotYet) as caught:
        desk.bench.engine.check(behind, Caller(remaining_s=1.0))
    later = caught.value
    assert later.wait_s == pytest.approx(0.89)
    assert not later.ready()
    response = check_service_pb2.CheckResponse.FromString(later.finish())
    assert list(response.obligations) == [decision_pb2.OBLIGATION_VERSION_BEHIND]
    assert response.freshness.state == decision_pb2.FRESHNESS_STATE_STALE
    with pytest.raises(NotYet) as again:
        desk.bench.engine.check(behind, Caller())
    assert again.value.wait_s == 2.0
    desk.change({"c/customer-0000003": None})
    assert again.value.ready()
    reached = check_service_pb2.CheckResponse.FromString(again.value.finish())
    assert list(reached.obligations) == []
    assert desk.bench.counted("entitlements_version_waits_total", result="behind") == 1
    assert desk.bench.counted("entitlements_version_waits_total", result="reached") == 1
    assert desk.bench.engine.tally.waiting == 0
    assert desk.bench.ask(behind).allowed


def test_store_that_vanishes_is_answered_by_the_fallback_chain(tmp_path: Path) -> None:
    """Before any policy: the static fallback first, then the caller's, then deny; never remembered."""
    fallbacks = {"suite": {"feature-02": StaticFallback(True)}}
    bench = make_bench(tmp_path, ["suite"], ManualClock(NOW, MONO), fallbacks=fallbacks)
    caller = check_service_pb2.Fallback(allowed=True)
    answers = [
        bench.check(**ASK, fallback=check_service_pb2.Fallback(allowed=False)),
        bench.check(customer_id="c", feature="other", fallback=caller),
        bench.check(customer_id="c", feature="other"),
    ]
    assert [one.allowed for one in answers] == [True, True, False]
    assert [one.served_from for one in answers] == [
        decision_pb2.SERVED_FROM_STATIC_FALLBACK,
        decision_pb2.SERVED_FROM_CALLER_FALLBACK,
        decision_pb2.SERVED_FROM_STATIC_FALLBACK,
    ]
    assert {one.freshness.state for one in answers} == {decision_pb2.FRESHNESS_STATE_UNSPECIFIED}
    assert len(bench.engine.cache) == 0


def test_cache_of_no_entries_remembers_nothing(desk: Desk) -> None:
    """A deployment may switch it off."""
    desk.bench.engine.shelves[world.PRODUCT].reader.close()
    desk.bench = desk.engine(entries=0)
    for _ in range(3):
        assert desk.bench.check(**ASK).allowed
    assert desk.looked_up() == {"hit": 0, "revalidated": 0, "miss": 3}


def test_large_questions_are_answered_and_not_remembered(desk: Desk) -> None:
    """Sixty-four KiB a question times ten thousand entries would be all of the memory."""
    large = {f"a{number}": check_service_pb2.AttributeValue(string_value="x" * 200) for number in range(8)}
    for _ in range(2):
        assert desk.bench.check(**ASK, attributes=large).allowed
    assert len(desk.bench.engine.cache) == 0
    assert desk.looked_up() == {"hit": 0, "revalidated": 0, "miss": 2}


def test_many_threads_get_right_answers_and_right_counts(desk: Desk) -> None:
    """Shared caches and counters under contention: no lost count, no wrong answer."""
    wrong: list[str] = []

    def ask(number: int) -> None:
        for turn in range(300):
            feature = (number + turn) % 20
            response = desk.bench.check(customer_id="customer-0000002", feature=f"feature-{feature:02d}")
            if not response.allowed or response.feature != f"feature-{feature:02d}":
                wrong.append(str(response))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(desk.looked_up().values()) == 1_800
    assert desk.bench.counted("entitlements_check_duration_seconds_count", method="Check") == 1_800
