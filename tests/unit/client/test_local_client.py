"""The client that decides in its own process, over a real store and a clock of our own: what it answers, remembers, counts and leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from benchmarks import world
from entitlements.client import (
    Answer,
    AsyncEntitlementClient,
    AsyncLocalEntitlementClient,
    BadQuestion,
    EntitlementClient,
    Fallback,
    LocalEntitlementClient,
    Question,
    ReplyPolicy,
    SidecarUnavailable,
    open_async_client,
    open_client,
)
from entitlements.client.several import decide_page
from entitlements.client.wording import key_of
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, RecordKey
from entitlements.policy.model import Customer, Override, OverrideEffect, Window
from entitlements.runtime.clock import ManualClock
from entitlements.store.writer import StoreWriter
from entitlements.v1 import check_service_pb2
from entitlements.wire.codec import customer_to_bytes
from tests.support.signed_feed import SignedFeed
from tests.support.worlds import damage_records

NOW = 1_790_000_000_000
MONO = 10_000_000
ASK = ("customer-0000001", "feature-02")


class Desk:
    """A store, its clock, and a client that reads it; nobody answers where its sidecar should be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW, MONO)
        self.feed = SignedFeed(world.PRODUCT)
        self.feed.write(folder, dict(world.bodies(4, NOW)), age_ms=None)
        self.nobody = f"unix:{folder / 'nobody'}"
        self.statuses: list[str] = []
        self.clients: list[LocalEntitlementClient] = []
        self.pulse()
        self.client = self.opened()

    def opened(self, **options: Any) -> LocalEntitlementClient:
        """Return a new client."""
        policy = ReplyPolicy(on_fallback=self.statuses.append)
        client = LocalEntitlementClient(
            self.folder, product=world.PRODUCT, target=self.nobody, clock=self.clock, policy=policy, **options
        )
        self.clients.append(client)
        return client

    def pulse(self, age_ms: int = 0) -> None:
        """Record a heartbeat; one process opens a store once, so the clients close it meanwhile."""
        with self.writer() as writer:
            now, mono = self.clock.now_ms(), self.clock.monotonic_ms()
            writer.pulse(now - age_ms, now - age_ms, mono - age_ms)

    def change(self, changes: dict[str, bytes | None]) -> None:
        """Apply one delta."""
        with self.writer() as writer:
            self.feed.change(writer, changes)

    def writer(self) -> StoreWriter:
        """Open the store for writing."""
        self.let_go()
        return self.feed.writer(self.folder)

    def let_go(self) -> None:
        """Close the store in this process."""
        for client in self.clients:
            client._reckoner.own.reader.close()

    def counted(self) -> tuple[int, int, int]:
        """Return how many answers were recalled, revalidated and decided."""
        figures = self.client.figures()
        return figures.recalled, figures.revalidated, figures.decided


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with four customers."""
    made = Desk(tmp_path)
    yield made
    made.let_go()


class TestRemembering:
    """What is remembered, for how long, and what a remembered answer says."""

    def test_second_answer_is_remembered_and_equal(self, desk: Desk) -> None:
        """The same ruling at the same moment, under another id."""
        first, second = desk.client.check(*ASK), desk.client.check(*ASK)
        assert first.allowed
        assert (first.code, first.version, first.freshness) == (second.code, f"{desk.feed.epoch}-1", "FRESH")
        assert first.decision_id != second.decision_id
        assert desk.counted() == (1, 0, 1)
        assert desk.client.figures().by_code == {"ENTITLED": 2}

    def test_remembered_answer_tells_its_present_age_and_rung(self, desk: Desk) -> None:
        """Age, freshness and the next rung move with the clock."""
        desk.client.check(*ASK)
        desk.clock.advance(5_000)
        stale = desk.client.check(*ASK)
        assert (stale.freshness, stale.age_ms) == ("STALE", 5_000)
        assert stale.valid_until == datetime.fromtimestamp(NOW / 1000 + 86_405, UTC)
        assert desk.counted() == (1, 0, 1)

    def test_too_stale_is_decided_by_the_ladder_and_never_remembered(self, desk: Desk) -> None:
        """As the sidecar does: the last rung answers as the feature says, here with the last value."""
        desk.client.check(*ASK)
        desk.clock.advance(86_405_000)
        for _ in range(2):
            answer = desk.client.check(*ASK)
            assert (answer.allowed, answer.freshness, answer.valid_until) == (True, "TOO_STALE", None)
        assert desk.counted() == (0, 0, 3)

    def test_live_means_confirmed_since_this_client_looks(self, desk: Desk) -> None:
        """A heartbeat that came before proves only that a sidecar was alive then."""
        desk.clock.advance(10)
        client = desk.opened()
        assert client.check(*ASK).served_from == "LAST_KNOWN_GOOD"
        desk.pulse()
        assert client.check(*ASK).served_from == "LIVE"
        assert client.figures().by_tier == {"LAST_KNOWN_GOOD": 1, "LIVE": 1}

    def test_heartbeat_and_change_elsewhere_keep_the_answer(self, desk: Desk) -> None:
        """Under the new age and the new position."""
        desk.client.check(*ASK)
        desk.clock.advance(4_000)
        desk.pulse()
        assert desk.client.check(*ASK).age_ms == 0
        desk.change({"c/customer-0000003": None})
        assert desk.client.check(*ASK).version == f"{desk.feed.epoch}-2"
        assert desk.counted() == (0, 2, 1)

    def test_change_of_a_record_that_was_read_is_decided_anew(self, desk: Desk) -> None:
        """A record gone, and an absent one that appears."""
        assert desk.client.check(*ASK).allowed
        desk.change({"c/customer-0000001": None})
        assert desk.client.check(*ASK).code == "CUSTOMER_UNKNOWN"
        assert desk.client.check("newcomer", "feature-00").code == "CUSTOMER_UNKNOWN"
        desk.change({"c/newcomer": customer_to_bytes(Customer(CustomerId("newcomer")))})
        assert desk.client.check("newcomer", "feature-00").code == "ENTITLED_CORE"
        assert desk.counted()[2] == 4

    def test_window_that_ends_is_seen_on_its_millisecond(self, desk: Desk) -> None:
        """Without any message."""
        override = Override(
            "o1", FeatureKey("feature-02"), OverrideEffect.DENY, window=Window(None, Millis(NOW + 1_000))
        )
        desk.change({"c/customer-0000001": customer_to_bytes(replace(world.customer(1, NOW), overrides=(override,)))})
        assert desk.client.check(*ASK).code == "REVOKED"
        desk.clock.advance(999)
        assert desk.client.check(*ASK).code == "REVOKED"
        desk.clock.advance(1)
        assert desk.client.check(*ASK).code == "ENTITLED"
        assert desk.counted() == (1, 0, 2)

    def test_other_instant_is_not_remembered(self, desk: Desk) -> None:
        """It is evaluated there, and the message says so."""
        when = datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(days=120)
        for _ in range(2):
            answer = desk.client.check(*ASK, as_of=when)
            assert answer.code == "SUBSCRIPTION_NOT_STARTED"
            assert answer.message is not None
            assert answer.message.as_of.ToDatetime(tzinfo=UTC) == when
        assert desk.counted() == (0, 0, 2)

    def test_memory_may_be_switched_off(self, desk: Desk) -> None:
        """Then each answer is decided."""
        client = desk.opened(answers=0)
        for _ in range(3):
            assert client.check(*ASK)
        assert client.figures().decided == 3

    def test_many_threads_get_right_answers_and_right_counts(self, desk: Desk) -> None:
        """Shared memories under contention."""
        wrong: list[str] = []

        def ask(number: int) -> None:
            for turn in range(300):
                feature = f"feature-{(number + turn) % 20:02d}"
                answer = desk.client.check("customer-0000002", feature)
                if not answer.allowed or answer.feature != feature:
                    wrong.append(str(answer))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert desk.client.figures().answered == 1_800


class Feature(str, Enum):  # noqa: UP042 - the older of the two ways in which an application may name its features
    """Features as an application may name them."""

    SECOND = "feature-02"


class TestWording:
    """Which questions are the same question."""

    @pytest.mark.parametrize(
        "one, other",
        [
            ({"attributes": {"beta": True}}, {"attributes": {"beta": 1}}),
            ({"requested_value": True}, {"requested_value": 1}),
            ({"attributes": {"a": "b"}}, {"attributes": {"a": ["b"]}}),
            ({"subject_id": "x"}, {"resource_id": "x"}),
            ({"explain": 1}, {"explain": 2}),
            ({"min_version": "1-1"}, {"min_version": "1-2"}),
            ({"product": "other"}, {}),
        ],
    )
    def test_different_questions_have_different_keys(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Also where Python calls the values equal."""
        assert key_of(Question(*ASK, **one)) != key_of(Question(*ASK, **other))

    def test_same_questions_have_the_same_key(self) -> None:
        """A list is as good as a tuple, one zone as good as another, and the fallback has no say."""
        there, here = datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC).astimezone()
        one = Question(*ASK, attributes={"tags": ["a"], "since": there})
        other = Question(*ASK, attributes={"tags": ("a",), "since": here}, fallback=Fallback(allowed=True))
        assert key_of(one) == key_of(other) is not None

    def test_what_cannot_be_told_apart_is_not_remembered(self) -> None:
        """An iterator is used up by looking; a time without a zone is nobody's."""
        for odd in (iter(["a"]), datetime(2026, 5, 1), 1.5, [1], {"a"}):  # noqa: DTZ001 - the point of the test
            assert key_of(Question(*ASK, attributes={"odd": odd})) is None  # type: ignore[dict-item]  # so it is

    def test_attributes_are_remembered(self, desk: Desk) -> None:
        """The general way remembers as the short one does."""
        for _ in range(2):
            assert desk.client.check(*ASK, attributes={"region": "eu"}, subject_id="ann")
        assert desk.counted() == (1, 0, 1)

    def test_large_questions_are_answered_and_not_remembered(self, desk: Desk) -> None:
        """A few callers could fill the memory with them."""
        for _ in range(2):
            assert desk.client.check(*ASK, attributes={f"a{number}": "x" * 200 for number in range(8)})
        assert desk.counted() == (0, 0, 2)

    def test_enumerated_features_are_texts(self, desk: Desk) -> None:
        """They are the same question, and the answer names a text."""
        assert desk.client.check(ASK[0], Feature.SECOND).feature == "feature-02"
        assert type(desk.client.check(ASK[0], Feature.SECOND).feature) is str

    @pytest.mark.parametrize("customer", ["", " x", "a\n", "x" * 129, 7, None, ["x"], b"\xff"])
    def test_bad_questions_are_raised(self, desk: Desk, customer: Any) -> None:
        """By the short way and the long one, alone and in a batch."""
        with pytest.raises(BadQuestion):
            desk.client.check(customer, "feature-02")
        with pytest.raises(BadQuestion):
            desk.client.check(customer, "feature-02", subject_id="ann")
        good, bad = desk.client.batch([Question(*ASK), Question(customer, "feature-02")])
        assert isinstance(good, Answer)
        assert isinstance(bad, BadQuestion)
        assert bad.field.startswith("items[1]")
        assert desk.client.figures().detours == {}


