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
    each,
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
    return Customer(
        id=CustomerId(checked_id(message.id, "id")),
        archived=message.archived,
        attributes={
            checked_id(name, "attributes"): literal_of(literal, f"attributes[{name}]")
            for name, literal in message.attributes.items()
        }
        if message.attributes
        else EMPTY,
        subscriptions=each(message.subscriptions, _subscription, "subscriptions"),
        overrides=each(message.overrides, _override, "overrides"),
        suspensions=each(message.suspensions, _suspension, "suspensions"),
        promotions=each(message.promotions, promotion_of, "promotions"),
    )


def _subscription_into(message: policy_pb2.Subscription, subscription: Subscription) -> None:
    for item in subscription.items:
        window_into(message.items.add(ref=item.ref, quantity=item.quantity).window, item.window)
    for span in subscription.spans:
        window_into(message.spans.add(state=number_of(span.state), access=number_of(span.access)).window, span.window)


def _subscription(message: policy_pb2.Subscription) -> Subscription:
    spans = each(message.spans, _span, "spans")
    _check_order(spans)
    return Subscription(id=checked_id(message.id, "id"), items=each(message.items, _item, "items"), spans=spans)


def _item(message: policy_pb2.SubscriptionItem) -> SubscriptionItem:
    ref = message.ref
    plan, at, version = ref.rpartition("@")
    if not at or not version.isascii() or not version.isdigit() or version.startswith("0"):
        raise Misshapen("ref", "must be PLAN@VERSION")
    checked_id(plan, "ref")
    if message.quantity < 1:
        raise Misshapen("quantity", "must be at least 1")
    return SubscriptionItem(PlanRef(ref), message.quantity, window_of(message.window, "window"))


def _span(message: policy_pb2.Span) -> Span:
    return Span(
        member_of(_STATES, message.state, "state"),
        member_of(_LEVELS, message.access, "access"),
        window_of(message.window, "window"),
    )


def _check_order(spans: tuple[Span, ...]) -> None:
    end: int | None = 0
    for index, span in enumerate(spans):
        if end is None or (span.window.from_ms or 0) < end:
            raise Misshapen(f"spans[{index}]", "is out of order or overlaps the one before")
        end = span.window.until_ms


def _override(message: policy_pb2.Override) -> Override:
    return Override(
        id=checked_id(message.id, "id"),
        feature=FeatureKey(checked_id(message.feature, "feature")),
        effect=member_of(_EFFECTS, message.effect, "effect"),
        value=value_of(message.value, "value") if message.HasField("value") else None,
        window=window_of(message.window, "window"),
    )


def _suspension(message: policy_pb2.Suspension) -> Suspension:
    scope = member_of(_SCOPES, message.scope, "scope")
    if scope is SuspensionScope.CUSTOMER:
        if message.target:
            raise Misshapen("target", "must be empty for the scope CUSTOMER")
    else:
        checked_id(message.target, "target")
    if message.cause not in _CAUSES:
        raise Misshapen("cause", f"is not one of {', '.join(SUSPENSION_CAUSES)}")
    return Suspension(
        id=checked_id(message.id, "id"),
        scope=scope,
        access=member_of(_LEVELS, message.access, "access"),
        cause=message.cause,
        target=message.target,
        window=window_of(message.window, "window"),
    )
