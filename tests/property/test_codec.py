"""Any record that the model can hold survives the way to bytes and back, in one form only; no other bytes crash."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId, id_problem
from entitlements.policy.model import (
    SUSPENSION_CAUSES,
    UNLIMITED,
    AccessLevel,
    AllOf,
    AnyOf,
    Attribute,
    CombineRule,
    Comparison,
    Condition,
    Customer,
    Feature,
    FeatureKind,
    Instant,
    Ladder,
    Not,
    OnTooStale,
    Operator,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Promotion,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    Suspension,
    SuspensionScope,
    Value,
    ValueType,
    Window,
)
from entitlements.wire import codec
from entitlements.wire.errors import MalformedRecord

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9._@/-]{0,20}", fullmatch=True), TEXT.filter(lambda t: id_problem(t) is None)
)
INT64 = st.integers(-(2**63), 2**63 - 1)
INSTANTS = st.integers(1, 2**62)
SETS = st.lists(TEXT, max_size=4).map(lambda texts: tuple(sorted(set(texts))))
VALUES: st.SearchStrategy[Value] = st.one_of(st.booleans(), INT64, TEXT, SETS, st.just(UNLIMITED))
ATTRIBUTES: st.SearchStrategy[Attribute] = st.one_of(st.booleans(), INT64, TEXT, SETS, INT64.map(Instant))
WINDOWS = st.builds(Window, st.none() | INSTANTS.map(Millis), st.none() | INSTANTS.map(Millis))
COMPARISONS: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Comparison, IDS, st.just(Operator.EXISTS)),
    st.builds(Comparison, IDS, st.sampled_from([o for o in Operator if o is not Operator.EXISTS]), ATTRIBUTES),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: AllOf(tuple(branches))),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: AnyOf(tuple(branches))),
    ),
    max_leaves=6,
).filter(lambda condition: _depth(condition) <= 8)
PROMOTIONS = st.builds(Promotion, IDS, IDS.map(FeatureKey), st.none() | VALUES, WINDOWS, st.none() | CONDITIONS)
MILLIS = st.integers(0, 2**40).map(Millis)


def _depth(condition: Condition) -> int:
    if isinstance(condition, Comparison):
        return 1
    if isinstance(condition, Not):
        return 1 + _depth(condition.condition)
    return 1 + max(_depth(branch) for branch in condition.conditions)


@st.composite
def typings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw kind, value type, combining rule and default that fit together."""
    if draw(st.booleans()):
        return {"kind": FeatureKind.SWITCH}
    kind, rules, defaults = draw(
        st.sampled_from(
            [
                (ValueType.BOOL, [CombineRule.ANY], st.booleans()),
                (
                    ValueType.INT,
                    [CombineRule.MAX, CombineRule.MIN, CombineRule.SUM, CombineRule.ANY],
                    INT64 | st.just(UNLIMITED),
                ),
                (ValueType.STRING, [CombineRule.ANY], TEXT),
                (ValueType.LIST, [CombineRule.UNION, CombineRule.ANY], SETS),
            ]
        )
    )
    return {
        "kind": FeatureKind.CONFIG,
        "value_type": kind,
        "combine": draw(st.sampled_from(rules)),
        "default_value": draw(st.none() | defaults),
    }


FEATURES = st.builds(
    lambda typing, **rest: Feature(**typing, **rest),
    typings(),
    key=IDS.map(FeatureKey),
    product=IDS.map(ProductId),
    core=st.booleans(),
    ladder=st.builds(Ladder, MILLIS, MILLIS, st.sampled_from(OnTooStale)),
    available_when=st.none() | CONDITIONS,
    requires=st.lists(IDS.map(FeatureKey), max_size=3).map(tuple),
    retired_at_ms=st.none() | INSTANTS.map(Millis),
    sold_in_plans=st.lists(IDS, max_size=3).map(tuple),
    promotions=st.lists(PROMOTIONS, max_size=2).map(tuple),
    contact=TEXT,
)
PLANS = st.builds(
    PlanVersion,
    IDS,
    st.integers(1, 2**31 - 1),
    IDS.map(ProductId),
    st.booleans(),
    st.dictionaries(IDS.map(FeatureKey), st.tuples(st.none() | VALUES, st.none() | CONDITIONS), max_size=4).map(
        lambda parts: {feature: PlanEntitlement(feature, *part) for feature, part in parts.items()}
    ),
)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Span, ...]:
    """Draw spans that are sorted and do not overlap; the last may be open."""
    edges = sorted(draw(st.sets(INSTANTS, min_size=2, max_size=5)))
    spans = [
        Span(
            draw(st.sampled_from(SubscriptionState)),
            draw(st.sampled_from(AccessLevel)),
            Window(Millis(start), Millis(end)),
        )
        for start, end in itertools.pairwise(edges)
    ]
    if draw(st.booleans()):
        spans[-1] = spans[-1]._replace(window=Window(spans[-1].window.from_ms))
    return tuple(spans)


