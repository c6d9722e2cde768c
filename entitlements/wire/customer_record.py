"""Customer records (``c/CUSTOMER``) to and from protobuf."""

from __future__ import annotations

from typing import Final

from entitlements.policy.ids import CustomerId, FeatureKey, PlanRef
from entitlements.policy.model import (
    EMPTY,
    SUSPENSION_CAUSES,
    AccessLevel,
    Customer,
    Override,
    OverrideEffect,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    Suspension,
    SuspensionScope,
)
from entitlements.v1 import policy_pb2
from entitlements.wire.feature_record import promotion_into, promotion_of
from entitlements.wire.literals import (
    Misshapen,
    checked_id,
    literal_into,
    literal_of,
    member_of,
    members,
    number_of,
    value_into,
    value_of,
    window_into,
    window_of,
)

_STATES: Final = members(SubscriptionState)
_LEVELS: Final = members(AccessLevel)
_EFFECTS: Final = members(OverrideEffect)
_SCOPES: Final = members(SuspensionScope)
_CAUSES: Final = frozenset(SUSPENSION_CAUSES)


def customer_message(customer: Customer) -> policy_pb2.CustomerRecord:
    """Return the protobuf form of a customer; the order of lists is kept, attributes are written sorted."""
    message = policy_pb2.CustomerRecord(id=customer.id, archived=customer.archived)
    for name, attribute in customer.attributes.items():
        literal_into(message.attributes[name], attribute)
    for subscription in customer.subscriptions:
        _subscription_into(message.subscriptions.add(id=subscription.id), subscription)
    for override in customer.overrides:
        part = message.overrides.add(id=override.id, feature=override.feature, effect=number_of(override.effect))
        if override.value is not None:
            value_into(part.value, override.value)
        window_into(part.window, override.window)
    for suspension in customer.suspensions:
        window_into(
            message.suspensions.add(
                id=suspension.id,
                scope=number_of(suspension.scope),
                target=suspension.target,
                cause=suspension.cause,
                access=number_of(suspension.access),
            ).window,
            suspension.window,
        )
    for promotion in customer.promotions:
        promotion_into(message.promotions.add(), promotion)
    return message


def customer_of(message: policy_pb2.CustomerRecord) -> Customer:
    """Return the customer or raise Misshapen."""
    attributes = {
        checked_id(name, "attributes"): literal_of(literal, f"attributes[{name}]")
        for name, literal in message.attributes.items()
    }
    return Customer(
        id=CustomerId(checked_id(message.id, "id")),
        archived=message.archived,
        attributes=attributes or EMPTY,
        subscriptions=tuple(_subscription(part, index) for index, part in enumerate(message.subscriptions)),
        overrides=tuple(_override(part, index) for index, part in enumerate(message.overrides)),
        suspensions=tuple(_suspension(part, index) for index, part in enumerate(message.suspensions)),
        promotions=tuple(promotion_of(part, f"promotions[{index}]") for index, part in enumerate(message.promotions)),
    )


def _subscription_into(message: policy_pb2.Subscription, subscription: Subscription) -> None:
    for item in subscription.items:
        window_into(message.items.add(ref=item.ref, quantity=item.quantity).window, item.window)
    for span in subscription.spans:
        window_into(message.spans.add(state=number_of(span.state), access=number_of(span.access)).window, span.window)


def _subscription(message: policy_pb2.Subscription, index: int) -> Subscription:
    field = f"subscriptions[{index}]"
    return Subscription(
        id=checked_id(message.id, f"{field}.id"),
        items=tuple(_item(part, f"{field}.items") for part in message.items),
        spans=_spans(message, f"{field}.spans"),
    )


def _item(message: policy_pb2.SubscriptionItem, field: str) -> SubscriptionItem:
    ref = message.ref
    plan, at, version = ref.rpartition("@")
    if not at or not version.isascii() or not version.isdigit() or version.startswith("0"):
        raise Misshapen(f"{field}.ref", "must be PLAN@VERSION")
    checked_id(plan, f"{field}.ref")
    if message.quantity < 1:
        raise Misshapen(f"{field}.quantity", "must be at least 1")
    return SubscriptionItem(PlanRef(ref), message.quantity, window_of(message.window, f"{field}.window"))


def _spans(message: policy_pb2.Subscription, field: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    end: int | None = 0
    for part in message.spans:
        window = window_of(part.window, f"{field}.window")
        if end is None or (window.from_ms or 0) < end:
            raise Misshapen(field, "must be sorted and must not overlap")
        end = window.until_ms
        spans.append(
            Span(
                member_of(_STATES, part.state, f"{field}.state"),
                member_of(_LEVELS, part.access, f"{field}.access"),
                window,
            )
        )
    return tuple(spans)


def _override(message: policy_pb2.Override, index: int) -> Override:
    field = f"overrides[{index}]"
    return Override(
        id=checked_id(message.id, f"{field}.id"),
        feature=FeatureKey(checked_id(message.feature, f"{field}.feature")),
        effect=member_of(_EFFECTS, message.effect, f"{field}.effect"),
        value=value_of(message.value, f"{field}.value") if message.HasField("value") else None,
        window=window_of(message.window, f"{field}.window"),
    )


def _suspension(message: policy_pb2.Suspension, index: int) -> Suspension:
    field = f"suspensions[{index}]"
    scope = member_of(_SCOPES, message.scope, f"{field}.scope")
    if scope is SuspensionScope.CUSTOMER:
        if message.target:
            raise Misshapen(f"{field}.target", "must be empty for the scope CUSTOMER")
    else:
        checked_id(message.target, f"{field}.target")
    if message.cause not in _CAUSES:
        raise Misshapen(f"{field}.cause", f"is not one of {', '.join(SUSPENSION_CAUSES)}")
    return Suspension(
        id=checked_id(message.id, f"{field}.id"),
        scope=scope,
        access=member_of(_LEVELS, message.access, f"{field}.access"),
        cause=message.cause,
        target=message.target,
        window=window_of(message.window, f"{field}.window"),
    )
