"""The client library against a real serving process: its answers, and what an application sees when the sidecar is away."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entitlements.client import (
    UNLIMITED,
    Answer,
    AsyncEntitlementClient,
    BadQuestion,
    EntitlementClient,
    ExplainLevel,
    Fallback,
    Question,
    ReplyPolicy,
    SidecarUnavailable,
)
from tests.support.serving_sidecar import EPOCH, ServingSidecar, serving_sidecar


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingSidecar]:
    """Run one process for this module; a test that kills it starts it again."""
    with serving_sidecar(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def client(sidecar: ServingSidecar) -> Iterator[EntitlementClient]:
    """Return a client of Fernhill Boards."""
    with EntitlementClient(sidecar.target, product="boards", timeout_s=5.0) as client:
        yield client


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """Return a target where nobody listens."""
    return f"unix:{tmp_path / 'nobody.sock'}"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """Return a target that accepts connections and never says a word."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield f"unix:{path}"


class TestAnswers:
    """Questions that the sidecar answers."""

    def test_three_lines_are_enough(self, sidecar: ServingSidecar, monkeypatch: pytest.MonkeyPatch) -> None:
        """An application imports, makes a client, asks; the target may come from the environment."""
        monkeypatch.setenv("ENTITLEMENTS_TARGET", sidecar.target)
        with EntitlementClient(timeout_s=5.0) as client:
            assert client.check("acme", "report-exports")
            assert not client.check("initech", "report-exports")

    def test_allow_carries_everything(self, client: EntitlementClient) -> None:
        """Verdict, reason, source, tier, position, value and explanation arrive as plain Python values."""
        answer = client.check("acme", "storage-gb", explain=ExplainLevel.FULL)
        assert (answer.allowed, answer.code, answer.source, answer.value) == (True, "ENTITLED", "PLAN", 450)
        assert (answer.access_level, answer.served_from) == ("FULL", "LAST_KNOWN_GOOD")
        assert answer.version == f"{EPOCH}-1"
        assert answer.age_ms is not None
        assert answer.age_ms >= 0
        assert answer.decision_id
        assert answer.user_message
        assert answer.engineer_message
        assert answer.message is not None
        counted = {each.id for each in answer.message.explain.considered if each.counted}
        assert {"boards-business@3", "boards-storage@1"} <= counted

    def test_deny_is_a_value_with_its_remedy(self, client: EntitlementClient) -> None:
        """A deny raises nothing and tells what would repair it."""
        answer = client.check("initech", "report-exports")
        assert (answer.allowed, answer.code, answer.remedy) == (False, "NOT_IN_PLAN", "UPGRADE")
        assert "boards-business" in answer.remedy_plans
        assert answer.contact == "sales@fernhill.example"

    def test_values_keep_their_types(self, client: EntitlementClient) -> None:
        """Numbers, lists, texts and `unlimited`."""
        assert client.check("globex", "members").value is UNLIMITED
        assert client.check("acme", "view-kinds").value == ("board", "calendar", "gantt", "list", "timeline")
        assert client.check("acme", "support-level").value == "priority"

    def test_attributes_and_requested_value(self, client: EntitlementClient) -> None:
        """What the caller knows takes part in the decision."""
        assert client.check("globex", "ai-assistant", attributes={"app_version": 7})
        assert client.check("globex", "ai-assistant", attributes={"app_version": 6}).code == "CONDITION_NOT_MET"
        assert client.check("sable-design", "boards-limit", requested_value=3)
        assert client.check("sable-design", "boards-limit", requested_value=4).code == "VALUE_NOT_ALLOWED"

    def test_as_of_another_instant(self, client: EntitlementClient) -> None:
        """A scheduled upgrade can be looked at before it happens."""
        later = datetime.now(UTC) + timedelta(days=10)
        assert client.check("quill-and-co", "gantt").code == "NOT_IN_PLAN"
        assert client.check("quill-and-co", "gantt", as_of=later).code == "ENTITLED"

    def test_trial_tells_until_when(self, client: EntitlementClient) -> None:
        """A caller may cache until then."""
        answer = client.check("brightwater", "gantt")
        assert answer.code == "ENTITLED_TRIAL"
        assert answer.valid_until is not None
        assert answer.valid_until > datetime.now(UTC)

    def test_min_version_that_is_not_reached(self, client: EntitlementClient) -> None:
        """The sidecar waits a little, answers from what it has, and says that it is behind."""
        answer = client.check("acme", "reports", min_version=f"{EPOCH}-9", timeout_s=5.0)
        assert answer.allowed
        assert "VERSION_BEHIND" in answer.obligations

    def test_other_product(self, client: EntitlementClient) -> None:
        """A question may name its product; one that is not served is the caller's bug."""
        assert client.check("globex", "forecasting", product="relate")
        with pytest.raises(BadQuestion) as caught:
            client.check("globex", "forecasting", product="payroll")
        assert caught.value.field == "product"
        assert "boards" in str(caught.value)

    @pytest.mark.parametrize(
        "customer, feature, field",
        [("", "reports", "customer_id"), ("acme", "", "feature"), ("a\n", "x", "customer_id")],
    )
    def test_bad_questions_name_the_field(
        self, client: EntitlementClient, customer: str, feature: str, field: str
    ) -> None:
        """A question that can never be answered is raised, whatever the fallback says."""
        with pytest.raises(BadQuestion) as caught:
            client.check(customer, feature, fallback=Fallback(allowed=True))
        assert caught.value.field == field

    def test_attribute_of_the_customer_is_refused(self, client: EntitlementClient) -> None:
        """A caller cannot speak for the record."""
        with pytest.raises(BadQuestion) as caught:
            client.check("acme", "reports", attributes={"customer.region": "us"})
        assert caught.value.field == "attributes[customer.region]"


