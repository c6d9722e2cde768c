"""A vendor to measure with: one product of twenty features, three plans, and as many customers as wanted."""

from __future__ import annotations

from collections.abc import Iterator

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Customer,
    Feature,
    FeatureKind,
    PlanEntitlement,
    PlanVersion,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    ValueType,
    Window,
)
from entitlements.wire import codec

PRODUCT = ProductId("suite")
FEATURES = 20
PLANS = ("starter", "pro", "enterprise")


def features() -> list[Feature]:
    """Return twenty features, every fourth of them a number."""
    made = []
    for index in range(FEATURES):
        key = FeatureKey(f"feature-{index:02d}")
        if index % 4 == 3:
            made.append(
                Feature(
                    key,
                    PRODUCT,
                    FeatureKind.CONFIG,
                    value_type=ValueType.INT,
                    combine=CombineRule.MAX,
                    default_value=3,
                    sold_in_plans=PLANS,
                )
            )
        else:
            made.append(Feature(key, PRODUCT, FeatureKind.SWITCH, core=index == 0, sold_in_plans=PLANS))
    return made


def plans() -> list[PlanVersion]:
    """Return three plans with a third, two thirds and all of the features."""
    made = []
    for level, plan in enumerate(PLANS, 1):
        held = features()[: FEATURES * level // 3]
        entitlements = {
            feature.key: PlanEntitlement(feature.key, 10 * level if feature.kind is FeatureKind.CONFIG else None)
            for feature in held
        }
        made.append(PlanVersion(plan, 1, PRODUCT, entitlements=entitlements))
    return made


def customer(number: int, now_ms: int) -> Customer:
    """Return one customer with a running subscription and two attributes."""
    started = Millis(now_ms - 90 * 86_400_000)
    subscription = Subscription(
        f"sub-{number:07d}",
        (SubscriptionItem(PlanRef(f"{PLANS[number % 3]}@1")),),
        (Span(SubscriptionState.ACTIVE, AccessLevel.FULL, Window(started, None)),),
    )
    attributes = {"region": ("eu", "us", "apac")[number % 3], "segment": "enterprise" if number % 5 == 0 else "smb"}
    return Customer(
        CustomerId(f"customer-{number:07d}"), attributes=dict(sorted(attributes.items())), subscriptions=(subscription,)
    )


def bodies(customers: int, now_ms: int) -> Iterator[tuple[str, bytes]]:
    """Return record keys and bodies of the whole policy set."""
    catalogue: list[Feature | PlanVersion] = [*features(), *plans()]
    for record in catalogue:
        yield codec.record_key(record), codec.record_to_bytes(record)
    for number in range(customers):
        made = customer(number, now_ms)
        yield codec.record_key(made), codec.customer_to_bytes(made)
