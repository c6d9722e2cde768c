"""Brings questions and answers of the runners into one form: a case to a Query or a CheckRequest, a Decision or a CheckResponse to a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from entitlements.policy.condition_json import parse_instant, render_instant
from entitlements.policy.freshness import CallerFallback, FreshnessState, ServedFrom, StaticFallback
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, ProductId
from entitlements.policy.model import (
    UNLIMITED,
    Attribute,
    ConsideredSource,
    Decision,
    ExplainLevel,
    Explanation,
    Instant,
    Query,
    Source,
    Unlimited,
    Value,
)
from entitlements.v1 import check_service_pb2, decision_pb2
from tests.support.vectors import Case

Answer = dict[str, Any]


def value_of(json_value: Any) -> Value:
    """Return a value from its JSON form; ``{"unlimited": true}`` and ``"unlimited"`` are both UNLIMITED."""
    if json_value in ("unlimited", {"unlimited": True}):
        return UNLIMITED
    if isinstance(json_value, list):
        return tuple(sorted(set(json_value)))
    assert isinstance(json_value, bool | int | str)
    return json_value


def attribute_of(json_value: Any) -> Attribute:
    """Return an attribute from its JSON form."""
    if isinstance(json_value, dict):
        return parse_instant(json_value["timestamp"])
    if isinstance(json_value, list):
        return tuple(sorted(set(json_value)))
    assert isinstance(json_value, bool | int | str)
    return json_value


def query_of(case: Case) -> Query:
    """Return the case's question as the policy core takes it; only for cases that expect a decision."""
    query = case.query
    return Query(
        customer_id=CustomerId(query["customer_id"]),
        feature=FeatureKey(query["feature"]),
        product=ProductId(case.product),
        subject_id=query.get("subject_id", ""),
        resource_id=query.get("resource_id", ""),
        requested_value=value_of(query["requested_value"]) if "requested_value" in query else None,
        attributes={
            name if "." in name else f"request.{name}": attribute_of(value)
            for name, value in query.get("attributes", {}).items()
        },
        explain=ExplainLevel[query.get("explain", "NONE")],
    )


def instant_of(case: Case) -> Millis:
    """Return the instant that the case asks about: its as_of, else now."""
    return Millis(parse_instant(case.query["as_of"]).ms if "as_of" in case.query else case.now_ms)


def static_fallback_of(case: Case) -> StaticFallback | None:
    """Return the sidecar's own fallback for the feature asked about."""
    given = case.static_fallback
    return None if given is None else StaticFallback(given["allowed"], _optional_value(given))


def caller_fallback_of(case: Case) -> CallerFallback | None:
    """Return the caller's fallback."""
    given = case.query.get("fallback")
    return None if given is None else CallerFallback(given["allowed"], _optional_value(given))


def _optional_value(given: Mapping[str, Any]) -> Value | None:
    return value_of(given["value"]) if "value" in given else None


def request_of(case: Case) -> check_service_pb2.CheckRequest:
    """Return the case's question as a message, bad input included."""
    query = case.query
    request = check_service_pb2.CheckRequest(
        customer_id=query["customer_id"],
        feature=query["feature"],
        product=query.get("product", ""),
        subject_id=query.get("subject_id", ""),
        resource_id=query.get("resource_id", ""),
        quantity=query.get("quantity", 0),
        min_version=query.get("min_version", ""),
        explain=ExplainLevel[query.get("explain", "NONE")].value,  # type: ignore[arg-type]  # equal numbers
    )
    if "requested_value" in query:
        request.requested_value.CopyFrom(_value_message(value_of(query["requested_value"])))
    if "as_of" in query:
        request.as_of.CopyFrom(_timestamp(parse_instant(query["as_of"])))
    if "fallback" in query:
        fallback = caller_fallback_of(case)
        assert fallback is not None
        request.fallback.allowed = fallback.allowed
        if fallback.value is not None:
            request.fallback.value.CopyFrom(_value_message(fallback.value))
    for name, value in query.get("attributes", {}).items():
        request.attributes[name].CopyFrom(_attribute_message(attribute_of(value)))
    return request


def _value_message(value: Value) -> decision_pb2.Value:
    match value:
        case bool():
            return decision_pb2.Value(bool_value=value)
        case int():
            return decision_pb2.Value(int_value=value)
        case str():
            return decision_pb2.Value(string_value=value)
        case tuple():
            return decision_pb2.Value(list_value=decision_pb2.StringList(values=value))
        case Unlimited():
            return decision_pb2.Value(unlimited=True)


def _attribute_message(value: Attribute) -> check_service_pb2.AttributeValue:
    if isinstance(value, Instant):
        return check_service_pb2.AttributeValue(timestamp_value=_timestamp(value))
    if isinstance(value, bool):
        return check_service_pb2.AttributeValue(bool_value=value)
    if isinstance(value, int):
        return check_service_pb2.AttributeValue(int_value=value)
    if isinstance(value, str):
        return check_service_pb2.AttributeValue(string_value=value)
    return check_service_pb2.AttributeValue(list_value=decision_pb2.StringList(values=map(str, value)))


