"""Records that a document would refuse, and the seams that no vector reaches: deciding stays whole and deterministic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entitlements.policy.condition_json import parse_condition
from entitlements.policy.decide import decide
from entitlements.policy.freshness import apply_ladder
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.inquiry import Inquiry
from entitlements.policy.model import (
    UNLIMITED,
    AccessLevel,
    Attribute,
    CombineRule,
    Customer,
    ExplainLevel,
    Feature,
    FeatureKind,
    Ladder,
    OnTooStale,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Promotion,
    Query,
    Source,
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
from entitlements.policy.reasons import Code, RemedyAction
from tests.support.policy_set import PolicySet

NOW = Millis(1_795_000_000_000)
SUITE, ACME = ProductId("suite"), CustomerId("acme")
EXPORTS, PROJECTS = FeatureKey("exports"), FeatureKey("projects")
SWITCH = Feature(EXPORTS, SUITE, FeatureKind.SWITCH)
NUMBER = Feature(
    PROJECTS, SUITE, FeatureKind.CONFIG, value_type=ValueType.INT, combine=CombineRule.MAX, default_value=3
)
ACTIVE = (Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window()),)


def plan(value: Value | None = None, feature: FeatureKey = PROJECTS) -> PlanVersion:
    """Return a plan that holds one feature."""
    return PlanVersion("pro", 1, SUITE, entitlements={feature: PlanEntitlement(feature, value)})


def subscribed(ref: str = "pro@1", spans: tuple[Span, ...] = ACTIVE) -> Customer:
    """Return a customer with one subscription."""
    return Customer(ACME, subscriptions=(Subscription("s1", (SubscriptionItem(PlanRef(ref)),), spans),))


def ask(feature: FeatureKey = PROJECTS, explain: ExplainLevel = ExplainLevel.FULL) -> Query:
    """Return a question."""
    return Query(ACME, feature, SUITE, explain=explain)


def notes(records: PolicySet, query: Query) -> list[tuple[str, bool, str]]:
    """Return what the explanation says of each source."""
    explanation = decide(query, records, NOW).explanation
    assert explanation is not None
    return [(line.id, line.counted, line.note) for line in explanation.considered]


def test_nothing_is_known_before_a_complete_policy_set() -> None:
    """Even what is there already is not answered from (semantics A4)."""
    decision = decide(ask(), PolicySet.of((NUMBER, plan(5), subscribed()), complete=False), NOW)
    assert (decision.code, decision.allowed, decision.retry_after_ms) == (Code.POLICY_NOT_READY, False, 1000)
    assert decision.remedy is not None
    assert decision.remedy.action is RemedyAction.RETRY
    assert not decision.explicit_deny


def test_features_that_need_each_other_stand_or_fall_together() -> None:
    """A circle of requirements is no error at decision time: each is weighed by itself, once."""
    a, b, c = (FeatureKey(key) for key in "abc")
    circle = [replace(SWITCH, key=key, requires=(need,), core=True) for key, need in ((a, b), (b, c), (c, a))]
    everyone = PolicySet.of((*circle, Customer(ACME)))
    assert decide(ask(a), everyone, NOW).code is Code.ENTITLED_CORE
    without_c = PolicySet.of((*circle, Customer(ACME, overrides=(Override("o", c, OverrideEffect.DENY),))))
    assert [decide(ask(key), without_c, NOW).code for key in (a, b, c)] == [
        Code.DEPENDENCY_MISSING,
        Code.DEPENDENCY_MISSING,
        Code.REVOKED,
    ]
    itself = replace(SWITCH, core=True, requires=(EXPORTS,))
    assert decide(ask(EXPORTS), PolicySet.of((itself, Customer(ACME))), NOW).allowed


def test_a_wide_and_deep_web_of_requirements_is_walked_once() -> None:
    """Ten layers of ten features that each need the whole layer below take no longer than a hundred look-ups."""
    layers = [[FeatureKey(f"f{depth}-{index}") for index in range(10)] for depth in range(10)]
    web = [
        replace(SWITCH, key=key, core=True, requires=tuple(layers[depth + 1]) if depth < 9 else ())
        for depth, layer in enumerate(layers)
        for key in layer
    ]
    records = CountingSet.of((*web, Customer(ACME)))
    assert decide(ask(layers[0][0]), records, NOW).allowed
    assert len(CountingSet.asked) <= 100


class CountingSet(PolicySet):
    """A policy set that remembers which features were asked for."""

    asked: list[str] = []  # noqa: RUF012  one test reads it

    def feature(self, key: str) -> Feature | None:
        """Return a feature, and remember."""
        self.asked.append(key)
        return super().feature(key)


def test_a_requirement_that_does_not_exist_is_missing() -> None:
    """The remedy has no plan to name, so it names whom to ask."""
    lonely = replace(SWITCH, core=True, requires=(FeatureKey("nowhere"),), contact="sales@vendor.example")
    decision = decide(ask(EXPORTS), PolicySet.of((lonely, Customer(ACME))), NOW)
    assert decision.code is Code.DEPENDENCY_MISSING
    assert decision.remedy is not None
    assert (decision.remedy.action, decision.remedy.contact) == (RemedyAction.CONTACT_ADMIN, "sales@vendor.example")
    assert decision.explanation is not None
    assert "nowhere is not allowed: FEATURE_UNKNOWN" in decision.explanation.engineer_message


def test_two_live_overrides_are_settled_by_their_ids() -> None:
    """Writing them is refused; should they be there, the smallest id counts, in any order."""
    pair = (Override("b", PROJECTS, OverrideEffect.ALLOW, 9), Override("a", PROJECTS, OverrideEffect.ALLOW, 2))
    for overrides in (pair, pair[::-1]):
        assert decide(ask(), PolicySet.of((NUMBER, Customer(ACME, overrides=overrides))), NOW).value == 2


def test_an_item_without_its_plan_version_grants_nothing() -> None:
    """A dangling reference is no error and no grant; the explanation tells."""
    records = PolicySet.of((NUMBER, subscribed("lost@7")))
    assert decide(ask(), records, NOW).code is Code.NOT_IN_PLAN
    assert notes(records, ask()) == [("lost@7", False, "the plan version is not in the policy set")]


@pytest.mark.parametrize("value", ["ten", True, ("a",)])
def test_a_value_of_a_foreign_type_keeps_its_source_from_counting(value: Value) -> None:
    """Of a plan, a promotion and an override alike (semantics B5)."""
    promoted = replace(NUMBER, promotions=(Promotion("cohort", PROJECTS, value),))
    customer = replace(subscribed(), overrides=(Override("o", PROJECTS, OverrideEffect.ALLOW, value),))
    records = PolicySet.of((promoted, plan(value), customer))
    assert decide(ask(), records, NOW).code is Code.NOT_IN_PLAN
    assert {note for _, _, note in notes(records, ask())} == {"its value is none that the feature takes"}


def test_false_in_a_plan_is_not_included() -> None:
    """A feature matrix may list what a plan does not have."""
    records = PolicySet.of((SWITCH, plan(False, EXPORTS), subscribed()))
    assert decide(ask(EXPORTS), records, NOW).code is Code.NOT_IN_PLAN
    assert decide(ask(EXPORTS), PolicySet.of((SWITCH, plan(True, EXPORTS), subscribed())), NOW).allowed


def test_an_override_says_true_of_a_switch_and_the_answer_has_no_value() -> None:
    """Only config features have values in answers."""
    granted = Customer(ACME, overrides=(Override("o", EXPORTS, OverrideEffect.ALLOW, True),))
    decision = decide(ask(EXPORTS), PolicySet.of((SWITCH, granted)), NOW)
    assert (decision.code, decision.value) == (Code.ENTITLED_OVERRIDE, None)


def test_sources_without_a_value_leave_it_to_the_others_and_then_to_the_default() -> None:
    """They grant; they add nothing to the value (semantics B5)."""
    gift = replace(subscribed(), promotions=(Promotion("gift", PROJECTS, 1),))
    assert decide(ask(), PolicySet.of((NUMBER, plan(None), subscribed())), NOW).value == 3
    with_gift = decide(ask(), PolicySet.of((NUMBER, plan(None), gift)), NOW)
    assert (with_gift.value, with_gift.code) == (1, Code.ENTITLED_PROMOTION)


@pytest.mark.parametrize(
    "value_type, rule, values, expected",
    [
        (ValueType.STRING, CombineRule.MAX, ("b", "a"), "b"),
        (ValueType.BOOL, CombineRule.SUM, (False, True), False),
        (ValueType.LIST, CombineRule.MIN, (("b",), ("a",)), ("b",)),
        (ValueType.INT, CombineRule.UNION, (1, 2), 1),
        (ValueType.INT, None, (1, UNLIMITED), UNLIMITED),
        (ValueType.LIST, None, (("b",), ("a",)), ("b",)),
    ],
)
def test_a_rule_that_the_type_does_not_know_is_any(
    value_type: ValueType, rule: CombineRule | None, values: tuple[Value, Value], expected: Value
) -> None:
    """Only documents refuse it; deciding takes the first in source order (semantics B5)."""
    feature = replace(NUMBER, value_type=value_type, combine=rule, default_value=None)
    customer = replace(subscribed(), promotions=(Promotion("gift", PROJECTS, values[1]),))
    assert decide(ask(), PolicySet.of((feature, plan(values[0]), customer)), NOW).value == expected


def test_a_timeline_without_spans_has_not_started() -> None:
    """Nothing is known of it, so it is not live (semantics D2)."""
    decision = decide(ask(), PolicySet.of((NUMBER, plan(5), subscribed(spans=()))), NOW)
    assert (decision.code, decision.valid_until) == (Code.SUBSCRIPTION_NOT_STARTED, None)


@pytest.mark.parametrize("state", [SubscriptionState.ACTIVE, SubscriptionState.TRIALING])
def test_a_running_state_without_access_is_a_suspension(state: SubscriptionState) -> None:
    """A product that maps a running state to NONE takes the access away (semantics D2)."""
    records = PolicySet.of((NUMBER, plan(5), subscribed(spans=(Span(state, AccessLevel.NONE, Window()),))))
    assert decide(ask(), records, NOW).code is Code.SUBSCRIPTION_SUSPENDED


def test_a_suspension_with_full_access_takes_nothing() -> None:
    """FULL is no restriction, on any scope."""
    for scope, target in (
        (SuspensionScope.CUSTOMER, ""),
        (SuspensionScope.FEATURE, PROJECTS),
        (SuspensionScope.SUBSCRIPTION, "s1"),
    ):
        customer = replace(subscribed(), suspensions=(Suspension("x", scope, AccessLevel.FULL, "other", target),))
        decision = decide(ask(), PolicySet.of((NUMBER, plan(5), customer)), NOW)
        assert (decision.access_level, decision.access_cap) == (AccessLevel.FULL, AccessLevel.FULL)


def test_a_call_cannot_reach_into_customer_attributes() -> None:
    """Requests with such names are refused at the edge; should one come through, it counts for nothing (semantics C2)."""
    guarded = replace(SWITCH, core=True, available_when=parse_condition({"eq": ["customer.segment", "vip"]}))
    time = parse_condition({"lt": ["request.time", {"timestamp": "2030-01-01T00:00:00Z"}]})
    subject = parse_condition({"exists": "subject.id"})
    forged: dict[str, Attribute] = {
        "customer.segment": "vip",
        "subject.id": "ann",
        "request.product": "other",
        "subject.idle": True,
    }
    query = ask(EXPORTS)._replace(attributes=forged)
    assert decide(query, PolicySet.of((guarded, Customer(ACME))), NOW).code is Code.REGION_RESTRICTED
    assert decide(query, PolicySet.of((replace(guarded, available_when=time), Customer(ACME))), NOW).allowed
    assert not decide(query, PolicySet.of((replace(guarded, available_when=subject), Customer(ACME))), NOW).allowed
    inquiry = Inquiry(query, PolicySet(), Customer(ACME), NOW)
    assert sorted(inquiry.attributes) == ["request.product", "request.time", "subject.idle"]
    assert inquiry.attributes["request.product"] == SUITE


def test_an_inquiry_shows_its_state() -> None:
    """`repr` is an interface."""
    inquiry = Inquiry(ask(), PolicySet(), Customer(ACME), NOW)
    assert repr(inquiry) == f"<Inquiry [acme projects at {NOW} | next edge never]>"
    inquiry.inside(Window(None, Millis(NOW + 5)))
    assert repr(inquiry) == f"<Inquiry [acme projects at {NOW} | next edge {NOW + 5}]>"


def test_windows_far_beyond_the_calendar_do_not_break_explanations() -> None:
    """An instant of 64 bits is a number, not a date."""
    far = Millis(2**62)
    customer = replace(subscribed(), overrides=(Override("o", PROJECTS, OverrideEffect.ALLOW, 1, Window(None, far)),))
    decision = decide(ask(), PolicySet.of((NUMBER, customer)), NOW)
    assert decision.valid_until == far
    assert decision.explanation is not None
    assert f"may change at {far} ms" in decision.explanation.engineer_message


def test_a_ladder_that_allows_knows_the_cap_of_suspensions() -> None:
    """A denied answer still carries the level that suspensions leave (semantics F2)."""
    customer = Customer(
        ACME, suspensions=(Suspension("x", SuspensionScope.CUSTOMER, AccessLevel.GRACE, "non_payment"),)
    )
    decision = decide(ask(), PolicySet.of((NUMBER, customer)), NOW)
    assert (decision.code, decision.access_cap) == (Code.NO_SUBSCRIPTION, AccessLevel.GRACE)
    lifted = apply_ladder(decision, Ladder(0, 0, OnTooStale.ALLOW), 1, NUMBER.default_value)
    assert (lifted.access_level, lifted.value, lifted.source) == (AccessLevel.GRACE, 3, Source.DEFAULT)


def test_the_cause_of_the_suspension_that_caps_a_subscription_is_told() -> None:
    """Also when it concerns one subscription alone."""
    stop = Suspension("x", SuspensionScope.SUBSCRIPTION, AccessLevel.READ_ONLY, "abuse", "s1")
    customer = replace(subscribed(), suspensions=(stop,))
    decision = decide(ask(), PolicySet.of((NUMBER, plan(5), customer)), NOW)
    assert decision.explanation is not None
    assert decision.explanation.suspension_cause == "abuse"
    assert "B6" in decision.explanation.rules
