"""Measures one decision on decoded records: `python benchmarks/micro_decide.py`. Prints the median of many rounds, in microseconds.

The customer is an ordinary one: two subscriptions (one with an add-on), one override on another feature, attributes, and a condition of
five clauses on the plan's entitlement. Nothing is cached between calls but the compiled condition, which stays with its record.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import timeit
from dataclasses import dataclass, field

from benchmarks.result import machine, write
from entitlements.policy.condition_json import parse_condition
from entitlements.policy.conditions import compile_condition
from entitlements.policy.decide import decide
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Customer,
    ExplainLevel,
    Feature,
    FeatureKind,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Query,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    ValueType,
    Window,
)

NOW = Millis(1_800_000_000_000)
DAY = 86_400_000
SUITE = ProductId("suite")
ROUNDS = 40
CALLS = 5_000


@dataclass
class Decoded:
    """A policy set of decoded records."""

    features: dict[str, Feature] = field(default_factory=dict)
    plans: dict[str, PlanVersion] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    complete: bool = True

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        return self.features.get(key)

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan version or None."""
        return self.plans.get(ref)

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        return self.customers.get(customer_id)


CONDITION = parse_condition(
    {
        "all": [
            {"in": ["request.region", ["eu", "uk", "us"]]},
            {"eq": ["customer.segment", "enterprise"]},
            {"ne": ["request.environment", "sandbox"]},
            {"ge": ["request.app_version", 7]},
            {"exists": "subject.id"},
        ]
    }
)


def policy_set() -> Decoded:
    """Return the policy set that is asked."""
    projects, exports = FeatureKey("projects"), FeatureKey("exports")
    records = Decoded()
    records.features["projects"] = Feature(
        projects, SUITE, FeatureKind.CONFIG, value_type=ValueType.INT, combine=CombineRule.SUM, default_value=3
    )
    records.features["exports"] = Feature(exports, SUITE, FeatureKind.SWITCH)
    for plan in (
        PlanVersion("pro", 3, SUITE, entitlements={projects: PlanEntitlement(projects, 50, CONDITION)}),
        PlanVersion("extra", 1, SUITE, addon=True, entitlements={projects: PlanEntitlement(projects, 10)}),
        PlanVersion("basic", 1, SUITE, entitlements={projects: PlanEntitlement(projects, 5)}),
    ):
        records.plans[plan.ref] = plan
    trial = Span(SubscriptionState.TRIALING, AccessLevel.FULL, Window(Millis(NOW - 60 * DAY), Millis(NOW - 30 * DAY)))
    active = Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window(Millis(NOW - 30 * DAY), None))
    records.customers["acme"] = Customer(
        CustomerId("acme"),
        attributes={"segment": "enterprise", "region": "eu", "since": 2019},
        subscriptions=(
            Subscription(
                "acme-1",
                (SubscriptionItem(PlanRef("pro@3")), SubscriptionItem(PlanRef("extra@1"), 2)),
                (trial, active),
            ),
            Subscription("acme-2", (SubscriptionItem(PlanRef("basic@1")),), (active,)),
        ),
        overrides=(Override("o1", exports, OverrideEffect.ALLOW, window=Window(None, Millis(NOW + DAY))),),
    )
    return records


def median_us(call: object, calls: int = CALLS) -> float:
    """Return the median time of one call over many rounds, in microseconds."""
    rounds = timeit.repeat(call, number=calls, repeat=ROUNDS)  # type: ignore[arg-type]
    return statistics.median(rounds) / calls * 1e6


def main(argv: list[str]) -> int:
    """Print one line for each measurement and write them."""
    argparse.ArgumentParser(prog="bench micro_decide", description="One decision on decoded records.").parse_args(argv)
    on = machine()
    records = policy_set()
    config = Query(
        CustomerId("acme"),
        FeatureKey("projects"),
        SUITE,
        subject_id="ann",
        attributes={"request.region": "eu", "request.environment": "live", "request.app_version": 9},
    )
    switch = config._replace(feature=FeatureKey("exports"))
    explained = config._replace(explain=ExplainLevel.FULL)
    attributes = {**config.attributes, "customer.segment": "enterprise", "subject.id": "ann"}
    holds = compile_condition(CONDITION)
    answer = decide(config, records, NOW)
    print(f"answer                                 {answer.code.name} {answer.value}, valid until {answer.valid_until}")
    figures: dict[str, float] = {}
    for name, call in (
        ("condition of five clauses", lambda: holds(attributes)),
        ("decide: config, 3 sources, condition", lambda: decide(config, records, NOW)),
        ("decide: switch, override", lambda: decide(switch, records, NOW)),
        ("decide: config, explained in full", lambda: decide(explained, records, NOW)),
    ):
        figures[name] = round(median_us(call), 2)
        print(f"{name:<38} {figures[name]:7.2f} us")
    print(f"written {write('micro_decide', (__doc__ or '').strip(), figures, on)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
