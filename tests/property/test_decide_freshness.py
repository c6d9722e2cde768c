"""Combining rules, the freshness ladder and the fallbacks as laws."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.combine import MAX_INT, combine, within
from entitlements.policy.decide import decide
from entitlements.policy.freshness import (
    CallerFallback,
    FreshnessState,
    ServedFrom,
    StaticFallback,
    apply_ladder,
    fallback_decision,
    next_edge_ms,
    state_of,
)
from entitlements.policy.ids import FeatureKey
from entitlements.policy.model import UNLIMITED, AccessLevel, CombineRule, Ladder, OnTooStale, Value, ValueType
from entitlements.policy.reasons import Code
from tests.support.policy_strategies import NOW, VALUES, World, worlds

numbers = st.lists(st.tuples(VALUES[ValueType.INT], st.integers(1, 5)), min_size=1, max_size=6)
ladders = st.builds(Ladder, st.integers(0, 50), st.integers(0, 50), st.sampled_from(OnTooStale))
ages = st.integers(0, 120)


@given(numbers, st.sampled_from((CombineRule.MAX, CombineRule.MIN, CombineRule.SUM)), st.randoms(use_true_random=False))
def test_numbers_combine_in_any_order(values: list[tuple[Value, int]], rule: CombineRule, random: Random) -> None:
    """MAX, MIN and SUM do not depend on the order."""
    assert combine(rule, random.sample(values, len(values))) == combine(rule, values)


@given(numbers)
def test_bounds_of_numbers(values: list[tuple[Value, int]]) -> None:
    """The smallest lies within every value, every value within the greatest, and the greatest within the sum."""
    least, most = combine(CombineRule.MIN, values), combine(CombineRule.MAX, values)
    assert all(within(least, value) and within(value, most) for value, _ in values)
    assert within(most, combine(CombineRule.SUM, values))


@given(numbers)
def test_unlimited_absorbs_sum_and_max_and_is_neutral_in_min(values: list[tuple[Value, int]]) -> None:
    """`unlimited` is greater than every number and no number."""
    extended = [*values, (UNLIMITED, 1)]
    assert combine(CombineRule.SUM, extended) is UNLIMITED
    assert combine(CombineRule.MAX, extended) is UNLIMITED
    assert combine(CombineRule.MIN, extended) == combine(CombineRule.MIN, values)


@given(st.lists(st.tuples(st.integers(0, MAX_INT), st.integers(1, 2**31)), min_size=1, max_size=4))
def test_sums_fit_into_64_bits(values: list[tuple[Value, int]]) -> None:
    """A sum that would not travel stops at the largest number that does."""
    total = combine(CombineRule.SUM, values)
    exact = sum(value * times for value, times in values if isinstance(value, int))
    assert total == min(exact, MAX_INT)


@given(st.lists(st.tuples(VALUES[ValueType.LIST], st.just(1)), min_size=1, max_size=5))
def test_union_holds_every_element_once_and_sorted(values: list[tuple[Value, int]]) -> None:
    """A union is the smallest sorted list that every value is a subset of."""
    joined = combine(CombineRule.UNION, values)
    assert isinstance(joined, tuple)
    assert list(joined) == sorted({text for value, _ in values if isinstance(value, tuple) for text in value})
    assert all(within(value, joined) for value, _ in values)


@given(ladders, ages, st.integers(0, 60))
def test_age_never_makes_fresher(ladder: Ladder, age_ms: int, more_ms: int) -> None:
    """The state is monotone in the age."""
    assert state_of(ladder, age_ms) <= state_of(ladder, age_ms + more_ms)


@given(ladders, ages)
def test_the_next_edge_is_where_the_state_changes(ladder: Ladder, age_ms: int) -> None:
    """Until the edge the state stays, at the edge it is another; without an edge it is the last."""
    state, edge = state_of(ladder, age_ms), next_edge_ms(ladder, age_ms)
    if edge is None:
        assert state is FreshnessState.TOO_STALE
    else:
        assert edge > 0
        assert state_of(ladder, age_ms + edge - 1) is state
        assert state_of(ladder, age_ms + edge) > state


@given(worlds(), ladders, ages)
def test_ladders_keep_what_they_promise(world: World, ladder: Ladder, age_ms: int) -> None:
    """Only the last rung changes anything; explicit denies stay; only ALLOW turns a deny, only DENY an allow."""
    before = decide(world.query, world.records(), NOW)
    after = apply_ladder(before, ladder, age_ms, world.main.default_value)
    if state_of(ladder, age_ms) is not FreshnessState.TOO_STALE or before.explicit_deny:
        assert after == before
        return
    rung = ladder.on_too_stale
    assert after.allowed == {OnTooStale.ALLOW: True, OnTooStale.DENY: False}.get(rung, before.allowed)
    assert after.valid_until == before.valid_until
    assert (after.access_level is AccessLevel.NONE) == (not after.allowed)
    if rung in {OnTooStale.ALLOW, OnTooStale.DENY}:
        assert (after.code, after.underlying_code) == (Code.POLICY_TOO_STALE, before.code)
    if rung is OnTooStale.READ_ONLY:
        assert after.access_level == min(before.access_level, AccessLevel.READ_ONLY)
        assert after.code is before.code
    if rung is OnTooStale.LAST_VALUE:
        assert after == before
    assert not after.allowed or after.access_level <= before.access_cap


@given(
    st.sampled_from((Code.POLICY_NOT_READY, Code.INTERNAL)),
    st.one_of(st.none(), st.builds(StaticFallback, st.booleans(), VALUES[ValueType.INT])),
    st.one_of(st.none(), st.builds(CallerFallback, st.booleans(), VALUES[ValueType.INT])),
    st.booleans(),
)
def test_only_a_configured_fallback_allows(
    cause: Code, static: StaticFallback | None, caller: CallerFallback | None, explain: object
) -> None:
    """The chain is static, caller, deny; nothing else may produce an allow (semantics F4)."""
    decision, served_from = fallback_decision(FeatureKey("main"), cause, static, caller, explain=bool(explain))
    chosen = static or caller
    assert decision.allowed == (chosen is not None and chosen.allowed)
    assert decision.code is (Code.FALLBACK_ALLOW if decision.allowed else Code.FALLBACK_DENY)
    assert decision.underlying_code is cause
    assert decision.value == (chosen.value if chosen is not None and chosen.allowed else None)
    by_caller = static is None and caller is not None
    assert served_from is (ServedFrom.CALLER_FALLBACK if by_caller else ServedFrom.STATIC_FALLBACK)
    assert (decision.explanation is not None) == bool(explain)
