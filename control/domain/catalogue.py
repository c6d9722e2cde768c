"""What a vendor sells: products, features, plan and add-on versions; frozen.

These are the vendor's words (names, per-feature exceptions to a product-wide ladder); `compile` turns them into the records that travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from entitlements.policy.ids import FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Condition,
    FeatureKind,
    OnTooStale,
    PlanEntitlement,
    Promotion,
    SubscriptionState,
    Value,
    ValueType,
)


@dataclass(frozen=True, slots=True)
class LadderChoice:
    """What a product or a feature says about its freshness ladder; None leaves it to the level above (semantics F1)."""

    fresh_for_ms: int | None = None
    stale_ok_for_ms: int | None = None
    on_too_stale: OnTooStale | None = None


UNCHOSEN: Final = LadderChoice()
NO_STATES: Final[Mapping[SubscriptionState, AccessLevel]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Product:
    """One product; ``state_access`` replaces single rows of the mapping from subscription state to access (B7)."""

    key: ProductId
    name: str = ""
    contact: str = ""
    ladder: LadderChoice = UNCHOSEN
    state_access: Mapping[SubscriptionState, AccessLevel] = field(default_factory=lambda: NO_STATES)


@dataclass(frozen=True, slots=True)
class CatalogueFeature:
    """One feature as its vendor describes it. ``value_type`` and ``combine`` are None exactly for switches."""

    key: FeatureKey
    name: str
    kind: FeatureKind
    core: bool = False
    value_type: ValueType | None = None
    combine: CombineRule | None = None
    default: Value | None = None
    ladder: LadderChoice = UNCHOSEN
    available_when: Condition | None = None
    requires: tuple[FeatureKey, ...] = ()
    retired_at_ms: Millis | None = None
    promotions: tuple[Promotion, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """An immutable version of a plan or an add-on. ``rank`` is the vendor's order of plans, lowest first."""

    key: str
    name: str
    version: int
    addon: bool = False
    rank: int = 0
    entitlements: Mapping[FeatureKey, PlanEntitlement] = field(default_factory=dict)

    @property
    def ref(self) -> PlanRef:
        """Return ``KEY@VERSION``."""
        return PlanRef(f"{self.key}@{self.version}")

    @property
    def noun(self) -> str:
        """Return what this is in words."""
        return "add-on" if self.addon else "plan"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A product with everything on it."""

    product: Product
    features: Mapping[FeatureKey, CatalogueFeature] = field(default_factory=dict)
    offers: Mapping[PlanRef, Offer] = field(default_factory=dict)


Catalogue = Mapping[ProductId, Shelf]
NO_CATALOGUE: Final[Catalogue] = MappingProxyType({})


def latest_offers(shelf: Shelf) -> tuple[Offer, ...]:
    """Return the highest version of every plan and add-on: plans before add-ons, then by rank and key."""
    latest: dict[str, Offer] = {}
    for offer in shelf.offers.values():
        if offer.key not in latest or latest[offer.key].version < offer.version:
            latest[offer.key] = offer
    return tuple(sorted(latest.values(), key=lambda offer: (offer.addon, offer.rank, offer.key)))
