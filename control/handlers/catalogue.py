"""Commands on the catalogue: products, features, published plan and add-on versions.

Specs are in the form of the catalogue document; the keys come from the address and may be repeated in the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.domain.catalogue import Product, Shelf
from control.domain.catalogue_document import PRODUCT_FIELDS, check_requires, read_feature, read_product
from control.domain.compile import compile_offer
from control.domain.errors import Conflict, Invalid
from control.domain.fields import Fields, Findings
from control.domain.publication import publish
from control.domain.stored_catalogue import render_feature, render_offer, render_product, restore_product
from control.handlers.records import customer_bodies, recompile_features
from control.handlers.result import Result, finish
from control.handlers.specs import keyed
from control.store import tables
from control.store.resources import Saved, expect, find, save
from control.store.shelves import insert_version, load_shelf
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import plan_record_key

Spec = Mapping[str, Any]


def put_product(uow: UnitOfWork, key: str, spec: Spec, expected: int | None = None) -> Result:
    """Create or replace a product. A new one begins its feed, whose base holds all customers.

    ``expected`` is the revision that the caller knows, 0 for "must be new". Raises Invalid, StaleRevision.
    """
    uow.lock_all()
    findings = Findings(uow.now_ms)
    product = read_product(Fields(findings, keyed(findings, "key", key, spec), "", PRODUCT_FIELDS))
    _judge(findings)
    found = find(uow.connection, tables.products, {"key": key})
    expect("product", key, found, expected)
    saved = save(uow.connection, tables.products, {"key": key}, render_product(product), found)
    if found is None:
        uow.feeds.create(key, uow.now_ms // 1000, customer_bodies(uow, product))
    elif saved.changed:
        _spread(uow, restore_product(found.form), product)
    return finish(uow, "product.put", f"product/{key}", saved)


def _spread(uow: UnitOfWork, before: Product, after: Product) -> None:
    """Recompile what a change of a product reaches."""
    if (before.ladder, before.contact) != (after.ladder, after.contact):
        recompile_features(uow, load_shelf(uow.connection, after.key))
    if before.state_access != after.state_access:
        for record_key, body in customer_bodies(uow, after):
            uow.feeds.put(after.key, record_key, body)


def put_feature(uow: UnitOfWork, product: str, key: str, spec: Spec, expected: int | None = None) -> Result:
    """Create or replace a feature. Kind and type never change, because published versions rely on them.

    Raises Invalid, NotFound (product), Conflict (kind, type), StaleRevision.
    """
    uow.lock(product)
    findings = Findings(uow.now_ms)
    shelf = load_shelf(uow.connection, product)
    feature = read_feature(findings, keyed(findings, "key", key, spec), "")
    if feature is None:
        raise Invalid(findings.problems)
    features = {**shelf.features, feature.key: feature}
    check_requires(findings, features, {feature.key: ""})
    _judge(findings)
    known = shelf.features.get(feature.key)
    if known is not None and (known.kind, known.value_type) != (feature.kind, feature.value_type):
        remedy = "Make a new feature with another key, and retire this one with `retired_at`"
        field = "kind" if known.kind is not feature.kind else "type"
        raise Conflict(field, "cannot change once a feature exists", remedy)
    keys = {"product": product, "key": key}
    found = find(uow.connection, tables.features, keys)
    expect("feature", key, found, expected)
    saved = save(uow.connection, tables.features, keys, render_feature(feature), found)
    recompile_features(uow, Shelf(shelf.product, features, shelf.offers))
    return finish(uow, "feature.put", f"product/{product}/feature/{key}", saved)


def publish_plan(uow: UnitOfWork, product: str, key: str, spec: Spec, version: int | None = None) -> Result:
    """Publish a plan version. The same content again changes nothing; other content under a published number is a Conflict.

    Without a version (here or in the spec) it becomes the next one, unless it is what the newest one is already.
    """
    return _publish(uow, product, key, spec, version, addon=False)


def publish_addon(uow: UnitOfWork, product: str, key: str, spec: Spec, version: int | None = None) -> Result:
    """Publish an add-on version, as `publish_plan` does."""
    return _publish(uow, product, key, spec, version, addon=True)


def _publish(uow: UnitOfWork, product: str, key: str, spec: Spec, version: int | None, *, addon: bool) -> Result:
    uow.lock(product)
    shelf = load_shelf(uow.connection, product)
    findings = Findings(uow.now_ms)
    named = keyed(findings, "key", key, spec)
    if version is not None:
        named = keyed(findings, "version", version, named)
    offer, new = publish(findings, shelf, named, addon=addon)
    form = render_offer(offer)
    if not new:
        return Result(form, 1, changed=False, versions=uow.flush())
    insert_version(uow.connection, product, offer.key, offer.version, form, uow.now_ms, addon=addon)
    offers = {**shelf.offers, offer.ref: offer}
    uow.changed(product, plan_record_key(offer.ref), compile_offer(product, offer))
    recompile_features(uow, Shelf(shelf.product, shelf.features, offers))
    noun = "addon" if addon else "plan"
    saved = Saved(form, 1, changed=True, before=None)
    return finish(uow, f"{noun}.publish", f"product/{product}/{noun}/{offer.ref}", saved)


def _judge(findings: Findings) -> None:
    if findings.problems:
        raise Invalid(findings.problems)
