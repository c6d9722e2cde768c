"""Reads a whole catalogue document: everything that is wrong with it is found in one go.

The document is plain data, as loaded from YAML or JSON; its form is described in docs/catalogue.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from control.domain.account import Account
from control.domain.account_document import read_account
from control.domain.catalogue import NO_CATALOGUE, Catalogue, CatalogueFeature, Offer, Shelf
from control.domain.catalogue_document import (
    SHELF_FIELDS,
    check_requires,
    read_feature,
    read_offer,
    read_product,
)
from control.domain.errors import DocumentError
from control.domain.fields import Fields, Findings, at
from entitlements.policy.ids import FeatureKey, PlanRef, ProductId

DOCUMENT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Document:
    """What a document declares: shelves by product, customers in the order of the document."""

    shelves: Mapping[ProductId, Shelf]
    accounts: tuple[Account, ...] = ()


def parse_document(obj: object, now_ms: int, known: Catalogue = NO_CATALOGUE) -> Document:
    """Return what a document declares; raise DocumentError with every mistake.

    References may lead to the document itself or to ``known``, the catalogue as it is stored; a product in the document adds to the known
    one of the same key. ``now_ms`` only serves to refuse absurd years.
    """
    findings = Findings(now_ms)
    fields = Fields(findings, obj, "", {"version", "products", "customers"})
    if "version" not in fields:
        fields.missing("version", f"Write version: {DOCUMENT_VERSION}")
    else:
        fields.whole("version", None, DOCUMENT_VERSION, DOCUMENT_VERSION)
    shelves: dict[ProductId, Shelf] = {}
    for value, path in fields.each("products"):
        shelf = _shelf(findings, value, path, known)
        if shelf.product.key in shelves:
            findings.refuse(at(path, "key"), f"{shelf.product.key!r} stands twice", "Join both products into one")
        elif shelf.product.key:
            shelves[shelf.product.key] = shelf
    catalogue = {**known, **{key: _joined(known.get(key), shelf) for key, shelf in shelves.items()}}
    accounts: list[Account] = []
    seen: set[str] = set()
    for value, path in fields.each("customers"):
        account = read_account(findings, value, path, catalogue)
        if account.id and account.id in seen:
            findings.refuse(at(path, "id"), f"{account.id!r} stands twice", "Join both customers into one")
        seen.add(account.id)
        accounts.append(account)
    if findings.problems:
        raise DocumentError(findings.problems)
    return Document(shelves, tuple(accounts))


def _joined(known: Shelf | None, shelf: Shelf) -> Shelf:
    if known is None:
        return shelf
    return Shelf(shelf.product, {**known.features, **shelf.features}, {**known.offers, **shelf.offers})


def _shelf(findings: Findings, value: object, path: str, known: Catalogue) -> Shelf:
    fields = Fields(findings, value, path, SHELF_FIELDS)
    product = read_product(fields)
    stored = known.get(product.key)
    features: dict[FeatureKey, CatalogueFeature] = {}
    paths: dict[FeatureKey, str] = {}
    for element, inner in fields.each("features"):
        feature = read_feature(findings, element, inner)
        if feature is None:
            continue
        if feature.key in features:
            findings.refuse(at(inner, "key"), f"{feature.key!r} stands twice", "Remove one of them")
        features[feature.key] = feature
        paths[feature.key] = inner
    reachable = {**(stored.features if stored else {}), **features}
    check_requires(findings, reachable, paths)
    offers: dict[PlanRef, Offer] = {}
    kinds: dict[str, bool] = {offer.key: offer.addon for offer in (stored.offers.values() if stored else ())}
    for name in ("plans", "addons"):
        for element, inner in fields.each(name):
            offer = read_offer(findings, element, inner, reachable, addon=name == "addons")
            if offer is None:
                continue
            if kinds.setdefault(offer.key, offer.addon) != offer.addon:
                remedy = "Use keys that no plan and no other add-on of this product has"
                findings.refuse(at(inner, "key"), f"{offer.key!r} is the key of a plan and of an add-on", remedy)
            elif offer.ref in offers:
                findings.refuse(inner, f"{offer.ref!r} stands twice", "Give the second another version, or remove it")
            offers[offer.ref] = offer
    return Shelf(product, features, offers)
