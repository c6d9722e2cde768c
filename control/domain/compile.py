"""Turns the vendor's words into the records that travel: pure, and blind to the order in which things are listed.

A record never holds what another record holds, so a plan with a million customers stays one record, and every future change of a
customer is a date inside its record. Nothing here depends on the current time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from control.domain.account import Account, HeldSubscription, StateSpan
from control.domain.catalogue import CatalogueFeature, LadderChoice, Offer, Product, Shelf, latest_offers
from control.domain.document import Document
from entitlements.policy.ids import (
    Millis,
    ProductId,
    RecordKey,
    customer_record_key,
    feature_record_key,
    plan_record_key,
)
from entitlements.policy.model import (
    DEFAULT_LADDER,
    AccessLevel,
    Customer,
    Feature,
    Ladder,
    Override,
    PlanVersion,
    Promotion,
    Span,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    Suspension,
    SuspensionScope,
    Window,
)

PolicyRecord = Feature | PlanVersion | Customer

STATE_ACCESS: Final[Mapping[SubscriptionState, AccessLevel]] = MappingProxyType(
    {
        SubscriptionState.PENDING_APPROVAL: AccessLevel.NONE,
        SubscriptionState.PENDING_PAYMENT: AccessLevel.NONE,
        SubscriptionState.SCHEDULED: AccessLevel.NONE,
        SubscriptionState.TRIALING: AccessLevel.FULL,
        SubscriptionState.ACTIVE: AccessLevel.FULL,
        SubscriptionState.PAST_DUE: AccessLevel.GRACE,
        SubscriptionState.GRACE: AccessLevel.GRACE,
        SubscriptionState.SUSPENDED: AccessLevel.NONE,
        SubscriptionState.CANCELED: AccessLevel.NONE,
        SubscriptionState.EXPIRED: AccessLevel.NONE,
    }
)
"""What a state gives when the product says nothing else (semantics B7). SUSPENDED for non-payment, see `access_of`, still reads."""


def access_of(product: Product, span: StateSpan) -> AccessLevel:
    """Return the access of a state: the product's own choice, else READ_ONLY for unpaid suspensions, else the default."""
    chosen = product.state_access.get(span.state)
    if chosen is not None:
        return chosen
    if span.state is SubscriptionState.SUSPENDED and span.cause == "non_payment":
        return AccessLevel.READ_ONLY
    return STATE_ACCESS[span.state]


def compile_document(document: Document, product: str) -> dict[RecordKey, PolicyRecord]:
    """Return the records of one product's feed; KeyError when the document does not declare the product."""
    shelf = document.shelves[ProductId(product)]
    records: dict[RecordKey, PolicyRecord] = {}
    records.update((feature_record_key(feature.key), feature) for feature in compile_features(shelf))
    for offer in shelf.offers.values():
        records[plan_record_key(offer.ref)] = compile_offer(shelf.product.key, offer)
    for account in document.accounts:
        records[customer_record_key(account.id)] = compile_customer(shelf.product, account)
    return records


def compile_features(shelf: Shelf) -> Iterable[Feature]:
    """Yield the records of all features on a shelf."""
    latest = latest_offers(shelf)
    for feature in shelf.features.values():
        sellers = tuple(offer.key for offer in latest if feature.key in offer.entitlements)
        yield compile_feature(shelf.product, feature, sellers)


def compile_feature(product: Product, feature: CatalogueFeature, sold_in_plans: tuple[str, ...]) -> Feature:
    """Return the record of one feature; ``sold_in_plans`` lists what includes it, in the vendor's order."""
    return Feature(
        key=feature.key,
        product=product.key,
        kind=feature.kind,
        core=feature.core,
        value_type=feature.value_type,
        combine=feature.combine,
        default_value=feature.default,
        ladder=resolve_ladder(feature.ladder, product.ladder),
        available_when=feature.available_when,
        requires=tuple(sorted(feature.requires)),
        retired_at_ms=feature.retired_at_ms,
        sold_in_plans=sold_in_plans,
        promotions=tuple(sorted(feature.promotions, key=lambda promotion: promotion.id)),
        contact=product.contact,
    )


