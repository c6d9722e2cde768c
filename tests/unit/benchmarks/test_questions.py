"""The verdicts that benchmarks hold everybody to: by the plain rule there, by the policy model in `decide` here; both must say the same."""

from collections import Counter
from itertools import pairwise

import pytest

from benchmarks import world
from benchmarks.questions import ALLOWED, CUSTOMERS, DENIED, FEATURES, PAIRS, PLANS, is_allowed, plan_of
from entitlements.policy.decide import decide
from entitlements.policy.ids import CustomerId, FeatureKey, Millis
from entitlements.policy.model import Query
from entitlements.v1 import check_service_pb2
from tests.support.policy_set import PolicySet

NOW = Millis(1_795_000_000_000)


def test_our_engine_agrees_with_the_plain_rule_on_every_question() -> None:
    """Every customer and feature, so also the 600 chosen ones; the world of the store and the rule of the questions are one vendor."""
    records = PolicySet.of(
        (*world.features(), *world.plans(), *(world.customer(number, NOW) for number in range(len(CUSTOMERS))))
    )
    differing = [
        (customer, feature)
        for customer in CUSTOMERS
        for feature in FEATURES
        if decide(Query(CustomerId(customer), FeatureKey(feature), world.PRODUCT), records, NOW).allowed
        is not is_allowed(customer, feature)
    ]
    assert differing == []


def test_the_set_is_what_it_says() -> None:
    """600 different pairs of known customers, in the proportion stated, of every plan and every feature."""
    assert len({(pair.customer, pair.feature) for pair in PAIRS}) == ALLOWED + DENIED == 600
    assert Counter(pair.allowed for pair in PAIRS) == {True: ALLOWED, False: DENIED}
    assert {pair.feature for pair in PAIRS} == set(FEATURES)
    assert {pair.plan for pair in PAIRS} == set(PLANS)
    assert [pair for pair in PAIRS if pair.plan != plan_of(pair.customer)] == []


def test_the_order_does_not_group_verdicts() -> None:
    """A subject that answered `allow` to everything for a while would be caught at once."""
    longest = run = 0
    for before, pair in pairwise(PAIRS):
        run = run + 1 if pair.allowed == before.allowed else 0
        longest = max(longest, run)
    assert longest < 20


def test_a_request_asks_what_the_pair_says() -> None:
    """The serialized question reads back."""
    read = check_service_pb2.CheckRequest.FromString(PAIRS[0].request)
    assert (read.customer_id, read.feature) == (PAIRS[0].customer, PAIRS[0].feature)


def test_a_customer_outside_the_set_has_no_plan() -> None:
    """A generator that asks beyond the set has a bug, and hears of it."""
    with pytest.raises(KeyError):
        plan_of("customer-0001000")