class TestManyAtOnce:
    """Batches and lists."""

    def test_batch_keeps_order_and_isolates_the_bad_one(self, client: EntitlementClient) -> None:
        """One bad question is a BadQuestion in its place."""
        replies = client.batch(
            [
                Question("acme", "reports"),
                Question("", "reports"),
                Question("initech", "gantt"),
                Question("acme", "reports"),
            ]
        )
        good = [reply for reply in replies if isinstance(reply, Answer)]
        assert [answer.code for answer in good] == ["ENTITLED", "NOT_IN_PLAN", "ENTITLED"]
        assert len({answer.version for answer in good}) == 1
        assert isinstance(replies[1], BadQuestion)
        assert replies[1].field == "items[1].customer_id"

    def test_batch_that_is_too_large(self, client: EntitlementClient) -> None:
        """More than 500 questions are refused as a whole, and the field is named."""
        with pytest.raises(BadQuestion) as caught:
            client.batch([Question("acme", "reports")] * 501)
        assert caught.value.field == "items"

    def test_list_is_complete_and_sorted(self, client: EntitlementClient) -> None:
        """Every feature of the product, allowed and denied, in the order of its key."""
        answers = list(client.entitlements("initech"))
        keys = [answer.feature for answer in answers]
        assert keys == sorted(keys)
        assert len(keys) == 26
        assert {answer.allowed for answer in answers} == {True, False}
        allowed = list(client.entitlements("initech", allowed_only=True))
        assert [each.feature for each in allowed] == [each.feature for each in answers if each.allowed]
        assert [each.feature for each in client.entitlements("initech", prefix="api-")] == ["api-access", "api-rate"]


