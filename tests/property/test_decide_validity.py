"""`valid_until` is exact: the whole answer is constant until it, and it is an instant that stands in the records (semantics E2)."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import event, given

from entitlements.policy.conditions import time_edges
from entitlements.policy.decide import WARN_TRIAL_MS, decide
from entitlements.policy.ids import Millis
from entitlements.policy.model import Condition, Customer, Window
from tests.support.policy_strategies import NOW, World, worlds


def edges(world: World) -> set[int]:
    """Return every instant at which anything in the records can change."""
    found: set[int] = {edge for window in all_windows(world) for edge in window if edge is not None}
    found |= {feature.retired_at_ms for feature in world.features if feature.retired_at_ms is not None}
    found |= {edge for condition in all_conditions(world) for edge in time_edges(condition)}
    found |= {edge - WARN_TRIAL_MS for edge in found}
    return found


def all_windows(world: World) -> Iterator[Window]:
    """Yield every window."""
    customer: Customer = world.customer
    for subscription in customer.subscriptions:
        yield from (item.window for item in subscription.items)
        yield from (span.window for span in subscription.spans)
    yield from (override.window for override in customer.overrides)
    yield from (suspension.window for suspension in customer.suspensions)
    yield from (promotion.window for promotion in customer.promotions)
    for feature in world.features:
        yield from (promotion.window for promotion in feature.promotions)


def all_conditions(world: World) -> Iterator[Condition]:
    """Yield every condition."""
    for plan in world.plans:
        yield from (each.condition for each in plan.entitlements.values() if each.condition is not None)
    for feature in world.features:
        if feature.available_when is not None:
            yield feature.available_when
        yield from (each.condition for each in feature.promotions if each.condition is not None)
    yield from (each.condition for each in world.customer.promotions if each.condition is not None)


@given(worlds())
def test_the_answer_is_constant_until_valid_until(world: World) -> None:
    """At every edge of the records that comes earlier, and just beside it, the answer is equal in every field."""
    records = world.records()
    decision = decide(world.query, records, NOW)
    end = decision.valid_until
    event("bounded" if end is not None else "open")
    samples = {instant + shift for instant in edges(world) for shift in (-1, 0, 1)} | {NOW + 1, NOW + 10**12}
    if end is not None:
        samples |= {end - 1, (NOW + end) // 2}
    for instant in sorted(samples):
        if instant >= NOW and (end is None or instant < end):
            assert decide(world.query, records, Millis(instant)) == decision


@given(worlds())
def test_valid_until_is_an_instant_of_the_records(world: World) -> None:
    """It is never invented, and never one that has passed."""
    end = decide(world.query, world.records(), NOW).valid_until
    assert end is None or (end in edges(world) and end > NOW)


@given(worlds())
def test_answers_from_edge_to_edge_cover_all_time(world: World) -> None:
    """Following valid_until from answer to answer meets every change: there is no hidden one between."""
    records = world.records()
    instant = NOW
    changes = 0
    for _ in range(200):
        decision = decide(world.query, records, instant)
        if decision.valid_until is None:
            break
        following = decide(world.query, records, decision.valid_until)
        changes += following != decision
        instant = decision.valid_until
    else:
        raise AssertionError("the chain of edges does not end")
    event(f"changes: {min(changes, 3)}")
