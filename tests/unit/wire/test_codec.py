"""Strict decoding: each wrong shape is named by record and field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.model import (
    AccessLevel,
    AllOf,
    AnyOf,
    CombineRule,
    Comparison,
    Condition,
    Customer,
    Feature,
    FeatureKind,
    Not,
    Operator,
    PlanEntitlement,
    PlanVersion,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    ValueType,
    Window,
)
from entitlements.v1 import decision_pb2
from entitlements.v1 import policy_pb2 as pb
from entitlements.wire import codec
from entitlements.wire.errors import MalformedRecord

SWITCH = Feature(FeatureKey("exports"), ProductId("suite"), FeatureKind.SWITCH)
CONFIG = Feature(
    FeatureKey("projects"), ProductId("suite"), FeatureKind.CONFIG, value_type=ValueType.INT, combine=CombineRule.MAX
)
ACME = Customer(CustomerId("acme"))
LEAF = Comparison("request.region", Operator.EQ, "eu")


def feature(**fields: Any) -> bytes:
    """Return a config feature's bytes with some fields changed; None clears one."""
    return changed(pb.FeatureRecord.FromString(codec.feature_to_bytes(CONFIG)), fields)


def changed(message: Any, fields: dict[str, Any]) -> bytes:
    """Return a message's bytes with some fields changed."""
    for name, value in fields.items():
        message.ClearField(name)
        if isinstance(value, list):
            getattr(message, name).extend(value)
        elif hasattr(value, "SerializeToString"):
            getattr(message, name).CopyFrom(value)
        elif value is not None:
            setattr(message, name, value)
    raw: bytes = message.SerializeToString()
    return raw


def refused(key: str, body: bytes) -> str:
    """Return the field for which a record is refused."""
    with pytest.raises(MalformedRecord) as caught:
        codec.record_from_bytes(key, body)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"record {key}: ")
    return caught.value.field


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"key": ""}, "key"),
        ({"product": " suite"}, "product"),
        ({"kind": 0}, "kind"),
        ({"kind": 77}, "kind"),
        ({"kind": 1}, "value_type"),
        ({"kind": 1, "value_type": 0}, "combine"),
        ({"value_type": 0}, "value_type"),
        ({"value_type": 77}, "value_type"),
        ({"combine": 0}, "combine"),
        ({"combine": 4}, "combine"),
        ({"value_type": 3}, "combine"),
        ({"default_value": decision_pb2.Value()}, "default_value"),
        ({"default_value": decision_pb2.Value(string_value="x")}, "default_value"),
        ({"default_value": decision_pb2.Value(bool_value=True)}, "default_value"),
        ({"default_value": decision_pb2.Value(unlimited=False)}, "default_value"),
        ({"default_value": decision_pb2.Value(list_value=decision_pb2.StringList(values=["b", "a"]))}, "default_value"),
        ({"ladder": None}, "ladder"),
        ({"ladder": pb.FreshnessLadder(fresh_for_ms=-1)}, "ladder"),
        ({"ladder": pb.FreshnessLadder()}, "ladder.on_too_stale"),
        ({"retired_at_ms": -5}, "retired_at_ms"),
        ({"requires": ["", "x"]}, "requires"),
        ({"available_when": pb.Condition()}, "available_when"),
        ({"promotions": [pb.Promotion(id="p", feature="f", window=pb.Window(from_ms=-1))]}, "promotions[0].window"),
    ],
)
def test_wrong_features_are_named(fields: dict[str, Any], field: str) -> None:
    """Features: kinds, types, rules and defaults fit together."""
    key = "f/projects" if fields.get("key") is None else "f/"
    assert refused(key, feature(**fields)) == field