CUSTOMERS = st.builds(
    Customer,
    id=IDS.map(CustomerId),
    archived=st.booleans(),
    attributes=st.dictionaries(IDS, ATTRIBUTES, max_size=4),
    subscriptions=st.lists(
        st.builds(
            Subscription,
            IDS,
            st.lists(
                st.builds(
                    SubscriptionItem,
                    st.builds("{}@{}".format, IDS, st.integers(1, 99))
                    .filter(lambda r: id_problem(r) is None)
                    .map(PlanRef),
                    st.integers(1, 2**31 - 1),
                    WINDOWS,
                ),
                max_size=3,
            ).map(tuple),
            timelines(),
        ),
        max_size=2,
    ).map(tuple),
    overrides=st.lists(
        st.builds(Override, IDS, IDS.map(FeatureKey), st.sampled_from(OverrideEffect), st.none() | VALUES, WINDOWS),
        max_size=2,
    ).map(tuple),
    suspensions=st.lists(
        st.one_of(
            st.builds(
                Suspension,
                IDS,
                st.just(SuspensionScope.CUSTOMER),
                st.sampled_from(AccessLevel),
                st.sampled_from(SUSPENSION_CAUSES),
                window=WINDOWS,
            ),
            st.builds(
                Suspension,
                IDS,
                st.sampled_from([SuspensionScope.SUBSCRIPTION, SuspensionScope.FEATURE]),
                st.sampled_from(AccessLevel),
                st.sampled_from(SUSPENSION_CAUSES),
                IDS,
                WINDOWS,
            ),
        ),
        max_size=2,
    ).map(tuple),
    promotions=st.lists(PROMOTIONS, max_size=2).map(tuple),
)
RECORDS = st.one_of(FEATURES, PLANS, CUSTOMERS)


def read(key: str, body: bytes) -> codec.Record | MalformedRecord:
    """Return the record or the one exception that reading may raise."""
    try:
        return codec.record_from_bytes(key, body)
    except MalformedRecord as error:
        return error


@given(RECORDS)
def test_records_survive_the_way_to_bytes_and_back(record: codec.Record) -> None:
    """Decoding what was encoded gives an equal record, and encoding that again gives the same bytes."""
    body = codec.record_to_bytes(record)
    again = codec.record_from_bytes(codec.record_key(record), body)
    assert again == record
    assert codec.record_to_bytes(again) == body


@given(CUSTOMERS, st.randoms(use_true_random=False))
def test_the_order_of_attributes_does_not_show(customer: Customer, random: Any) -> None:
    """Two customers that differ in the insertion order of their attributes have the same bytes."""
    names = list(customer.attributes)
    random.shuffle(names)
    shuffled = dataclasses.replace(customer, attributes={name: customer.attributes[name] for name in names})
    assert codec.customer_to_bytes(shuffled) == codec.customer_to_bytes(customer)


@given(PLANS)
def test_the_order_of_entitlements_does_not_show(plan: PlanVersion) -> None:
    """Entitlements are written sorted by feature."""
    turned = dataclasses.replace(plan, entitlements=dict(reversed(list(plan.entitlements.items()))))
    assert codec.plan_to_bytes(turned) == codec.plan_to_bytes(plan)


@given(st.sampled_from(["f/x", "p/x@1", "c/x"]), st.binary(max_size=200))
def test_garbage_is_malformed_and_nothing_else(key: str, body: bytes) -> None:
    """Arbitrary bytes either are a record of that key or raise MalformedRecord with the key."""
    outcome = read(key, body)
    if isinstance(outcome, MalformedRecord):
        assert outcome.key == key
        assert outcome.problem
    else:
        assert codec.record_key(outcome) == key


@given(RECORDS, st.data())
def test_damaged_records_are_malformed_or_records(record: codec.Record, data: st.DataObject) -> None:
    """One changed byte or a cut gives MalformedRecord or some well-formed record, never another exception."""
    body = bytearray(codec.record_to_bytes(record))
    place = data.draw(st.integers(0, len(body) - 1))
    if data.draw(st.booleans()):
        body[place] ^= data.draw(st.integers(1, 255))
    else:
        del body[place:]
    key = codec.record_key(record)
    outcome = read(key, bytes(body))
    assert isinstance(outcome, MalformedRecord) or codec.record_key(outcome) == key


@pytest.mark.parametrize("prefix", ["x/", "", "f"])
def test_unknown_kinds_of_record_are_named(prefix: str) -> None:
    """A key without a known prefix is refused."""
    with pytest.raises(MalformedRecord, match="must start with f/, p/ or c/"):
        codec.record_from_bytes(prefix, b"")