class TestAway:
    """Nobody answers: the application goes on, and knows."""

    def test_default_is_a_marked_deny(self, nobody: str) -> None:
        """No exception, no version, no pretence."""
        with EntitlementClient(nobody) as client:
            answer = client.check("acme", "reports")
        assert (answer.allowed, answer.code, answer.served_from) == (False, "FALLBACK_DENY", "CALLER_FALLBACK")
        assert (answer.error, answer.version, answer.age_ms) == ("UNAVAILABLE", "", None)
        assert answer.is_fallback

    def test_fallback_of_the_call_wins_over_the_clients(self, nobody: str) -> None:
        """Per call, else per client, else deny; each is counted for the application."""
        statuses: list[str] = []
        policy = ReplyPolicy(default=Fallback(allowed=True), on_fallback=statuses.append)
        with EntitlementClient(nobody, policy=policy) as client:
            assert client.check("acme", "reports").code == "FALLBACK_ALLOW"
            denied = client.check("acme", "members", fallback=Fallback(allowed=False))
            valued = client.check("acme", "members", fallback=Fallback(allowed=True, value=5))
        assert (denied.allowed, valued.allowed, valued.value) == (False, True, 5)
        assert statuses == ["UNAVAILABLE"] * 3

    def test_raising_is_a_choice(self, nobody: str) -> None:
        """Whoever prefers an exception gets one."""
        with EntitlementClient(nobody, policy=ReplyPolicy(raise_unavailable=True)) as client:
            with pytest.raises(SidecarUnavailable) as caught:
                client.check("acme", "reports", fallback=Fallback(allowed=True))
            assert caught.value.status == "UNAVAILABLE"

    def test_list_has_no_fallback(self, nobody: str) -> None:
        """A made-up list would be worse than none."""
        with EntitlementClient(nobody) as client, pytest.raises(SidecarUnavailable):
            list(client.entitlements("acme"))

    def test_batch_falls_back_item_by_item(self, nobody: str) -> None:
        """Each question has its own fallback."""
        with EntitlementClient(nobody) as client:
            replies = client.batch([Question("a", "x", fallback=Fallback(allowed=True)), Question("a", "y")])
        assert [isinstance(reply, Answer) and reply.allowed for reply in replies] == [True, False]

    def test_deadline_holds(self, silent: str) -> None:
        """A sidecar that hangs costs the deadline and no more."""
        with EntitlementClient(silent, timeout_s=0.2) as client:
            started = time.monotonic()
            answer = client.check("acme", "reports", fallback=Fallback(allowed=True))
            taken = time.monotonic() - started
        assert answer.allowed
        assert answer.error in {"DEADLINE_EXCEEDED", "UNAVAILABLE"}
        assert taken < 2.0

    def test_stopped_process_costs_the_deadline(self, sidecar: ServingSidecar) -> None:
        """SIGSTOP: connected, alive, and silent."""
        with EntitlementClient(sidecar.target, product="boards", timeout_s=5.0) as client:
            assert client.check("acme", "reports").code == "ENTITLED"
            os.kill(sidecar.part.pid, signal.SIGSTOP)
            try:
                until(lambda: is_stopped(sidecar.part.pid))
                answer = client.check("acme", "reports", timeout_s=0.2)
            finally:
                os.kill(sidecar.part.pid, signal.SIGCONT)
            assert (answer.served_from, answer.error) == ("CALLER_FALLBACK", "DEADLINE_EXCEEDED")
            assert client.check("acme", "reports").code == "ENTITLED"

    def test_restart_while_asking(self, sidecar: ServingSidecar) -> None:
        """A killed process costs fallbacks, never an exception and never a wrong verdict, and the same client recovers."""
        codes: list[str] = []
        over = threading.Event()
        with EntitlementClient(sidecar.target, product="boards", timeout_s=1.0) as client:

            def ask() -> None:
                while not over.is_set():
                    codes.append(client.check("acme", "reports").code)

            asking = threading.Thread(target=ask)
            asking.start()
            with contextlib.ExitStack() as ending:
                ending.callback(asking.join)
                ending.callback(over.set)
                until(lambda: "ENTITLED" in codes)
                sidecar.part.kill()
                until(lambda: codes[-1] == "FALLBACK_DENY")
                sidecar.part.start()
                until(lambda: codes[-1] == "ENTITLED")
        assert set(codes) == {"ENTITLED", "FALLBACK_DENY"}

    def test_client_made_before_the_sidecar(self, sidecar: ServingSidecar) -> None:
        """Start order does not matter: the channel connects when somebody is there."""
        sidecar.part.kill()
        with EntitlementClient(sidecar.target, product="boards", timeout_s=1.0) as client:
            assert client.check("acme", "reports").is_fallback
            sidecar.part.start()
            until(lambda: client.check("acme", "reports").code == "ENTITLED")


class TestAsync:
    """The same promises on asyncio."""

    async def test_answers(self, sidecar: ServingSidecar) -> None:
        """Check, batch and list."""
        async with AsyncEntitlementClient(sidecar.target, product="boards", timeout_s=5.0) as client:
            assert await client.check("acme", "report-exports")
            replies = await client.batch([Question("acme", "reports"), Question("acme", "\t")])
            assert isinstance(replies[0], Answer)
            assert isinstance(replies[1], BadQuestion)
            keys = [answer.feature async for answer in client.entitlements("acme", prefix="api-")]
            assert keys == ["api-access", "api-rate"]
            with pytest.raises(BadQuestion):
                await client.check("", "reports")

    async def test_away(self, nobody: str, silent: str) -> None:
        """Fallback, exception on request, deadline."""
        async with AsyncEntitlementClient(nobody) as client:
            answer = await client.check("acme", "reports", fallback=Fallback(allowed=True))
            assert (answer.allowed, answer.served_from) == (True, "CALLER_FALLBACK")
        policy = ReplyPolicy(raise_unavailable=True)
        async with AsyncEntitlementClient(nobody, policy=policy) as client:
            with pytest.raises(SidecarUnavailable):
                await client.check("acme", "reports")
        async with AsyncEntitlementClient(silent, timeout_s=0.2) as client:
            assert (await client.check("acme", "reports")).is_fallback


def is_stopped(pid: int) -> bool:
    """Tell whether every thread of a process has stopped; on a busy machine the last one answers for a while after the signal."""
    states = [
        task.read_text(encoding="ascii").rpartition(")")[2].split()[0]
        for task in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


def until(holds: object, limit_s: float = 20.0) -> None:
    """Wait until a predicate holds; fail after the limit."""
    assert callable(holds)
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