def _timestamp(instant: Instant) -> Timestamp:
    return Timestamp(seconds=instant.ms // 1000, nanos=instant.ms % 1000 * 1_000_000)


def answer_of_decision(
    decision: Decision, *, served_from: ServedFrom | None = None, freshness: FreshnessState | None = None
) -> Answer:
    """Return a decision in the neutral form."""
    remedy, explanation = decision.remedy, decision.explanation
    return {
        "allowed": decision.allowed,
        "code": decision.code.name,
        "access_level": decision.access_level.name,
        "source": decision.source.name,
        "value": _value_json(decision.value),
        "valid_until": None if decision.valid_until is None else render_instant(Instant(decision.valid_until)),
        "obligations": [obligation.name for obligation in decision.obligations],
        "remedy": None
        if remedy is None
        else {"action": remedy.action.name, "plan_ids": list(remedy.plan_ids), "contact": remedy.contact},
        "retry_after_ms": decision.retry_after_ms,
        "underlying_code": None if decision.underlying_code is None else decision.underlying_code.name,
        "served_from": None if served_from is None else served_from.name,
        "freshness": None if freshness is None else freshness.name,
        "as_of": None,
        "explain": None if explanation is None else _explanation_json(explanation),
    }


def _value_json(value: Value | None) -> Any:
    if isinstance(value, Unlimited):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _explanation_json(explanation: Explanation) -> Answer:
    return {
        "user_message": explanation.user_message,
        "engineer_message": explanation.engineer_message,
        "rules": list(explanation.rules),
        "considered": [_considered_json(line) for line in explanation.considered],
        "failed_conditions": list(explanation.failed_conditions),
        "suspension_cause": explanation.suspension_cause,
    }


def _considered_json(line: ConsideredSource) -> Answer:
    return {
        "source": line.source.name,
        "id": line.id,
        "subscription_id": line.subscription_id,
        "counted": line.counted,
        "note": line.note,
        "value": _value_json(line.value),
    }


def answer_of_response(response: check_service_pb2.CheckResponse) -> Answer:
    """Return a CheckResponse in the neutral form; enum names lose the prefix of their type."""

    def name(enum: Any, number: int, prefix: str) -> str | None:
        return str(enum.Name(number)).removeprefix(prefix) if number else None

    remedy, explain = response.remedy, response.explain
    return {
        "allowed": response.allowed,
        "code": name(decision_pb2.Code, response.code, "CODE_"),
        "access_level": name(decision_pb2.AccessLevel, response.access_level, "ACCESS_LEVEL_"),
        "source": name(decision_pb2.Source, response.source, "SOURCE_") or Source.NOTHING.name,
        "value": _message_value(response.value) if response.HasField("value") else None,
        "valid_until": _iso(response.valid_until) if response.HasField("valid_until") else None,
        "obligations": [name(decision_pb2.Obligation, number, "OBLIGATION_") for number in response.obligations],
        "remedy": {
            "action": name(decision_pb2.RemedyAction, remedy.action, "REMEDY_ACTION_") or "NOTHING",
            "plan_ids": list(remedy.plan_ids),
            "contact": remedy.contact,
        }
        if response.HasField("remedy")
        else None,
        "retry_after_ms": response.retry_after.ToMilliseconds() if response.HasField("retry_after") else None,
        "underlying_code": name(decision_pb2.Code, response.underlying_code, "CODE_"),
        "served_from": name(decision_pb2.ServedFrom, response.served_from, "SERVED_FROM_"),
        "freshness": name(decision_pb2.FreshnessState, response.freshness.state, "FRESHNESS_STATE_"),
        "as_of": _iso(response.as_of) if response.HasField("as_of") else None,
        "explain": {
            "user_message": explain.user_message,
            "engineer_message": explain.engineer_message,
            "rules": list(explain.rules),
            "considered": [
                {
                    "source": name(decision_pb2.Source, line.source, "SOURCE_") or Source.NOTHING.name,
                    "id": line.id,
                    "subscription_id": line.subscription_id,
                    "counted": line.counted,
                    "note": line.note,
                    "value": _message_value(line.value) if line.HasField("value") else None,
                }
                for line in explain.considered
            ],
            "failed_conditions": list(explain.failed_conditions),
            "suspension_cause": explain.suspension_cause,
        }
        if response.HasField("explain")
        else None,
    }


def _message_value(value: decision_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "unlimited":
        return UNLIMITED.value
    return list(value.list_value.values) if kind == "list_value" else getattr(value, kind or "", None)


def _iso(timestamp: Timestamp) -> str:
    return render_instant(Instant(timestamp.seconds * 1000 + timestamp.nanos // 1_000_000))
