"""Compilation: what of the vendor's words is in which record."""

from typing import Any

import pytest

from control.domain.account import StateSpan
from control.domain.catalogue import Product
from control.domain.compile import STATE_ACCESS, access_of, compile_document, effective_timeline
from control.domain.document import parse_document
from entitlements.policy.ids import Millis, ProductId, RecordKey
from entitlements.policy.model import (
    AccessLevel,
    Customer,
    Feature,
    Ladder,
    OnTooStale,
    PlanVersion,
    SubscriptionState,
    Window,
)
from tests.support.vendor import NOW_MS, vendor_document


def compiled(document: dict[str, Any], product: str) -> dict[RecordKey, Any]:
    """Return the records of a product."""
    return compile_document(parse_document(document, NOW_MS), product)


def test_a_feed_has_its_product_and_every_customer() -> None:
    """Each customer has a record in each feed, also where it holds nothing."""
    document = vendor_document()
    assert set(compiled(document, "desk")) == {"f/chat", "p/basic@1", "c/acme", "c/globex"}
    acme = compiled(document, "desk")[RecordKey("c/acme")]
    assert isinstance(acme, Customer)
    assert acme.subscriptions == ()
    assert acme.attributes == {"region": "eu", "seats": 40}


def test_records_know_what_they_need() -> None:
    """Contact, ladder and sellers are in the feature; grants in the version; pins and spans in the customer."""
    records = compiled(vendor_document(), "suite")
    exports, pro = records[RecordKey("f/exports")], records[RecordKey("p/pro@1")]
    assert isinstance(exports, Feature)
    assert exports.contact == "sales@vendor.example"
    assert exports.requires == ("reports",)
    assert exports.ladder == Ladder(5_000, 12 * 3_600_000, OnTooStale.LAST_VALUE)
    assert isinstance(pro, PlanVersion)
    assert list(pro.entitlements) == ["projects", "regions", "reports"]
    [held] = records[RecordKey("c/acme")].subscriptions
    assert [(item.ref, item.quantity) for item in held.items] == [("more-projects@1", 2), ("pro@1", 1)]
    assert [(span.state, span.access) for span in held.spans] == [(SubscriptionState.ACTIVE, AccessLevel.FULL)]


def test_sellers_are_the_newest_versions_in_the_vendors_order() -> None:
    """Plans by rank, then add-ons; a plan whose newest version dropped the feature no longer counts."""
    document = vendor_document()
    plans = document["products"][0]["plans"]
    plans.append({"key": "pro", "version": 2, "rank": 2, "entitlements": {"projects": 60}})
    records = compiled(document, "suite")
    assert records[RecordKey("f/projects")].sold_in_plans == ("max", "pro", "more-projects")
    assert records[RecordKey("f/reports")].sold_in_plans == ()


def test_suspensions_are_where_they_count() -> None:
    """Of the customer in every feed, of a subscription or a feature in its product's."""
    document = vendor_document()
    document["customers"][0]["suspensions"] = [
        {"id": "all", "scope": "customer", "cause": "abuse"},
        {"id": "sub", "scope": "subscription", "target": "acme-suite", "cause": "non_payment", "access": "read_only"},
        {"id": "chat", "scope": "feature", "product": "desk", "target": "chat", "cause": "export"},
    ]
    suite, desk = (compiled(document, product)[RecordKey("c/acme")].suspensions for product in ("suite", "desk"))
    assert [each.id for each in suite] == ["all", "sub"]
    assert [each.id for each in desk] == ["all", "chat"]


@pytest.mark.parametrize("state", SubscriptionState)
def test_every_state_has_an_access_and_a_product_may_choose_another(state: SubscriptionState) -> None:
    """The mapping is total, and data (semantics B7)."""
    product = Product(ProductId("p"))
    assert access_of(product, StateSpan(state)) is STATE_ACCESS[state]
    chosen = Product(ProductId("p"), state_access={state: AccessLevel.READ_ONLY})
    assert access_of(chosen, StateSpan(state)) is AccessLevel.READ_ONLY


def test_an_unpaid_suspension_still_reads() -> None:
    """The cause decides; every other cause gives nothing."""
    product = Product(ProductId("p"))
    causes = {
        cause: access_of(product, StateSpan(SubscriptionState.SUSPENDED, cause=cause))
        for cause in ("non_payment", "abuse", "")
    }
    assert causes == {"non_payment": AccessLevel.READ_ONLY, "abuse": AccessLevel.NONE, "": AccessLevel.NONE}


def test_a_cancellation_cuts_the_timeline() -> None:
    """What begins later does not come; what runs ends; then CANCELED."""
    trial = StateSpan(SubscriptionState.TRIALING, Window(Millis(10), Millis(20)))
    active = StateSpan(SubscriptionState.ACTIVE, Window(Millis(20), None))
    timeline = (trial, active)
    assert effective_timeline(timeline, None) == timeline
    assert effective_timeline(timeline, Millis(15)) == (
        trial._replace(window=Window(Millis(10), Millis(15))),
        StateSpan(SubscriptionState.CANCELED, Window(Millis(15), None)),
    )
    assert effective_timeline(timeline, Millis(30)) == (
        trial,
        active._replace(window=Window(Millis(20), Millis(30))),
        StateSpan(SubscriptionState.CANCELED, Window(Millis(30), None)),
    )
    assert effective_timeline(timeline, Millis(10)) == (
        StateSpan(SubscriptionState.CANCELED, Window(Millis(10), None)),
    )
