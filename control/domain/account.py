"""What a vendor knows of a customer: subscriptions, overrides, suspensions, promotions over all products; frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, ProductId
from entitlements.policy.model import (
    ALWAYS,
    EMPTY,
    AccessLevel,
    Attribute,
    Condition,
    OverrideEffect,
    SubscriptionItem,
    SubscriptionState,
    SuspensionScope,
    Value,
    Window,
)


class StateSpan(NamedTuple):
    """One state of a timeline; ``cause`` is only meant for SUSPENDED and decides its access."""

    state: SubscriptionState
    window: Window = ALWAYS
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HeldSubscription:
    """A subscription. ``timeline`` is sorted without overlaps; ``cancel_at_ms`` cuts it without forgetting the rest."""

    id: str
    product: ProductId
    items: tuple[SubscriptionItem, ...]
    timeline: tuple[StateSpan, ...]
    cancel_at_ms: Millis | None = None


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """The vendor's decision about this customer and one feature of one product."""

    id: str
    product: ProductId
    feature: FeatureKey
    effect: OverrideEffect
    value: Value | None = None
    window: Window = ALWAYS
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountSuspension:
    """A reversible restriction. ``product`` is set exactly for the scope FEATURE, ``target`` for all but CUSTOMER."""

    id: str
    scope: SuspensionScope
    cause: str
    access: AccessLevel
    target: str = ""
    product: ProductId | None = None
    window: Window = ALWAYS
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountPromotion:
    """An extra grant for this customer."""

    id: str
    product: ProductId
    feature: FeatureKey
    value: Value | None = None
    window: Window = ALWAYS
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A customer with everything about it. Attribute names carry no ``customer.`` prefix."""

    id: CustomerId
    name: str = ""
    archived: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: EMPTY)
    subscriptions: tuple[HeldSubscription, ...] = ()
    overrides: tuple[AccountOverride, ...] = ()
    suspensions: tuple[AccountSuspension, ...] = ()
    promotions: tuple[AccountPromotion, ...] = ()


def windows_meet(one: Window, other: Window) -> bool:
    """Return whether two half-open windows share an instant."""
    starts_in_time = one.from_ms is None or other.until_ms is None or one.from_ms < other.until_ms
    ends_in_time = other.from_ms is None or one.until_ms is None or other.from_ms < one.until_ms
    return starts_in_time and ends_in_time
