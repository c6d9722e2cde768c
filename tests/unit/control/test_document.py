"""Catalogue documents: every mistake is found in one go, with its path and a remedy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from control.domain.document import Document, parse_document
from control.domain.errors import DocumentError, Problem
from entitlements.policy.model import UNLIMITED, AccessLevel, Comparison, OnTooStale, Operator, Value, Window
from tests.support.vendor import NOW_MS, vendor_document


def problems(document: object) -> list[Problem]:
    """Return what is wrong with a document."""
    with pytest.raises(DocumentError) as refused:
        parse_document(document, NOW_MS)
    return list(refused.value.problems)


def mistakes(change: dict[str, Any]) -> dict[str, str]:
    """Return path -> problem for a product with these features, plans and add-ons, and these customers."""
    customers = change.pop("customers", [])
    features = [
        {"key": "s", "kind": "switch"},
        {"key": "n", "kind": "config", "type": "int"},
        {"key": "t", "kind": "config", "type": "string"},
    ]
    product = {"key": "p", "plans": [{"key": "pro", "version": 1, "entitlements": {"s": True}}], **change}
    product["features"] = [*features, *change.get("features", [])]
    document = {"version": 1, "products": [product], "customers": customers}
    return {each.path: each.problem for each in problems(document)}


def one_customer(**parts: Any) -> dict[str, str]:
    """Return path -> problem for one customer."""
    return mistakes({"customers": [{"id": "c", **parts}]})


def subscription(**parts: Any) -> dict[str, Any]:
    """Return a subscription that is right but for these parts."""
    return {"id": "x", "product": "p", "items": [{"ref": "pro@1"}], "timeline": [{"state": "ACTIVE"}], **parts}


def test_a_good_document_becomes_domain_objects() -> None:
    """Names, values, references and windows arrive as they were written."""
    document = parse_document(vendor_document(), NOW_MS)
    assert isinstance(document, Document)
    shelf = next(iter(document.shelves.values()))
    assert [*shelf.features] == ["reports", "exports", "projects", "regions"]
    granted: dict[str, Value | None] = {
        str(key): each.value
        for key, each in shelf.offers["pro@1"].entitlements.items()  # type: ignore[index]
    }
    assert granted == {"reports": None, "projects": 50, "regions": ("eu",)}
    assert [account.id for account in document.accounts] == ["acme", "globex"]


def test_an_empty_document_is_valid() -> None:
    """Nothing to declare is not a mistake."""
    assert parse_document({"version": 1}, NOW_MS) == Document({})


def test_conditions_ladders_and_unlimited_are_understood() -> None:
    """The less common forms."""
    document = parse_document(
        {
            "version": 1,
            "products": [
                {
                    "key": "p",
                    "state_access": {"PAST_DUE": "FULL"},
                    "features": [
                        {
                            "key": "n",
                            "kind": "config",
                            "type": "int",
                            "ladder": {"fresh_for": "300ms", "stale_ok_for": "7d", "on_too_stale": "deny"},
                            "available_when": {"eq": ["request.region", "eu"]},
                            "retired_at": datetime(2028, 1, 1, tzinfo=UTC),
                        }
                    ],
                    "plans": [{"key": "pro", "version": 3, "entitlements": {"n": {"value": "unlimited"}}}],
                }
            ],
        },
        NOW_MS,
    )
    [shelf] = document.shelves.values()
    [feature] = shelf.features.values()
    assert feature.ladder.fresh_for_ms == 300
    assert feature.ladder.stale_ok_for_ms == 7 * 86_400_000
    assert feature.ladder.on_too_stale is OnTooStale.DENY
    assert feature.available_when == Comparison("request.region", Operator.EQ, "eu")
    assert feature.retired_at_ms == 1_830_297_600_000
    assert shelf.product.state_access.popitem()[1] is AccessLevel.FULL  # type: ignore[attr-defined]
    [offer] = shelf.offers.values()
    assert [each.value for each in offer.entitlements.values()] == [UNLIMITED]


@pytest.mark.parametrize(
    "document, path",
    [
        (None, ""),
        ([], ""),
        ({}, "version"),
        ({"version": 2}, "version"),
        ({"version": True}, "version"),
        ({"version": 1, "product": []}, "product"),
        ({"version": 1, "products": {}}, "products"),
        ({"version": 1, "products": ["x"]}, "products[0]"),
        ({"version": 1, 7: 8}, "7"),
        ({"version": 1, "products": [{"key": "a"}, {"key": "a"}]}, "products[1].key"),
        ({"version": 1, "customers": [{"id": "a"}, {"id": "a"}]}, "customers[1].id"),
    ],
)
def test_shapes_that_are_wrong_are_named(document: object, path: str) -> None:
    """Each wrong shape is a problem at its path."""
    assert path in {each.path for each in problems(document)}


def test_a_misspelt_field_gets_a_suggestion() -> None:
    """The remedy names the field that was probably meant."""
    [problem] = problems({"version": 1, "prodcts": []})
    assert problem == Problem("prodcts", "is not a known field", "Did you mean products?")
    assert str(problem) == "prodcts: is not a known field. Did you mean products?"


def test_all_mistakes_are_found_at_once() -> None:
    """A document with many mistakes is refused once, not many times."""
    found = mistakes(
        {
            "name": 7,
            "ladder": {"fresh_for": "5 s", "on_too_stale": "maybe"},
            "state_access": {"ACTIVE": "ALL", "GONE": "FULL"},
            "features": [
                {"key": "a", "kind": "metered"},
                {"key": "b" * 129, "kind": "switch"},
                {"key": "c", "kind": "switch", "default": 1},
                {"key": "d", "kind": "config"},
                {"key": "e", "kind": "config", "type": "list", "combine": "sum"},
                {"key": "f", "kind": "config", "type": "int", "core": True},
                {"key": "s", "kind": "switch"},
                {"key": "g", "kind": "switch", "promotions": [{"id": "1"}, {"id": "1", "value": 3}]},
                {"key": "h", "kind": "switch", "available_when": {"like": ["request.x", "y"]}},
            ],
            "plans": [
                {"key": "pro@", "version": 1},
                {"key": "big", "version": -1, "entitlements": {"n": -5, "t": "unlimited", "s": False, "none": 1}},
            ],
            "addons": [{"key": "big", "version": 1}],
        }
    )
    assert set(found) == {
        "products[0].name",
        "products[0].ladder.fresh_for",
        "products[0].ladder.on_too_stale",
        "products[0].state_access.ACTIVE",
        "products[0].state_access.GONE",
        "products[0].features[3].kind",
        "products[0].features[4].key",
        "products[0].features[5].default",
        "products[0].features[6].type",
        "products[0].features[7].combine",
        "products[0].features[8].default",
        "products[0].features[9].key",
        "products[0].features[10].promotions[1].id",
        "products[0].features[10].promotions[1].value",
        "products[0].features[11].available_when.like",
        "products[0].plans[0].key",
        "products[0].plans[1].version",
        "products[0].plans[1].entitlements.n",
        "products[0].plans[1].entitlements.t",
        "products[0].plans[1].entitlements.s",
        "products[0].plans[1].entitlements.none",
        "products[0].addons[0].key",
    }
    assert found["products[0].plans[1].entitlements.n"] == "is negative"
    assert found["products[0].plans[1].entitlements.t"] == "is unlimited, but the feature is of type string"


def test_requirements_in_a_circle_are_refused() -> None:
    """Neither feature could ever be allowed."""
    found = mistakes(
        {
            "features": [
                {"key": "a", "kind": "switch", "requires": ["b"]},
                {"key": "b", "kind": "switch", "requires": ["c"]},
                {"key": "c", "kind": "switch", "requires": ["a"]},
                {"key": "d", "kind": "switch", "requires": ["a", "nothing", "d"]},
            ]
        }
    )
    assert found["products[0].features[3].requires"] == "goes in a circle: a -> b -> c -> a"
    assert found["products[0].features[6].requires"] == "'nothing' is not a feature of this product"
    assert found["products[0].features[6].requires[2]"] == "is the feature itself"


@pytest.mark.parametrize(
    "timeline, path",
    [
        ([], "timeline"),
        ([{"state": "RUNNING"}], "timeline[0].state"),
        ([{}], "timeline[0].state"),
        ([{"state": "ACTIVE", "from": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z"}], "timeline[0].until"),
        ([{"state": "ACTIVE", "from": "2027-01-02T00:00:00"}], "timeline[0].from"),
        ([{"state": "ACTIVE", "from": "yesterday"}], "timeline[0].from"),
        ([{"state": "ACTIVE", "from": 1_800_000_000}], "timeline[0].from"),
        ([{"state": "ACTIVE", "from": "2999-01-01T00:00:00Z"}], "timeline[0].from"),
        ([{"state": "ACTIVE", "from": "1969-01-01T00:00:00Z"}], "timeline[0].from"),
        ([{"state": "ACTIVE"}, {"state": "EXPIRED"}], "timeline[1].from"),
        ([{"state": "TRIALING"}, {"state": "ACTIVE", "from": "2027-01-01T00:00:00Z"}], "timeline[1]"),
        (
            [
                {"state": "TRIALING", "from": "2027-01-05T00:00:00Z", "until": "2027-01-06T00:00:00Z"},
                {"state": "ACTIVE", "from": "2027-01-01T00:00:00Z"},
            ],
            "timeline[1].from",
        ),
        ([{"state": "ACTIVE", "cause": "abuse"}], "timeline[0].cause"),
        ([{"state": "SUSPENDED", "cause": "weather"}], "timeline[0].cause"),
    ],
)
def test_timelines_are_in_order_without_overlaps(timeline: list[dict[str, Any]], path: str) -> None:
    """Dates out of order, overlaps and unknown states are named."""
    assert set(one_customer(subscriptions=[subscription(timeline=timeline)])) == {
        f"customers[0].subscriptions[0].{path}"
    }


@pytest.mark.parametrize(
    "items, path",
    [
        ([], "items"),
        ([{"ref": "pro"}], "items[0].ref"),
        ([{"ref": "pro@01"}], "items[0].ref"),
        ([{"ref": "pro@2"}], "items[0].ref"),
        ([{"ref": "pro@1", "quantity": 0}], "items[0].quantity"),
        ([{"ref": "pro@1", "quantity": -1}], "items[0].quantity"),
        ([{"ref": "pro@1", "quantity": 1.5}], "items[0].quantity"),
        ([{"ref": "pro@1"}, {"ref": "pro@1", "from": "2027-01-01T00:00:00Z"}], "items[1]"),
    ],
)
def test_items_name_published_versions_once_at_a_time(items: list[dict[str, Any]], path: str) -> None:
    """Unknown versions, bad quantities and two plans at one time are named."""
    assert set(one_customer(subscriptions=[subscription(items=items)])) == {f"customers[0].subscriptions[0].{path}"}


def test_consecutive_plans_are_no_overlap() -> None:
    """A window ends before its `until`: the next may begin there."""
    change = "2027-06-01T00:00:00Z"
    items = [{"ref": "pro@1", "until": change}, {"ref": "pro@1", "quantity": 2, "from": change}]
    document = {
        "version": 1,
        "products": [
            {
                "key": "p",
                "features": [{"key": "s", "kind": "switch"}],
                "plans": [{"key": "pro", "version": 1, "entitlements": {}}],
            }
        ],
        "customers": [{"id": "c", "subscriptions": [subscription(items=items)]}],
    }
    [account] = parse_document(document, NOW_MS).accounts
    assert [item.window for item in account.subscriptions[0].items] == [
        Window(None, 1_811_808_000_000),  # type: ignore[arg-type]
        Window(1_811_808_000_000, None),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    "override, path",
    [
        ({"feature": "s"}, "overrides[0].product"),
        ({"product": "q", "feature": "s"}, "overrides[0].product"),
        ({"product": "p", "feature": "zz"}, "overrides[0].feature"),
        ({"product": "p", "feature": "s", "value": 4}, "overrides[0].value"),
        ({"product": "p", "feature": "n", "value": "four"}, "overrides[0].value"),
        ({"product": "p", "feature": "n", "value": 1 << 63}, "overrides[0].value"),
        ({"product": "p", "feature": "n", "value": True}, "overrides[0].value"),
        ({"product": "p", "feature": "n", "value": 4, "effect": "deny"}, "overrides[0].value"),
        ({"product": "p", "feature": "n", "effect": "block"}, "overrides[0].effect"),
        ({"product": "p", "feature": "n", "reason": "x" * 513}, "overrides[0].reason"),
    ],
)
def test_overrides_fit_their_feature(override: dict[str, Any], path: str) -> None:
    """Unknown references and values of another type are named."""
    assert set(one_customer(overrides=[{"id": "o", **override}])) == {f"customers[0].{path}"}


def test_two_live_overrides_on_one_feature_are_refused() -> None:
    """Semantics B4; windows that only touch do not meet."""
    edge = "2027-01-01T00:00:00Z"
    one = {"id": "a", "product": "p", "feature": "s", "until": edge}
    two = {"id": "b", "product": "p", "feature": "s", "from": edge}
    three = {"id": "c", "product": "p", "feature": "s", "from": "2026-12-31T23:59:59.999Z"}
    found = one_customer(overrides=[one, two, three])
    assert set(found) == {"customers[0].overrides[2]"}


@pytest.mark.parametrize(
    "suspension, paths",
    [
        ({"scope": "customer", "cause": "abuse", "target": "x"}, {"target"}),
        ({"scope": "customer", "cause": "rain"}, {"cause"}),
        ({"scope": "customer"}, {"cause"}),
        ({"cause": "abuse"}, {"scope"}),
        ({"scope": "subscription", "cause": "abuse"}, {"target"}),
        ({"scope": "subscription", "cause": "abuse", "target": "other"}, {"target"}),
        ({"scope": "subscription", "cause": "abuse", "target": "x", "product": "p"}, {"product"}),
        ({"scope": "feature", "cause": "abuse", "target": "s"}, {"product"}),
        ({"scope": "feature", "cause": "abuse", "product": "p", "target": "zz"}, {"target"}),
        ({"scope": "customer", "cause": "abuse", "access": "full"}, {"access"}),
    ],
)
def test_suspensions_have_the_target_of_their_scope(suspension: dict[str, Any], paths: set[str]) -> None:
    """Scope, product and target agree."""
    found = one_customer(subscriptions=[subscription()], suspensions=[{"id": "z", **suspension}])
    assert set(found) >= {f"customers[0].suspensions[0].{path}" for path in paths}
    assert all(path.startswith("customers[0].suspensions[0]") for path in found)


@pytest.mark.parametrize("value", [1.5, None, {"timestamp": "soon"}, [1], {"x": 1}, 1 << 70, "\ud800"])
def test_attributes_hold_plain_values(value: object) -> None:
    """Floats, nested data and oversized numbers are refused."""
    assert set(one_customer(attributes={"a": value})) == {"customers[0].attributes.a"}


@pytest.mark.parametrize("name", ["", "customer.region", "with space", "1st", "x" * 65])
def test_attributes_have_plain_names(name: str) -> None:
    """Names are words, and the prefix `customer.` is added by whoever asks."""
    assert set(one_customer(attributes={name: 1})) == {f"customers[0].attributes.{name}"}


@pytest.mark.parametrize("key", ["", " a", "a\n", "x" * 129, 7, "\ud800"])
def test_ids_follow_the_rule_for_ids(key: object) -> None:
    """Semantics A1, in documents too."""
    assert {each.path for each in problems({"version": 1, "customers": [{"id": key}]})} == {"customers[0].id"}
