"""Answers questions on the control plane's own records, by the one `decide`, in the shape of CheckResponse.

A question takes the same way as at a sidecar: it becomes a CheckRequest and is read by the same decoder, so what a
sidecar refuses is refused here with the same field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from control.api.decision_json import decision_reply
from control.api.problems import ProblemError, invalid
from control.api.schemas.decisions import DecisionReply, FreshnessReply, Question
from entitlements.policy.condition_json import parse_instant
from entitlements.policy.decide import decide
from entitlements.policy.freshness import apply_ladder, next_edge_ms, state_of
from entitlements.policy.ids import Millis, ProductId
from entitlements.policy.model import (
    DEFAULT_LADDER,
    Query,
    Records,
    ValueType,
)
from entitlements.v1 import check_service_pb2, decision_pb2
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import decode_check

_EXPLAIN: Final = {
    "NONE": "EXPLAIN_LEVEL_UNSPECIFIED",
    "SUMMARY": "EXPLAIN_LEVEL_SUMMARY",
    "FULL": "EXPLAIN_LEVEL_FULL",
}


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where a question is answered: the records, their position, the time, and the age that is assumed for them.

    ``age_ms`` None is the control plane's own view: the records are the truth and never stale.
    """

    records: Records
    epoch: int
    seq: int
    now_ms: int
    age_ms: int | None = None


def answer(query: Query, as_of_ms: int | None, standpoint: Standpoint) -> DecisionReply:
    """Return the answer to a valid question, now or at ``as_of_ms``."""
    now = Millis(standpoint.now_ms if as_of_ms is None else as_of_ms)
    decision = decide(query, standpoint.records, now)
    feature = standpoint.records.feature(query.feature)
    ladder = DEFAULT_LADDER if feature is None else feature.ladder
    age_ms = standpoint.age_ms or 0
    if standpoint.age_ms is not None:
        default = None if feature is None else feature.default_value
        decision = apply_ladder(decision, ladder, age_ms, default)
        edge = next_edge_ms(ladder, age_ms)
        if edge is not None:
            reached = Millis(standpoint.now_ms + edge)
            until = reached if decision.valid_until is None else min(decision.valid_until, reached)
            decision = decision._replace(valid_until=until)
    freshness = FreshnessReply(
        state=state_of(ladder, age_ms).name, epoch=standpoint.epoch, seq=standpoint.seq, age_ms=age_ms
    )
    return decision_reply(decision, freshness, as_of_ms)


def read_question(question: Question, records: Records, now_ms: int) -> tuple[Query, int | None]:
    """Return the query and the other instant that is asked about; 422 names the field that a sidecar would refuse."""
    feature = records.feature(question.feature)
    is_text = feature is not None and feature.value_type in {ValueType.STRING, ValueType.LIST}
    try:
        call = decode_check(_message(question, is_text=is_text), ProductId(question.product), now_ms)
    except FieldError as error:
        raise _refused(error) from None
    return call.query, call.as_of_ms


def _refused(error: FieldError) -> ProblemError:
    return invalid(error.field or "body", error.problem, error.remedy[:1].upper() + error.remedy[1:] + ".")


def _message(question: Question, *, is_text: bool) -> check_service_pb2.CheckRequest:
    message = check_service_pb2.CheckRequest(
        customer_id=question.customer_id,
        feature=question.feature,
        product=question.product,
        subject_id=question.subject_id,
        resource_id=question.resource_id,
        explain=_EXPLAIN[question.explain],
    )
    try:
        message.quantity = question.quantity
    except ValueError:
        raise invalid("quantity", "is beyond 64 bits", "Send 0 or 1.") from None
    if question.requested_value is not None:
        message.requested_value.CopyFrom(_value(question.requested_value, is_text=is_text))
    for name, value in question.attributes.items():
        message.attributes[name].CopyFrom(_attribute(value, f"attributes.{name}"))
    if question.as_of is not None:
        message.as_of.FromMilliseconds(_instant(question.as_of, "as_of"))
    return message


def _value(value: object, *, is_text: bool) -> decision_pb2.Value:
    if isinstance(value, bool):
        return decision_pb2.Value(bool_value=value)
    if isinstance(value, int):
        return decision_pb2.Value(int_value=value)
    if isinstance(value, dict):
        return decision_pb2.Value(unlimited=True)
    if isinstance(value, list):
        return decision_pb2.Value(list_value=decision_pb2.StringList(values=value))
    if value == "unlimited" and not is_text:
        return decision_pb2.Value(unlimited=True)
    return decision_pb2.Value(string_value=str(value))


def _attribute(value: object, field: str) -> check_service_pb2.AttributeValue:
    message = check_service_pb2.AttributeValue()
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = value
    elif isinstance(value, list):
        message.list_value.CopyFrom(decision_pb2.StringList(values=value))
    elif isinstance(value, dict):
        message.timestamp_value.FromMilliseconds(_instant(str(value["timestamp"]), field))
    else:
        message.string_value = str(value)
    return message


def _instant(text: str, field: str) -> int:
    try:
        return parse_instant(text).ms
    except ValueError as error:
        raise invalid(field, str(error), "Write ISO 8601 with an offset, such as 2027-01-31T00:00:00Z.") from None