@pytest.mark.parametrize(
    "node, field",
    [
        (pb.Condition(all_of=pb.ConditionList()), "available_when.all_of"),
        (pb.Condition(comparison=pb.Comparison(attribute="a")), "available_when.comparison.operator"),
        (
            pb.Condition(comparison=pb.Comparison(attribute="a", operator=pb.OPERATOR_EQ)),
            "available_when.comparison.operand",
        ),
        (
            pb.Condition(comparison=pb.Comparison(attribute="a", operator=pb.OPERATOR_EXISTS, operand=pb.Literal())),
            "available_when.comparison.operand",
        ),
        (
            pb.Condition(comparison=pb.Comparison(attribute="a", operator=pb.OPERATOR_EQ, operand=pb.Literal())),
            "available_when.comparison.operand",
        ),
        (pb.Condition(negation=pb.Condition()), "available_when.negation"),
        (pb.Condition(any_of=pb.ConditionList(conditions=[pb.Condition()])), "available_when.any_of[0]"),
    ],
    ids=[
        "no-branch",
        "no-operator",
        "no-operand",
        "operand-of-exists",
        "empty-operand",
        "empty-negation",
        "empty-branch",
    ],
)
def test_wrong_conditions_are_named(node: pb.Condition, field: str) -> None:
    """Conditions: the path leads to the bad node."""
    assert refused("f/projects", feature(available_when=node)) == field


def nested(depth: int) -> Condition:
    """Return a condition of this depth."""
    condition: Condition = LEAF
    for _ in range(depth - 1):
        condition = Not(condition)
    return condition


def test_conditions_are_bounded() -> None:
    """Depth 8 and 64 nodes are the limits, on the way out and on the way in (C1)."""
    for good in (nested(8), AllOf((LEAF,) * 63)):
        record = replace(SWITCH, available_when=good)
        assert codec.feature_from_bytes(codec.feature_to_bytes(record)) == record
    for bad in (nested(9), AnyOf((LEAF,) * 64), nested(90)):
        with pytest.raises(MalformedRecord, match=r"deeper than 8|more than 64"):
            codec.feature_to_bytes(replace(SWITCH, available_when=bad))


def plan(*entitlements: pb.PlanEntitlement, version: int = 1) -> bytes:
    """Return a plan version's bytes."""
    return pb.PlanVersionRecord(
        plan="pro", version=version, product="suite", entitlements=entitlements
    ).SerializeToString()


def test_wrong_plans_are_named() -> None:
    """Plans: versions from 1, entitlements sorted by feature and listed once."""
    one, two = pb.PlanEntitlement(feature="a"), pb.PlanEntitlement(feature="b")
    assert codec.plan_from_bytes(plan(one, two)).ref == "pro@1"
    assert refused("p/pro@0", plan(version=0)) == "version"
    assert refused("p/pro@1", plan(two, one)) == "entitlements[1].feature"
    assert refused("p/pro@1", plan(one, one)) == "entitlements[1].feature"
    assert (
        refused("p/pro@1", plan(pb.PlanEntitlement(feature="a", value=decision_pb2.Value()))) == "entitlements[0].value"
    )
    crossed = PlanVersion("pro", 1, ProductId("suite"), False, {FeatureKey("a"): PlanEntitlement(FeatureKey("b"))})
    with pytest.raises(MalformedRecord, match="lists b under a"):
        codec.plan_to_bytes(crossed)


