"""The catalogue in the database: products with their features and versions, as domain objects."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from control.domain.catalogue import Catalogue, CatalogueFeature, Offer, Product, Shelf
from control.domain.errors import NotFound
from control.domain.forms import Form
from control.domain.stored_catalogue import restore_feature, restore_offer, restore_product
from control.store.resources import to_text
from control.store.tables import features, plan_versions, products
from entitlements.policy.ids import FeatureKey, PlanRef, ProductId


class PublishedVersion(NamedTuple):
    """A plan or add-on version as it is stored."""

    form: Form
    addon: bool
    published_at_ms: int


def load_products(connection: Connection) -> dict[ProductId, Product]:
    """Return all products without their shelves."""
    rows = connection.execute(sa.select(products.c.body).order_by(products.c.key)).scalars()
    return {product.key: product for product in (restore_product(json.loads(body)) for body in rows)}


def load_product(connection: Connection, key: str) -> Product:
    """Return one product; NotFound when there is none."""
    body = connection.execute(sa.select(products.c.body).where(products.c.key == key)).scalar()
    if body is None:
        raise NotFound("product", key)
    return restore_product(json.loads(body))


def load_shelf(connection: Connection, product: str) -> Shelf:
    """Return a product with everything on it; NotFound when there is no such product."""
    found = _features(connection, features.c.product == product)
    query = sa.select(plan_versions.c.addon, plan_versions.c.body).where(plan_versions.c.product == product)
    offers: dict[PlanRef, Offer] = {}
    for addon, body in connection.execute(query.order_by(plan_versions.c.key, plan_versions.c.version)):
        offer = restore_offer(json.loads(body), found, addon=addon)
        offers[offer.ref] = offer
    return Shelf(load_product(connection, product), found, offers)


def load_catalogue(connection: Connection, keys: Collection[str] | None = None) -> Catalogue:
    """Return the shelves of products, of all when None; unknown products are left out."""
    known = connection.execute(sa.select(products.c.key).order_by(products.c.key)).scalars()
    return {ProductId(key): load_shelf(connection, key) for key in list(known) if keys is None or key in keys}


def load_feature_shelf(connection: Connection, product: str, feature: str) -> Shelf:
    """Return a product with one feature on its shelf, with none when it does not exist: enough to judge an override."""
    return Shelf(
        load_product(connection, product),
        _features(connection, features.c.product == product, features.c.key == feature),
    )


def load_offer_shelf(connection: Connection, product: str, refs: Collection[PlanRef]) -> Shelf:
    """Return a product with the named versions on its shelf, without what they grant: enough to judge a subscription."""
    column = plan_versions.c
    query = sa.select(column.key, column.version, column.addon).where(
        column.product == product, column.key.in_({ref.rpartition("@")[0] for ref in refs})
    )
    offers = [Offer(key, key, version, addon) for key, version, addon in connection.execute(query)]
    return Shelf(load_product(connection, product), {}, {offer.ref: offer for offer in offers if offer.ref in refs})


def _features(connection: Connection, *conditions: sa.ColumnElement[bool]) -> dict[FeatureKey, CatalogueFeature]:
    rows = connection.execute(sa.select(features.c.body).where(*conditions).order_by(features.c.key)).scalars()
    return {feature.key: feature for feature in (restore_feature(json.loads(body)) for body in rows)}


def insert_version(
    connection: Connection, product: str, key: str, version: int, form: Mapping[str, Any], now_ms: int, *, addon: bool
) -> None:
    """Insert a plan or add-on version."""
    row = {"product": product, "key": key, "version": version, "addon": addon}
    connection.execute(sa.insert(plan_versions), {**row, "body": to_text(form), "published_at_ms": now_ms})


def find_version(connection: Connection, product: str, key: str, version: int) -> PublishedVersion | None:
    """Return one plan or add-on version, or None."""
    column = plan_versions.c
    query = sa.select(column.body, column.addon, column.published_at_ms)
    query = query.where(column.product == product, column.key == key, column.version == version)
    row = connection.execute(query).one_or_none()
    return None if row is None else PublishedVersion(json.loads(row.body), row.addon, row.published_at_ms)


def list_versions(connection: Connection, product: str, key: str) -> list[PublishedVersion]:
    """Return all versions of a plan or add-on, oldest first."""
    column = plan_versions.c
    query = sa.select(column.body, column.addon, column.published_at_ms)
    query = query.where(column.product == product, column.key == key).order_by(column.version)
    return [PublishedVersion(json.loads(body), addon, at) for body, addon, at in connection.execute(query)]


def list_latest(
    connection: Connection, product: str, after: str, limit: int | None, *, addon: bool
) -> list[PublishedVersion]:
    """Return the newest version of each plan, or of each add-on, ordered by key, after a key."""
    column = plan_versions.c
    newest = (
        sa.select(column.key, sa.func.max(column.version).label("version"))
        .where(column.product == product, column.addon == addon, column.key > after)
        .group_by(column.key)
        .order_by(column.key)
        .limit(limit)
        .subquery()
    )
    query = sa.select(column.body, column.addon, column.published_at_ms).join(
        newest, sa.and_(column.key == newest.c.key, column.version == newest.c.version)
    )
    rows = connection.execute(query.where(column.product == product).order_by(column.key))
    return [PublishedVersion(json.loads(body), each, at) for body, each, at in rows]
