"""The client's translation: questions to requests, replies to answers, failures to fallbacks."""

from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest

from entitlements.client import UNLIMITED, Answer, BadQuestion, EntitlementClient, Fallback, Question, ReplyPolicy
from entitlements.client.channel import SidecarUnavailable, failure_of, target_of
from entitlements.client.question import request_of
from entitlements.v1 import check_service_pb2, decision_pb2

ASKED = Question("acme", "exports")


class FailedCall(grpc.RpcError):
    """An error as either gRPC library raises it."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        """Return the status."""
        return self._code

    def details(self) -> str:
        """Return the text."""
        return self._details

    def trailing_metadata(self) -> tuple[()]:
        """Return no metadata, as a broken connection does."""
        return ()


def test_every_field_of_a_question_reaches_the_request() -> None:
    """Nothing an application says is dropped on the way."""
    when = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    question = Question(
        "acme",
        "exports",
        product="suite",
        subject_id="u1",
        resource_id="w1",
        requested_value=UNLIMITED,
        attributes={"region": "eu", "beta": True, "seats": 3, "since": when, "tags": ["a", "b"]},
        min_version="7-9",
        as_of=when,
        fallback=Fallback(allowed=True, value=("x",)),
    )
    request = request_of(question)
    assert (request.customer_id, request.feature, request.product) == ("acme", "exports", "suite")
    assert (request.subject_id, request.resource_id, request.min_version) == ("u1", "w1", "7-9")
    assert request.requested_value.unlimited
    assert request.attributes["region"].string_value == "eu"
    assert request.attributes["beta"].WhichOneof("kind") == "bool_value"
    assert request.attributes["seats"].int_value == 3
    assert request.attributes["since"].timestamp_value.ToDatetime(tzinfo=UTC) == when
    assert list(request.attributes["tags"].list_value.values) == ["a", "b"]
    assert request.as_of.ToDatetime(tzinfo=UTC) == when
    assert request.fallback.allowed
    assert list(request.fallback.value.list_value.values) == ["x"]


@pytest.mark.parametrize(
    "question,field",
    [
        (Question("acme", "exports", as_of=datetime(2026, 1, 1)), "as_of"),  # noqa: DTZ001 - the point of the test
        (Question("acme", "exports", attributes={"n": 2**70}), "attributes[n]"),
        (Question("acme", "exports", requested_value=2**70), "requested_value"),
    ],
)
def test_what_cannot_be_encoded_names_its_field(question: Question, field: str) -> None:
    """A caller's bug is raised with the field, before anything is sent."""
    with pytest.raises(BadQuestion) as caught:
        request_of(question)
    assert field == caught.value.field


def test_an_answer_reads_as_plain_python() -> None:
    """Enumerations lose their prefix, instants carry a zone, the verdict is the truth value."""
    message = check_service_pb2.CheckResponse(
        feature="exports",
        allowed=True,
        code=decision_pb2.CODE_ENTITLED,
        access_level=decision_pb2.ACCESS_LEVEL_FULL,
        source=decision_pb2.SOURCE_PLAN,
        served_from=decision_pb2.SERVED_FROM_LIVE,
        freshness=decision_pb2.Freshness(state=decision_pb2.FRESHNESS_STATE_FRESH, epoch=7, seq=9, age_ms=12),
        value=decision_pb2.Value(int_value=0),
    )
    message.valid_until.FromDatetime(datetime(2026, 5, 1, tzinfo=UTC))
    answer = Answer.of_message(message)
    assert answer
    assert (answer.code, answer.source, answer.served_from) == ("ENTITLED", "PLAN", "LIVE")
    assert (answer.version, answer.age_ms, answer.freshness) == ("7-9", 12, "FRESH")
    assert answer.value == 0
    assert answer.valid_until == datetime(2026, 5, 1, tzinfo=UTC)
    assert not answer.is_fallback
    assert "\n" not in repr(answer)


