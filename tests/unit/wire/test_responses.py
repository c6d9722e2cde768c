"""Answers: body and tail are one message, equal to what the protobuf runtime writes."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.freshness import FreshnessState, ServedFrom
from entitlements.policy.ids import FeatureKey, Millis
from entitlements.policy.model import (
    UNLIMITED,
    AccessLevel,
    ConsideredSource,
    Decision,
    Explanation,
    Obligation,
    Remedy,
    Source,
)
from entitlements.policy.reasons import Code, RemedyAction
from entitlements.v1 import check_service_pb2 as pb
from entitlements.v1 import decision_pb2
from entitlements.wire import responses
from entitlements.wire.errors import FieldError, FieldReason

ALLOW = Decision(FeatureKey("exports"), True, Code.ENTITLED, AccessLevel.FULL, Source.PLAN)
INT64 = st.integers(0, 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)


def test_the_shortest_body() -> None:
    """A switch that is allowed needs few fields."""
    message = pb.CheckResponse.FromString(responses.encode_decision(ALLOW, ServedFrom.LIVE))
    assert message == pb.CheckResponse(
        allowed=True,
        code=pb.CheckResponse.FromString(b"\x10\x78").code,
        access_level=decision_pb2.ACCESS_LEVEL_FULL,
        source=decision_pb2.SOURCE_PLAN,
        served_from=decision_pb2.SERVED_FROM_LIVE,
        feature="exports",
    )


def test_the_longest_body() -> None:
    """Every field of a decision arrives."""
    decision = Decision(
        FeatureKey("projects"),
        False,
        Code.POLICY_TOO_STALE,
        AccessLevel.NONE,
        Source.DEFAULT,
        value=("a", "b"),
        valid_until=Millis(5),
        obligations=(Obligation.WARN_TRIAL_ENDING, Obligation.READ_ONLY),
        remedy=Remedy(RemedyAction.UPGRADE, ("pro", "max"), "sales@vendor.example"),
        retry_after_ms=Millis(1500),
        underlying_code=Code.ENTITLED,
        explanation=Explanation(
            "user",
            "engineer",
            ("B3",),
            (ConsideredSource(Source.PLAN, "pro@1", "s1", True, "won", UNLIMITED),),
            ("x",),
            "abuse",
        ),
    )
    message = pb.CheckResponse.FromString(
        responses.encode_decision(decision, ServedFrom.LAST_KNOWN_GOOD, as_of_ms=1001)
    )
    assert (message.allowed, message.code, message.access_level, message.source) == (False, 2, 1, 8)
    assert list(message.value.list_value.values) == ["a", "b"]
    assert list(message.obligations) == [2, 6]
    assert (message.remedy.action, list(message.remedy.plan_ids), message.remedy.contact) == (
        1,
        ["pro", "max"],
        "sales@vendor.example",
    )
    assert (message.retry_after.seconds, message.retry_after.nanos) == (1, 500_000_000)
    assert (message.as_of.seconds, message.as_of.nanos) == (1, 1_000_000)
    assert (message.underlying_code, message.served_from, message.feature) == (120, 2, "projects")
    explain = message.explain
    assert (explain.user_message, explain.engineer_message, list(explain.rules)) == ("user", "engineer", ["B3"])
    assert (list(explain.failed_conditions), explain.suspension_cause) == (["x"], "abuse")
    assert explain.considered[0] == decision_pb2.ConsideredSource(
        source=decision_pb2.SOURCE_PLAN,
        id="pro@1",
        subscription_id="s1",
        counted=True,
        note="won",
        value=decision_pb2.Value(unlimited=True),
    )
    assert not message.HasField("freshness")
    assert not message.HasField("valid_until")


def test_instants_before_1970_survive() -> None:
    """as_of may lie before 1970 only in theory, but is encoded correctly all the same."""
    message = pb.CheckResponse.FromString(responses.encode_decision(ALLOW, ServedFrom.LIVE, as_of_ms=-1))
    assert message.as_of.ToMilliseconds() == -1


@given(
    st.sampled_from([0, *FreshnessState]),
    UINT64,
    UINT64,
    INT64,
    st.none() | st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from([[], [decision_pb2.OBLIGATION_VERSION_BEHIND]]),
)
def test_tails_equal_what_protobuf_writes(
    state: int,
    epoch: int,
    seq: int,
    age_ms: int,
    valid_until_ms: int | None,
    decision_id: str,
    added: list[decision_pb2.Obligation],
) -> None:
    """The hand-written bytes are the runtime's bytes."""
    expected = pb.CheckResponse(
        freshness=decision_pb2.Freshness(epoch=epoch, seq=seq, age_ms=age_ms),
        decision_id=decision_id,
        obligations=added,
    )
    expected.freshness.state = state  # type: ignore[assignment]
    if valid_until_ms is not None:
        expected.valid_until.CopyFrom(
            Timestamp(seconds=valid_until_ms // 1000, nanos=valid_until_ms % 1000 * 1_000_000)
        )
    tail = responses.encode_tail(state, epoch, seq, age_ms, valid_until_ms, decision_id, version_behind=bool(added))
    assert tail == expected.SerializeToString()


def test_a_negative_age_counts_as_none() -> None:
    """A clock that runs behind the publisher's does not make an answer younger than new."""
    tail = pb.CheckResponse.FromString(responses.encode_tail(1, 5, 6, -3, None, ""))
    assert tail.freshness.age_ms == 0


def test_body_and_tail_are_one_message() -> None:
    """Concatenation merges: obligations add up, everything else stands side by side."""
    body = responses.encode_decision(
        Decision(FeatureKey("x"), True, Code.ENTITLED, AccessLevel.FULL, obligations=(Obligation.READ_ONLY,)), 1
    )
    tail = responses.encode_tail(FreshnessState.STALE, 5, 6, 7, 8000, "id-1", version_behind=True)
    message = pb.CheckResponse.FromString(body + tail)
    assert list(message.obligations) == [decision_pb2.OBLIGATION_READ_ONLY, decision_pb2.OBLIGATION_VERSION_BEHIND]
    assert (message.feature, message.decision_id, message.valid_until.seconds) == ("x", "id-1", 8)
    assert message.freshness == decision_pb2.Freshness(
        state=decision_pb2.FRESHNESS_STATE_STALE, epoch=5, seq=6, age_ms=7
    )


def test_batches_and_lists_are_assembled() -> None:
    """Encoded answers go in as they are, errors in their place."""
    answer = responses.encode_decision(ALLOW, 1) + responses.encode_tail(1, 5, 6, 7, None, "i" * 200)
    error = FieldError("items[1].feature", "is missing", "send one", FieldReason.FIELD_REQUIRED)
    large = FieldError("items[2]", "is large", "split it", FieldReason.MESSAGE_TOO_LARGE)
    batch = pb.BatchCheckResponse.FromString(responses.encode_batch([answer, error, large]))
    assert batch.items[0].decision == pb.CheckResponse.FromString(answer)
    assert batch.items[1].error == pb.ItemError(
        status=3, reason="FIELD_REQUIRED", field="items[1].feature", message="items[1].feature is missing; send one"
    )
    assert batch.items[2].error.status == 8
    listed = pb.ListEntitlementsResponse.FromString(responses.encode_list([answer, answer], "token"))
    assert listed == pb.ListEntitlementsResponse(
        entitlements=[pb.CheckResponse.FromString(answer)] * 2, next_page_token="token"
    )
    assert responses.encode_list([]) == responses.encode_batch([]) == b""


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sets(st.sampled_from("abc")).map(lambda texts: tuple(sorted(texts))),
    st.just(UNLIMITED),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=140).map(FeatureKey)
DECISIONS = st.builds(
    Decision,
    NAMES,
    st.booleans(),
    st.sampled_from(Code),
    st.sampled_from(AccessLevel),
    st.sampled_from(Source),
    VALUES,
    obligations=st.lists(st.sampled_from(Obligation), max_size=3).map(tuple),
    remedy=st.none()
    | st.builds(
        Remedy, st.sampled_from(RemedyAction), st.lists(NAMES, max_size=3).map(tuple), st.sampled_from(["", "us"])
    ),
    retry_after_ms=st.sampled_from([None, None, Millis(0), Millis(1500)]),
    underlying_code=st.sampled_from([None, None, Code.ENTITLED]),
    explanation=st.none(),
)


@given(DECISIONS, st.sampled_from(ServedFrom))
def test_bodies_equal_what_protobuf_writes(decision: Decision, served_from: ServedFrom) -> None:
    """A body put together from parts is the message that the runtime would write, byte for byte."""
    body = responses.encode_decision(decision, served_from)
    message = pb.CheckResponse.FromString(body)
    assert body == message.SerializeToString() == responses.whole_body(decision, served_from, None)