class TestLeaving:
    """What is put to the sidecar; here nobody is there, so the caller's fallback answers."""

    def test_no_store_then_one(self, desk: Desk, tmp_path: Path) -> None:
        """A client may be there before the sidecar, and looks again."""
        client = LocalEntitlementClient(tmp_path / "late", product=world.PRODUCT, target=desk.nobody, clock=desk.clock)
        answer = client.check(*ASK, fallback=Fallback(allowed=True))
        assert (answer.allowed, answer.served_from, answer.error) == (True, "CALLER_FALLBACK", "UNAVAILABLE")
        assert client.figures().detours == {"no_store": 1}
        assert "No such file" in client.figures().trouble
        SignedFeed(world.PRODUCT).write(tmp_path / "late", dict(world.bodies(4, NOW)))
        client._reckoner.own.reader.close()  # look again now, and not in fifty milliseconds
        assert client.check(*ASK).code == "ENTITLED"
        assert client.figures().trouble == ""
        client._reckoner.own.reader.close()

    def test_store_that_nobody_has_verified_since_the_machine_started(self, desk: Desk) -> None:
        """After a power loss it may lack what was not on disk; the sidecar re-hashes it first."""
        desk.let_go()
        with desk.feed.writer(desk.folder, "another boot") as writer:
            writer.pulse(NOW, NOW, MONO)
        assert desk.client.check(*ASK).is_fallback
        (reply,) = desk.client.batch([Question(*ASK)])
        assert isinstance(reply, Answer)
        assert reply.is_fallback
        assert desk.client.figures().detours == {"unverified": 2}
        desk.pulse()
        assert desk.client.check(*ASK).code == "ENTITLED"

    def test_other_product(self, desk: Desk) -> None:
        """One whose store lies beside is answered, any other is the sidecar's business."""
        SignedFeed("second").write(desk.folder, dict(world.bodies(4, NOW)))
        assert desk.client.check(*ASK, product="second").code == "ENTITLED"
        assert desk.client.check(*ASK, product="third").is_fallback
        assert desk.client.figures().detours == {"no_store": 1}
        desk.client._reckoner._shelves["second"].reader.close()

    def test_damaged_record(self, desk: Desk) -> None:
        """It costs the questions that need it, and batches that hold one of them."""
        desk.let_go()
        damage_records(desk.feed.directory(desk.folder), "c/customer-0000001")
        assert desk.client.check(*ASK).is_fallback
        assert desk.client.check("customer-0000002", "feature-02").code == "ENTITLED"
        replies = desk.client.batch([Question("customer-0000002", "feature-02"), Question(*ASK)])
        assert all(isinstance(reply, Answer) and reply.is_fallback for reply in replies)
        with pytest.raises(SidecarUnavailable):
            list(desk.client.entitlements(ASK[0]))
        figures = desk.client.figures()
        assert figures.detours == {"unreadable": 3}
        assert "c/customer-0000001 does not match its checksum" in figures.trouble

    def test_version_that_is_behind(self, desk: Desk) -> None:
        """The sidecar could wait for it; as nobody answers there, the store does, and says that it is behind."""
        behind = Question(*ASK, min_version=f"{desk.feed.epoch}-2", fallback=Fallback(allowed=False))
        for answer in (desk.client.ask(behind), *desk.client.batch([behind])):
            assert isinstance(answer, Answer)
            assert (answer.code, answer.freshness, answer.obligations) == ("ENTITLED", "STALE", ("VERSION_BEHIND",))
        assert desk.client.figures().detours == {"behind": 2}
        assert desk.statuses == []
        desk.change({"c/customer-0000003": None})
        for _ in range(2):
            assert desk.client.ask(behind).obligations == ()
        assert desk.counted() == (1, 0, 3)

    def test_too_large_a_question(self, desk: Desk) -> None:
        """It hears so from the sidecar."""
        huge = {f"{'n' * 120}{number}": ["x" * 250] * 64 for number in range(30)}
        assert desk.client.check(*ASK, attributes=huge).is_fallback
        assert desk.client.figures().detours == {"too_large": 1}

    def test_partial_set_leaves_customers_that_it_does_not_hold(self, desk: Desk) -> None:
        """Not held is not unknown."""
        with desk.writer() as writer:
            writer._state = writer._present()._replace(partial=True)
            writer.hold({RecordKey("c/customer-0000098"): None}, ())
        assert desk.client.check(*ASK).code == "ENTITLED"
        assert desk.client.check("customer-0000098", "feature-02").code == "CUSTOMER_UNKNOWN"  # proven absent
        assert desk.client.check("customer-0000099", "feature-02").is_fallback
        (reply,) = desk.client.batch([Question("customer-0000099", "feature-02")])
        assert isinstance(reply, Answer)
        assert reply.is_fallback
        with pytest.raises(SidecarUnavailable):
            list(desk.client.entitlements("customer-0000099"))
        assert desk.client.figures().detours == {"not_held": 3}

    def test_something_breaks_inside(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever it is, it becomes a question to the sidecar."""

        def broken(*_: object) -> None:
            raise ZeroDivisionError("no")

        monkeypatch.setattr("entitlements.local.sitting.decide", broken)
        assert desk.client.check(*ASK).is_fallback
        assert desk.client.figures().detours == {"internal": 1}


class TestManyAtOnce:
    """Batches and lists."""

    def test_batch_is_one_version_and_one_instant(self, desk: Desk) -> None:
        """Remembered answers and new ones alike, in order."""
        desk.client.check(*ASK)
        questions = [Question(*ASK), Question("", "x"), Question("nobody", "feature-02"), Question(*ASK)]
        replies = desk.client.batch(questions)
        good = [reply for reply in replies if isinstance(reply, Answer)]
        assert [reply.code for reply in good] == ["ENTITLED", "CUSTOMER_UNKNOWN", "ENTITLED"]
        assert isinstance(replies[1], BadQuestion)
        assert replies[1].field == "items[1].customer_id"
        assert len({(reply.version, reply.age_ms) for reply in good}) == 1
        assert desk.counted() == (2, 0, 2)

    @pytest.mark.parametrize("questions", [[], [Question(*ASK)] * 501])
    def test_batch_that_is_bad_as_a_whole(self, desk: Desk, questions: list[Question]) -> None:
        """Too many, or none."""
        with pytest.raises(BadQuestion) as caught:
            desk.client.batch(questions)
        assert caught.value.field == "items"

    def test_list_is_what_single_checks_say(self, desk: Desk) -> None:
        """Every feature, in order; filters; pages that the sidecar could go on with."""
        answers = list(desk.client.entitlements(ASK[0]))
        assert [answer.feature for answer in answers] == [f"feature-{number:02d}" for number in range(20)]
        singles = [desk.client.check(ASK[0], answer.feature) for answer in answers]
        assert [(a.code, a.value) for a in answers] == [(a.code, a.value) for a in singles]
        allowed = list(desk.client.entitlements(ASK[0], allowed_only=True, prefix="feature-1"))
        assert {answer.allowed for answer in allowed} == {True}
        request = check_service_pb2.ListEntitlementsRequest(customer_id=ASK[0], page_size=15)
        pages = []
        while True:
            page = decide_page(desk.client._reckoner, request)
            assert page is not None
            pages.append([answer.feature for answer in page[0]])
            request.page_token = page[1]
            if not page[1]:
                break
        assert [len(page) for page in pages] == [15, 5]
        with pytest.raises(BadQuestion):
            list(desk.client.entitlements("", prefix="x"))


class TestOpening:
    """Which client an application gets, and how many it may have."""

    def test_deployment_chooses(self, desk: Desk) -> None:
        """By one variable; without it everything goes to the sidecar."""
        local = {"ENTITLEMENTS_LOCAL_STORE": str(desk.folder)}
        client = open_client(world.PRODUCT, desk.nobody, environ=local)
        assert isinstance(client, LocalEntitlementClient)
        assert client.check(*ASK).code == "ENTITLED"
        assert type(open_client(world.PRODUCT, desk.nobody, environ={})) is EntitlementClient
        assert type(open_async_client(world.PRODUCT, desk.nobody, environ={})) is AsyncEntitlementClient
        assert isinstance(open_async_client(world.PRODUCT, environ=local), AsyncLocalEntitlementClient)

    def test_clients_of_one_process_share_the_mapping(self, desk: Desk) -> None:
        """LMDB opens a file once in a process; each client has its own memory, and closing one does not disturb the others."""
        second = desk.opened()
        assert desk.client.check(*ASK).code == second.check(*ASK).code == "ENTITLED"
        desk.client.close()
        assert second.check(*ASK)
        assert desk.client.check(*ASK)
        assert second.figures().detours == desk.client.figures().detours == {}
        assert "LocalEntitlementClient [<Reckoner [suite" in repr(second)

    async def test_asynchronous_twin(self, desk: Desk) -> None:
        """The same answers; what goes to the sidecar is awaited."""
        client = AsyncLocalEntitlementClient(desk.folder, product=world.PRODUCT, target=desk.nobody, clock=desk.clock)
        async with client:
            assert (await client.check(*ASK)).code == "ENTITLED"
            assert (await client.check(*ASK, attributes={"region": "eu"})).code == "ENTITLED"
            (reply,) = await client.batch([Question(*ASK)])
            assert isinstance(reply, Answer)
            assert len([answer async for answer in client.entitlements(ASK[0])]) == 20
            late = await client.check(*ASK, min_version=f"{desk.feed.epoch}-2")
            assert late.obligations == ("VERSION_BEHIND",)
            assert (await client.check(*ASK, product="third")).is_fallback
            (reply,) = await client.batch([Question(*ASK, product="third", fallback=Fallback(allowed=True))])
            assert isinstance(reply, Answer)
            assert reply.served_from == "CALLER_FALLBACK"
            assert client.figures().detours == {"behind": 1, "no_store": 2}
            assert "AsyncLocalEntitlementClient" in repr(client)