def test_a_code_of_a_newer_sidecar_keeps_its_verdict() -> None:
    """An old client beside a new sidecar shows the number and obeys the verdict."""
    message = check_service_pb2.CheckResponse.FromString(b"\x08\x01\x10\xe7\x07")
    answer = Answer.of_message(message)
    assert (answer.allowed, answer.code) == (True, "CODE_999")


@pytest.mark.parametrize("raw", [None, b"", b"\xff\xff\xff"])
def test_an_undecodable_reply_is_no_allow(raw: bytes | None) -> None:
    """Garbage from the wire counts as no answer at all."""
    answer = ReplyPolicy().check(ASKED, raw)
    assert (answer.allowed, answer.code, answer.served_from, answer.error) == (
        False,
        "FALLBACK_DENY",
        "CALLER_FALLBACK",
        "DATA_LOSS",
    )


def test_the_questions_own_fallback_beats_the_clients_default() -> None:
    """A per-call fallback decides, is marked, and is counted by the application's hook."""
    counted: list[str] = []
    policy = ReplyPolicy(default=Fallback(allowed=False), on_fallback=counted.append)
    failure = failure_of(FailedCall(grpc.StatusCode.DEADLINE_EXCEEDED, "too late"))
    generous = policy.after_error(Question("acme", "exports", fallback=Fallback(allowed=True, value=5)), failure)
    strict = policy.after_error(ASKED, failure)
    assert (generous.allowed, generous.code, generous.value) == (True, "FALLBACK_ALLOW", 5)
    assert (strict.allowed, strict.code, strict.version) == (False, "FALLBACK_DENY", "")
    assert counted == ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]


def test_unavailability_is_raised_only_when_asked_for() -> None:
    """An application that prefers exceptions gets them."""
    failure = failure_of(FailedCall(grpc.StatusCode.UNAVAILABLE, "gone"))
    with pytest.raises(SidecarUnavailable, match="UNAVAILABLE"):
        ReplyPolicy(raise_unavailable=True).after_error(ASKED, failure)


def test_invalid_argument_is_the_callers_bug() -> None:
    """A question that can never be answered is raised, not answered with a fallback."""
    failure = failure_of(FailedCall(grpc.StatusCode.INVALID_ARGUMENT, "customer_id must not be empty"))
    with pytest.raises(BadQuestion, match="customer_id must not be empty"):
        ReplyPolicy().after_error(ASKED, failure)


def test_a_batch_of_another_length_is_no_answer() -> None:
    """Answers can only be matched to questions when none is missing."""
    raw = check_service_pb2.BatchCheckResponse(items=[]).SerializeToString()
    (answer,) = ReplyPolicy().batch([ASKED], raw)
    assert isinstance(answer, Answer)
    assert answer.error == "DATA_LOSS"


def test_a_bad_item_of_a_batch_fails_alone() -> None:
    """One wrong question does not cost the others their answers."""
    good = check_service_pb2.CheckResponse(feature="exports", allowed=True, code=decision_pb2.CODE_ENTITLED)
    bad = check_service_pb2.ItemError(
        status=3, reason="FIELD_INVALID", field="feature", message="feature must not be empty"
    )
    raw = check_service_pb2.BatchCheckResponse(
        items=[
            check_service_pb2.BatchCheckItem(decision=good),
            check_service_pb2.BatchCheckItem(error=bad),
        ]
    ).SerializeToString()
    first, second = ReplyPolicy().batch([ASKED, Question("acme", "")], raw)
    assert isinstance(first, Answer)
    assert first.allowed
    assert isinstance(second, BadQuestion)
    assert second.field == "feature"


def test_the_target_comes_from_argument_then_environment_then_default() -> None:
    """An injected pod sets the variable; a laptop needs nothing."""
    assert target_of("unix:a", {"ENTITLEMENTS_TARGET": "unix:b"}) == "unix:a"
    assert target_of(None, {"ENTITLEMENTS_TARGET": "unix:b"}) == "unix:b"
    assert target_of(None, {}) == "unix:.run/sidecar.sock"


def test_a_client_shows_its_state() -> None:
    """The repr is an interface: target and channel in one line."""
    assert repr(EntitlementClient("unix:a")) == "<EntitlementClient [unix:a | closed]>"