def resolve_ladder(feature: LadderChoice, product: LadderChoice) -> Ladder:
    """Return the ladder of a feature: its own choice, else the product's, else the house's, rung by rung."""
    fresh = (feature.fresh_for_ms, product.fresh_for_ms, DEFAULT_LADDER.fresh_for_ms)
    stale = (feature.stale_ok_for_ms, product.stale_ok_for_ms, DEFAULT_LADDER.stale_ok_for_ms)
    rungs = (feature.on_too_stale, product.on_too_stale, DEFAULT_LADDER.on_too_stale)
    return Ladder(
        next(ms for ms in fresh if ms is not None),
        next(ms for ms in stale if ms is not None),
        next(rung for rung in rungs if rung is not None),
    )


def compile_offer(product: str, offer: Offer) -> PlanVersion:
    """Return the record of a plan or add-on version."""
    return PlanVersion(
        plan=offer.key,
        version=offer.version,
        product=ProductId(product),
        addon=offer.addon,
        entitlements={feature: offer.entitlements[feature] for feature in sorted(offer.entitlements)},
    )


def compile_customer(product: Product, account: Account) -> Customer:
    """Return the record of a customer in one product's feed: only what concerns that product."""
    held = sorted((s for s in account.subscriptions if s.product == product.key), key=lambda s: s.id)
    own = {subscription.id for subscription in held}
    return Customer(
        id=account.id,
        archived=account.archived,
        attributes=account.attributes,
        subscriptions=tuple(_subscription(product, subscription) for subscription in held),
        overrides=tuple(
            Override(each.id, each.feature, each.effect, each.value, each.window)
            for each in sorted(account.overrides, key=lambda override: override.id)
            if each.product == product.key
        ),
        suspensions=tuple(
            Suspension(each.id, each.scope, each.access, each.cause, each.target, each.window)
            for each in sorted(account.suspensions, key=lambda suspension: suspension.id)
            if each.scope is SuspensionScope.CUSTOMER
            or (each.scope is SuspensionScope.SUBSCRIPTION and each.target in own)
            or (each.scope is SuspensionScope.FEATURE and each.product == product.key)
        ),
        promotions=tuple(
            Promotion(each.id, each.feature, each.value, each.window, each.condition)
            for each in sorted(account.promotions, key=lambda promotion: promotion.id)
            if each.product == product.key
        ),
    )


def _subscription(product: Product, subscription: HeldSubscription) -> Subscription:
    spans = effective_timeline(subscription.timeline, subscription.cancel_at_ms)
    return Subscription(
        id=subscription.id,
        items=tuple(sorted(subscription.items, key=_item_order)),
        spans=tuple(Span(span.state, access_of(product, span), span.window) for span in spans),
    )


def _item_order(item: SubscriptionItem) -> tuple[int, str, int]:
    return item.window.from_ms or 0, item.ref, item.quantity


def effective_timeline(timeline: Iterable[StateSpan], cancel_at_ms: Millis | None) -> tuple[StateSpan, ...]:
    """Return the timeline as it will pass: cut at the cancellation, which ends it as CANCELED."""
    spans = sorted(timeline, key=lambda span: span.window.from_ms or 0)
    if cancel_at_ms is None:
        return tuple(spans)
    kept: list[StateSpan] = []
    for span in spans:
        start, end = span.window
        if start is not None and start >= cancel_at_ms:
            continue
        cut = cancel_at_ms if end is None or end > cancel_at_ms else end
        kept.append(span._replace(window=Window(start, cut)))
    return (*kept, StateSpan(SubscriptionState.CANCELED, Window(cancel_at_ms, None)))
