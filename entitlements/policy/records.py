"""The records that travel to sidecars and that a decision is made from; frozen, without behaviour.

They mirror ``proto/entitlements/v1/policy.proto``; the codec in ``entitlements.wire`` translates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.vocabulary import (
    ALWAYS,
    EMPTY,
    AccessLevel,
    Attribute,
    CombineRule,
    FeatureKind,
    OnTooStale,
    Operator,
    OverrideEffect,
    SubscriptionState,
    SuspensionScope,
    Value,
    ValueType,
    Window,
)


class Compiled(NamedTuple):
    """A condition made executable by ``conditions``: its test, and the instants at which time alone can change it."""

    holds: Callable[[Mapping[str, Attribute]], bool]
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause of a condition; ``operand`` is None exactly for EXISTS.

    ``compiled`` belongs to ``conditions``: made once for each node that is evaluated, kept with it, no part of equality.
    """

    attribute: str
    operator: Operator
    operand: Attribute | None = None
    compiled: Compiled | None = field(default=None, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple[Condition, ...]
    compiled: Compiled | None = field(default=None, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]
    compiled: Compiled | None = field(default=None, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition
    compiled: Compiled | None = field(default=None, init=False, repr=False, compare=False)


Condition: TypeAlias = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long an answer stays trustworthy without news (semantics F1). Defaults are the product-wide ones."""

    fresh_for_ms: int = 5_000
    stale_ok_for_ms: int = 86_400_000
    on_too_stale: OnTooStale = OnTooStale.LAST_VALUE


DEFAULT_LADDER: Final = Ladder()


@dataclass(frozen=True, slots=True)
class Promotion:
    """A time-limited extra grant, of a cohort (in a feature) or of one customer."""

    id: str
    feature: FeatureKey
    value: Value | None = None
    window: Window = ALWAYS
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a product. ``combine`` and ``value_type`` are None exactly for switches."""

    key: FeatureKey
    product: ProductId
    kind: FeatureKind
    core: bool = False
    value_type: ValueType | None = None
    combine: CombineRule | None = None
    default_value: Value | None = None
    ladder: Ladder = DEFAULT_LADDER
    available_when: Condition | None = None
    requires: tuple[FeatureKey, ...] = ()
    retired_at_ms: Millis | None = None
    sold_in_plans: tuple[str, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    contact: str = ""


@dataclass(frozen=True, slots=True)
class PlanEntitlement:
    """What a plan or add-on version grants for one feature."""

    feature: FeatureKey
    value: Value | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """An immutable version of a plan or add-on."""

    plan: str
    version: int
    product: ProductId
    addon: bool = False
    entitlements: Mapping[FeatureKey, PlanEntitlement] = field(default_factory=dict)

    @property
    def ref(self) -> PlanRef:
        """Return ``PLAN@VERSION``."""
        return PlanRef(f"{self.plan}@{self.version}")


class Span(NamedTuple):
    """One state of a subscription's timeline with the access that the product maps it to."""

    state: SubscriptionState
    access: AccessLevel
    window: Window


class SubscriptionItem(NamedTuple):
    """A plan or add-on version held by a subscription."""

    ref: PlanRef
    quantity: int = 1
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's subscription; spans are sorted and do not overlap."""

    id: str
    items: tuple[SubscriptionItem, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """The vendor's decision about one customer and one feature."""

    id: str
    feature: FeatureKey
    effect: OverrideEffect
    value: Value | None = None
    window: Window = ALWAYS


SUSPENSION_CAUSES: Final = ("non_payment", "abuse", "security", "compliance", "export", "legal_hold", "other")
COMPLIANCE_CAUSES: Final = frozenset({"compliance", "export", "legal_hold"})
"""Causes whose deny is COMPLIANCE_BLOCKED rather than SUBSCRIPTION_SUSPENDED."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A reversible restriction; ``target`` is a subscription id or a feature key, empty for the whole customer."""

    id: str
    scope: SuspensionScope
    access: AccessLevel
    cause: str
    target: str = ""
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Customer:
    """What deciding needs of one customer for one product. Attribute names carry no ``customer.`` prefix."""

    id: CustomerId
    archived: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: EMPTY)
    subscriptions: tuple[Subscription, ...] = ()
    overrides: tuple[Override, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    promotions: tuple[Promotion, ...] = ()


class Records(Protocol):
    """One consistent version of a product's policy set."""

    @property
    def complete(self) -> bool:
        """Return whether a whole policy set is loaded; until then nothing is unknown (semantics A4)."""

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