SPAN = pb.Span(state=pb.SUBSCRIPTION_STATE_ACTIVE, access=decision_pb2.ACCESS_LEVEL_FULL, window=pb.Window(from_ms=5))


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"id": "x" * 129}, "id"),
        ({"subscriptions": [pb.Subscription()]}, "subscriptions[0].id"),
        ({"subscriptions": [pb.Subscription(id="s", items=[pb.SubscriptionItem(ref="pro", quantity=1)])]}, "subscriptions[0].items[0].ref"),
        ({"subscriptions": [pb.Subscription(id="s", items=[pb.SubscriptionItem(ref="pro@01", quantity=1)])]}, "subscriptions[0].items[0].ref"),
        ({"subscriptions": [pb.Subscription(id="s", items=[pb.SubscriptionItem(ref="pro@1")])]}, "subscriptions[0].items[0].quantity"),
        ({"subscriptions": [pb.Subscription(id="s", spans=[SPAN, SPAN])]}, "subscriptions[0].spans[1]"),
        ({"subscriptions": [pb.Subscription(id="s", spans=[pb.Span(state=pb.SUBSCRIPTION_STATE_ACTIVE)])]}, "subscriptions[0].spans[0].access"),
        ({"subscriptions": [pb.Subscription(id="s", spans=[pb.Span()])]}, "subscriptions[0].spans[0].state"),
        ({"overrides": [pb.Override(id="o", feature="f")]}, "overrides[0].effect"),
        ({"overrides": [pb.Override(id="o")]}, "overrides[0].feature"),
        ({"suspensions": [pb.Suspension(id="s")]}, "suspensions[0].scope"),
        ({"suspensions": [pb.Suspension(id="s", scope=pb.SUSPENSION_SCOPE_FEATURE)]}, "suspensions[0].target"),
        ({"suspensions": [pb.Suspension(id="s", scope=pb.SUSPENSION_SCOPE_CUSTOMER, target="t")]}, "suspensions[0].target"),
        ({"suspensions": [pb.Suspension(id="s", scope=pb.SUSPENSION_SCOPE_CUSTOMER, cause="mood")]}, "suspensions[0].cause"),
        ({"suspensions": [pb.Suspension(id="s", scope=pb.SUSPENSION_SCOPE_CUSTOMER, cause="abuse")]}, "suspensions[0].access"),
        ({"promotions": [pb.Promotion(id="p")]}, "promotions[0].feature"),
    ],
)  # fmt: skip
def test_wrong_customers_are_named(fields: dict[str, Any], field: str) -> None:
    """Customers: every part has its shape, and the path leads to it."""
    body = changed(pb.CustomerRecord.FromString(codec.customer_to_bytes(ACME)), fields)
    assert refused("c/acme", body) == field


def test_attributes_have_a_value() -> None:
    """An attribute without a value is no attribute."""
    message = pb.CustomerRecord(id="acme")
    message.attributes["region"].SetInParent()
    assert refused("c/acme", message.SerializeToString()) == "attributes[region]"


def test_a_record_belongs_to_its_key() -> None:
    """A record found under another key is refused: a planted copy is not an entitlement."""
    with pytest.raises(MalformedRecord, match="belongs to the record c/acme"):
        codec.customer_from_bytes(codec.customer_to_bytes(ACME), "c/globex")


def test_truth_values_and_numbers_stay_apart() -> None:
    """True is not 1, on the way to bytes and back."""
    again = codec.customer_from_bytes(
        codec.customer_to_bytes(replace(ACME, attributes={"a": True, "b": 1, "c": False}))
    )
    assert [type(again.attributes[name]) for name in "abc"] == [bool, int, bool]


def test_fields_of_a_newer_schema_are_ignored() -> None:
    """A newer control plane may add fields within one major version."""
    body = codec.customer_to_bytes(ACME) + b"\xfa\x3f\x01x"
    assert codec.customer_from_bytes(body) == ACME


@pytest.mark.parametrize(
    "record",
    [
        replace(ACME, attributes={"a": 2**63}),
        replace(ACME, attributes={"a": "\ud800"}),
        replace(ACME, id=CustomerId("")),
        replace(CONFIG, default_value="text"),
        replace(SWITCH, combine=CombineRule.MAX),
        replace(
            ACME,
            subscriptions=(
                Subscription(
                    "s",
                    (SubscriptionItem(PlanRef("pro@1"), 0),),
                    (Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window()),),
                ),
            ),
        ),
        replace(
            ACME,
            subscriptions=(
                Subscription("s", (), (Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window(None, Millis(0))),)),
            ),
        ),
        replace(ACME, attributes={"a": "x" * (codec.MAX_RECORD_BYTES + 1)}),
    ],
    ids=["int65", "surrogate", "no-id", "default", "rule-of-a-switch", "quantity", "ends-in-1970", "huge"],
)
def test_what_cannot_be_read_back_cannot_be_written(record: codec.Record) -> None:
    """A control plane finds out before anything is published."""
    with pytest.raises(MalformedRecord):
        codec.record_to_bytes(record)
