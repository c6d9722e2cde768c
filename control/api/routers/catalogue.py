"""Products, features, plan versions and add-on versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from control.api.credentials import Scope
from control.api.describing import reads, writes
from control.api.paging import Wanted
from control.api.reading import Reads, json_reply, page_reply, stored_json, stored_reply
from control.api.route import api_router
from control.api.schemas.catalogue import (
    FeatureBody,
    FeatureForm,
    OfferForm,
    PlanVersionBody,
    ProductBody,
    ProductForm,
)
from control.api.schemas.replies import Page, Stored, Written
from control.api.segments import PathId
from control.api.writing import Write
from control.domain.errors import NotFound
from control.handlers import catalogue
from control.store import resources, shelves, tables

VersionNumber = Annotated[
    int, Path(ge=1, le=(1 << 31) - 1, description="Counts from 1; a published one never changes.")
]

products = api_router("catalogue")


@products.get("/products", response_model=Page[Stored[ProductForm]], summary="List products", **reads())
def list_products(store: Reads, wanted: Wanted) -> Response:
    """Every product is one feed."""
    with store.reading() as connection:
        found = resources.page(connection, tables.products, {}, "key", wanted.after, wanted.limit + 1)
    return page_reply("key", found, wanted)


@products.get("/products/{product}", response_model=Stored[ProductForm], summary="Read a product", **reads(tagged=True))
def read_product(product: PathId, store: Reads) -> Response:
    """Without its features and plans."""
    with store.reading() as connection:
        return stored_reply("product", product, resources.find(connection, tables.products, {"key": product}))


@products.put(
    "/products/{product}",
    summary="Create or replace a product",
    **writes(Scope.PUBLISH, Written[ProductForm], creates=True),
)
def put_product(product: PathId, body: ProductBody, write: Write) -> Response:
    """A new product begins a feed that knows every customer."""
    spec = body.fragment()
    return write.save(product, lambda uow: catalogue.put_product(uow, product, spec, write.expected))


@products.get(
    "/products/{product}/features", response_model=Page[Stored[FeatureForm]], summary="List features", **reads()
)
def list_features(product: PathId, store: Reads, wanted: Wanted) -> Response:
    """Sorted by key."""
    with store.reading() as connection:
        shelves.load_product(connection, product)
        keys = {"product": product}
        found = resources.page(connection, tables.features, keys, "key", wanted.after, wanted.limit + 1)
    return page_reply("key", found, wanted)


@products.get(
    "/products/{product}/features/{feature}",
    response_model=Stored[FeatureForm],
    summary="Read a feature",
    **reads(tagged=True),
)
def read_feature(product: PathId, feature: PathId, store: Reads) -> Response:
    """Defaults are left out."""
    with store.reading() as connection:
        found = resources.find(connection, tables.features, {"product": product, "key": feature})
    return stored_reply("feature", feature, found)


@products.put(
    "/products/{product}/features/{feature}",
    summary="Create or replace a feature",
    **writes(Scope.PUBLISH, Written[FeatureForm], creates=True),
)
def put_feature(product: PathId, feature: PathId, body: FeatureBody, write: Write) -> Response:
    """Kind and type never change; to withdraw a feature, set `retired_at`."""
    spec = body.fragment()
    return write.save(feature, lambda uow: catalogue.put_feature(uow, product, feature, spec, write.expected))


def _offers(noun: str, *, addon: bool) -> APIRouter:
    """Return the routes of plans or of add-ons: they differ in what a subscription may do with them."""
    router = api_router("catalogue")
    place = f"/products/{{product}}/{noun}s"
    words = "add-on" if addon else "plan"
    one = f"an {words}" if addon else f"a {words}"
    publish = catalogue.publish_addon if addon else catalogue.publish_plan

    @router.get(
        place,
        response_model=Page[Stored[OfferForm]],
        name=f"list_{noun}s",
        summary=f"List the newest version of each {words}",
        **reads(),
    )
    def list_newest(product: PathId, store: Reads, wanted: Wanted) -> Response:
        with store.reading() as connection:
            shelves.load_product(connection, product)
            found = shelves.list_latest(connection, product, wanted.after, wanted.limit + 1, addon=addon)
        return page_reply("key", [resources.Stored(each.form, 1) for each in found], wanted)

    @router.get(
        place + "/{key}/versions",
        response_model=Page[Stored[OfferForm]],
        name=f"list_{noun}_versions",
        summary=f"List every version of {one}, oldest first",
        **reads(),
    )
    def list_versions(product: PathId, key: PathId, store: Reads) -> Response:
        with store.reading() as connection:
            found = [each for each in shelves.list_versions(connection, product, key) if each.addon == addon]
        if not found:
            raise NotFound(words, key)
        items = [stored_json(f"{key}@{each.form['version']}", resources.Stored(each.form, 1)) for each in found]
        return json_reply({"items": items, "next": None})

    @router.get(
        place + "/{key}/versions/{version}",
        response_model=Stored[OfferForm],
        name=f"read_{noun}_version",
        summary=f"Read a version of {one}",
        **reads(tagged=True),
    )
    def read_version(product: PathId, key: PathId, version: VersionNumber, store: Reads) -> Response:
        with store.reading() as connection:
            found = shelves.find_version(connection, product, key, version)
        held = resources.Stored(found.form, 1) if found is not None and found.addon == addon else None
        return stored_reply(f"{words} version", f"{key}@{version}", held)

    @router.put(
        place + "/{key}/versions/{version}",
        name=f"publish_{noun}_version",
        summary=f"Publish a version of {one}",
        description="A published version never changes: other content under its number is a conflict (409).",
        **writes(Scope.PUBLISH, Written[OfferForm], creates=True),
    )
    def publish_version(
        product: PathId, key: PathId, version: VersionNumber, body: PlanVersionBody, write: Write
    ) -> Response:
        spec = body.fragment()
        return write.save(f"{key}@{version}", lambda uow: publish(uow, product, key, spec, version))

    return router


plans = _offers("plan", addon=False)
addons = _offers("addon", addon=True)
