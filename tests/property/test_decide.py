"""What holds for every decision, whatever the records: shape, order, precedence of denies, generosity."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TypeVar

from hypothesis import assume, event, given
from hypothesis import strategies as st

from entitlements.policy.combine import rule_of, within
from entitlements.policy.decide import decide
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Customer,
    Decision,
    FeatureKind,
    Obligation,
    Override,
    OverrideEffect,
    Promotion,
    Source,
    Suspension,
    SuspensionScope,
    Unlimited,
    Value,
    ValueType,
)
from entitlements.policy.reasons import NOT_PRODUCED, REASONS, Code, Family
from tests.support.policy_strategies import MAIN, NOW, VALUES, World, worlds

Item = TypeVar("Item")


def size(value: Value | None) -> int:
    """Order whole numbers with unlimited on top."""
    if isinstance(value, Unlimited):
        return 1 << 64
    assert isinstance(value, int)
    return value


@given(worlds())
def test_every_answer_is_whole(world: World) -> None:
    """Deciding never raises, and the fields of an answer agree with each other and with the code table."""
    decision = decide(world.query, world.records(), NOW)
    event(decision.code.name)
    reason = REASONS[decision.code]
    assert decision.code not in NOT_PRODUCED
    assert decision.allowed == (reason.family is Family.ALLOW)
    assert decision.allowed == (decision.access_level is not AccessLevel.NONE)
    assert decision.allowed == (decision.remedy is None)
    assert (Obligation.READ_ONLY in decision.obligations) == (decision.access_level is AccessLevel.READ_ONLY)
    assert decision.access_level <= decision.access_cap or not decision.allowed
    assert decision.valid_until is None or decision.valid_until > NOW
    assert not (decision.explicit_deny and decision.allowed)
    assert (decision.code is Code.ENTITLED_GRACE) == (decision.access_level is AccessLevel.GRACE)
    assert (decision.explanation is None) == (world.query.explain == 0)
    if not decision.allowed or world.main.kind is FeatureKind.SWITCH:
        assert decision.value is None
    if decision.allowed and world.query.requested_value is not None:
        assert within(world.query.requested_value, decision.value)


@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_sources_never_changes_the_answer(world: World, random: Random) -> None:
    """Records list sources in any order, and the answer is the same in every field (semantics B8)."""
    shuffled = shuffle_customer(world.customer, random)
    turned = tuple(replace(feature, promotions=tuple(reversed(feature.promotions))) for feature in world.features)
    other = World(turned, tuple(reversed(world.plans)), shuffled, world.query)
    assert decide(world.query, other.records(), NOW) == decide(world.query, world.records(), NOW)


def shuffle_customer(customer: Customer, random: Random) -> Customer:
    """Return the customer with every list in another order."""
    return replace(
        customer,
        subscriptions=mixed(
            tuple(replace(each, items=mixed(each.items, random)) for each in customer.subscriptions), random
        ),
        overrides=mixed(customer.overrides, random),
        suspensions=mixed(customer.suspensions, random),
        promotions=mixed(customer.promotions, random),
    )


def mixed(items: tuple[Item, ...], random: Random) -> tuple[Item, ...]:
    """Return the items in another order."""
    return tuple(random.sample(items, len(items)))


@given(
    worlds(),
    st.sampled_from(("other", "legal_hold")),
    st.sampled_from((SuspensionScope.CUSTOMER, SuspensionScope.FEATURE)),
)
def test_a_suspension_without_access_beats_every_source(world: World, cause: str, scope: SuspensionScope) -> None:
    """Deny beats allow: nothing in the records lifts a suspension with access NONE (semantics B3, B6)."""
    target = MAIN if scope is SuspensionScope.FEATURE else ""
    stop = Suspension("stop", scope, AccessLevel.NONE, cause, target)
    customer = replace(world.customer, suspensions=(*world.customer.suspensions, stop))
    decision = decide(world.query, world.records(customer), NOW)
    assert not decision.allowed
    assert decision.explicit_deny or decision.code in {Code.FEATURE_UNKNOWN, Code.CUSTOMER_UNKNOWN}


@given(worlds(), VALUES[ValueType.INT])
def test_a_revoke_beats_every_source(world: World, value: Value) -> None:
    """Deny beats allow: an override that denies wins over one that allows and over all sources (semantics B3)."""
    stop = Override("stop", MAIN, OverrideEffect.DENY)
    allow = Override("allow", MAIN, OverrideEffect.ALLOW, value)
    customer = replace(world.customer, overrides=(*world.customer.overrides, allow, stop))
    decision = decide(world.query, world.records(customer), NOW)
    assert not decision.allowed
    assert decision.explicit_deny


@given(worlds(wanting=False), st.data())
def test_one_more_source_never_lowers_the_answer(world: World, data: st.DataObject) -> None:
    """An allowing source more keeps the allow, the level and the value; only MIN and ANY may change to a lesser value.

    The default is no source: what it lent to sources without a value, or to a core feature, gives way to the first real value.
    """
    feature = world.main
    value = data.draw(VALUES[feature.value_type]) if feature.value_type else None
    customer = replace(world.customer, promotions=(*world.customer.promotions, Promotion("more", MAIN, value)))
    before = decide(world.query, world.records(), NOW)
    after = decide(world.query, world.records(customer), NOW)
    if not before.allowed:
        absent = {Code.NOT_IN_PLAN, Code.CONDITION_NOT_MET, Code.NO_SUBSCRIPTION}
        assert after.allowed or after.code not in absent
        return
    assert after.allowed
    assert after.access_level >= before.access_level
    if feature.kind is FeatureKind.CONFIG and not lent_by_default(before, world):
        assert_value_kept(rule_of(feature), before.value, after.value)


def lent_by_default(before: Decision, world: World) -> bool:
    """Tell whether the value may be the default rather than that of a source."""
    return before.source is Source.CORE or before.value == world.main.default_value


def assert_value_kept(rule: CombineRule, before: Value | None, after: Value | None) -> None:
    """Assert that the later value is not less, under the rules for which that is promised."""
    if rule in {CombineRule.MAX, CombineRule.SUM}:
        assert size(after) >= size(before)
    elif rule is CombineRule.UNION:
        assert isinstance(before, tuple)
        assert isinstance(after, tuple)
        assert set(before) <= set(after)


@given(worlds())
def test_archived_and_unknown_answer_before_everything(world: World) -> None:
    """Lookup comes before every other family (semantics A3)."""
    archived = decide(world.query, world.records(replace(world.customer, archived=True)), NOW)
    assert archived.code is Code.CUSTOMER_ARCHIVED
    stranger = decide(world.query._replace(customer_id="stranger"), world.records(), NOW)  # type: ignore[arg-type]
    assert stranger.code is Code.CUSTOMER_UNKNOWN
    unknown = decide(world.query._replace(feature="unknown"), world.records(), NOW)  # type: ignore[arg-type]
    assume(not world.customer.archived)
    assert unknown.code is Code.FEATURE_UNKNOWN


@given(worlds())
def test_explaining_changes_nothing_else(world: World) -> None:
    """An answer is the same with and without explanation."""
    plain = decide(world.query._replace(explain=0), world.records(), NOW)  # type: ignore[arg-type]
    told = decide(world.query, world.records(), NOW)
    assert told._replace(explanation=None) == plain._replace(explanation=None)
