"""Applies the products of a document: shelves are compared thing by thing, and what differs is written."""

from __future__ import annotations

from dataclasses import dataclass

from control.domain.catalogue import Catalogue, CatalogueFeature, Offer, Product, Shelf
from control.domain.compile import compile_offer
from control.domain.errors import Conflict
from control.domain.publication import admit
from control.domain.stored_catalogue import render_feature, render_offer, render_product
from control.handlers.changes import Ledger
from control.handlers.records import customer_bodies, recompile_features
from control.store import tables
from control.store.resources import find, save
from control.store.shelves import insert_version
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import plan_record_key


@dataclass(frozen=True, slots=True)
class ShelfPlan:
    """What is new or different on one shelf; ``after`` is the whole shelf as it will be."""

    after: Shelf
    before: Shelf | None
    product: Product | None
    features: tuple[CatalogueFeature, ...]
    offers: tuple[Offer, ...]


def plan_shelf(ledger: Ledger, shelf: Shelf, known: Catalogue) -> ShelfPlan:
    """Return what must be written for a shelf; Conflict when a published version or a feature's type would change."""
    before = known.get(shelf.product.key)
    key = shelf.product.key
    stored = None if before is None else render_product(before.product)
    product = shelf.product if ledger.compare("product", key, stored, render_product(shelf.product)) else None
    features = []
    for feature in shelf.features.values():
        old = before.features.get(feature.key) if before else None
        if old is not None and (old.kind, old.value_type) != (feature.kind, feature.value_type):
            remedy = "Make a new feature with another key, and retire this one with `retired_at`"
            raise Conflict(f"products.{key}.features.{feature.key}", "cannot change its kind or type", remedy)
        form = None if old is None else render_feature(old)
        if ledger.compare("feature", f"{key}/{feature.key}", form, render_feature(feature)):
            features.append(feature)
    offers = []
    growing = Shelf(shelf.product, {}, dict(before.offers) if before else {})
    for offer in sorted(shelf.offers.values(), key=lambda each: (each.addon, each.key, each.version)):
        new = admit(growing, offer).new
        growing = Shelf(growing.product, {}, {**growing.offers, offer.ref: offer})
        kind = "addon" if offer.addon else "plan"
        form = render_offer(offer)
        if ledger.compare(kind, f"{key}/{offer.ref}", None if new else form, form):
            offers.append(offer)
    whole = Shelf(
        shelf.product,
        {**(before.features if before else {}), **shelf.features},
        {**(before.offers if before else {}), **shelf.offers},
    )
    return ShelfPlan(whole, before, product, tuple(features), tuple(offers))


def write_shelf(uow: UnitOfWork, plan: ShelfPlan) -> None:
    """Write the rows of a shelf."""
    key = plan.after.product.key
    if plan.product is not None:
        keys = {"key": str(key)}
        found = find(uow.connection, tables.products, keys)
        save(uow.connection, tables.products, keys, render_product(plan.product), found)
    for feature in plan.features:
        keys = {"product": str(key), "key": feature.key}
        found = find(uow.connection, tables.features, keys)
        save(uow.connection, tables.features, keys, render_feature(feature), found)
    for offer in plan.offers:
        form = render_offer(offer)
        insert_version(uow.connection, key, offer.key, offer.version, form, uow.now_ms, addon=offer.addon)


def compile_shelf(uow: UnitOfWork, plan: ShelfPlan) -> None:
    """Write the policy records of a shelf; the customers' rows must be written before, since a new feed begins with them."""
    product = plan.after.product
    if plan.before is None:
        uow.feeds.create(product.key, uow.now_ms // 1000, customer_bodies(uow, product))
    elif plan.before.product.state_access != product.state_access:
        for record_key, body in customer_bodies(uow, product):
            uow.feeds.put(product.key, record_key, body)
    if plan.product is None and not plan.features and not plan.offers:
        return
    for offer in plan.offers:
        uow.changed(product.key, plan_record_key(offer.ref), compile_offer(product.key, offer))
    recompile_features(uow, plan.after)
