"""Compilation is blind to the order in which a document lists things, and stored forms give back what was stored."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from control.domain import stored_account, stored_catalogue
from control.domain.account import Account
from control.domain.compile import compile_document
from control.domain.document import parse_document
from entitlements.wire.codec import record_to_bytes
from tests.support.vendor import NOW_MS

IDS = ["a", "b", "B", "c-1", "d/2", "é"]
INSTANTS = [f"2027-0{month}-01T00:00:00Z" for month in range(1, 10)]
WINDOWS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.lists(st.sampled_from(INSTANTS), min_size=2, max_size=2, unique=True).map(
        lambda pair: {"from": min(pair), "until": max(pair)}
    ),
    st.sampled_from(INSTANTS).map(lambda instant: {"from": instant}),
)
CONDITIONS = st.sampled_from(
    [
        {"eq": ["customer.region", "eu"]},
        {"all": [{"exists": "request.country"}, {"not": {"in": ["request.country", ["x", "y"]]}}]},
        {"lt": ["request.time", {"timestamp": "2027-05-01T00:00:00Z"}]},
    ]
)
KINDS: dict[str, dict[str, Any]] = {
    "switch": {"kind": "switch"},
    "flag": {"kind": "config", "type": "bool"},
    "count": {"kind": "config", "type": "int", "combine": "sum", "default": 0, "core": True},
    "level": {"kind": "config", "type": "string"},
    "places": {"kind": "config", "type": "list", "combine": "union"},
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "switch": st.just(True),
    "flag": st.booleans(),
    "count": st.integers(0, 99) | st.just("unlimited"),
    "level": st.sampled_from(["gold", "", "true"]),
    "places": st.lists(st.sampled_from(IDS), max_size=4),
}


@st.composite
def granted(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Return a feature and `{value, when}` that fits it."""
    feature = draw(st.sampled_from(sorted(KINDS)))
    form = {"value": draw(VALUES[feature])}
    if draw(st.booleans()):
        form["when"] = draw(CONDITIONS)
    return feature, form


@st.composite
def accounts(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Return a customer."""
    key = f"customer-{number}"
    subscriptions = []
    for id_ in draw(st.lists(st.sampled_from(IDS), max_size=2, unique=True)):
        items = [{"ref": "pro@1", **draw(WINDOWS)}, {"ref": "extra@1", "quantity": draw(st.integers(1, 5))}]
        middle = draw(st.sampled_from(INSTANTS))
        timeline = [{"state": "TRIALING", "until": middle}, {"state": "SUSPENDED", "cause": "abuse", "from": middle}]
        cancel = {"cancel_at": draw(st.sampled_from(INSTANTS))} if draw(st.booleans()) else {}
        subscriptions.append({"id": id_, "product": "p", "items": items, "timeline": timeline, **cancel})
    overrides = [
        {"id": feature, "product": "p", "feature": feature, **form, **draw(WINDOWS)}
        for feature, form in dict(draw(st.lists(granted(), max_size=3))).items()
        if form.pop("when", None) is None
    ]
    promotions = [
        {"id": id_, "product": "p", "feature": feature, **form, **draw(WINDOWS)}
        for id_, (feature, form) in draw(st.dictionaries(st.sampled_from(IDS), granted(), max_size=3)).items()
    ]
    suspensions = [
        {"id": id_, "scope": "customer", "cause": "other", "access": "grace", **draw(WINDOWS)}
        for id_ in draw(st.lists(st.sampled_from(IDS), max_size=2, unique=True))
    ]
    attributes = draw(
        st.dictionaries(
            st.sampled_from(["region", "size"]),
            st.integers(0, 3) | st.booleans() | st.text(max_size=3).filter(lambda text: "\x00" not in text),
        )
    )
    return {
        "id": key,
        "attributes": attributes,
        "subscriptions": subscriptions,
        "overrides": overrides,
        "promotions": promotions,
        "suspensions": suspensions,
    }


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return a valid document with one product."""
    entitlements = dict(draw(st.lists(granted(), max_size=5)))
    plain = {feature: form if "when" in form else form["value"] for feature, form in entitlements.items()}
    features: list[dict[str, Any]] = [{"key": key, **form} for key, form in KINDS.items()]
    features[1]["promotions"] = [
        {"id": id_, "value": True} for id_ in draw(st.lists(st.sampled_from(IDS), max_size=3, unique=True))
    ]
    features[0]["requires"] = draw(st.lists(st.sampled_from(["flag", "count", "level"]), max_size=3, unique=True))
    product = {
        "key": "p",
        "features": features,
        "plans": [
            {"key": "pro", "version": 1, "entitlements": plain},
            {"key": "pro", "version": 2, "entitlements": {}},
            {"key": "big", "version": 1, "rank": 3, "entitlements": {"switch": True}},
        ],
        "addons": [{"key": "extra", "version": 1, "entitlements": {"count": 5, "switch": True}}],
    }
    return {"version": 1, "products": [product], "customers": [draw(accounts(number)) for number in range(2)]}


def shuffled(value: Any, rng: random.Random, name: str = "") -> Any:
    """Return the data with every mapping and every list in another order, but for timelines and conditions, whose order means something."""
    if isinstance(value, dict):
        if name in {"when", "available_when"}:
            return value
        names = list(value)
        rng.shuffle(names)
        return {key: shuffled(value[key], rng, str(key)) for key in names}
    if isinstance(value, list):
        parts = [shuffled(each, rng) for each in value]
        if name != "timeline":
            rng.shuffle(parts)
        return parts
    return value


def bodies(document: dict[str, Any]) -> dict[str, bytes]:
    """Return the record bodies of a document."""
    records = compile_document(parse_document(document, NOW_MS), "p")
    return {str(key): record_to_bytes(record) for key, record in records.items()}


@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_a_document_does_not_matter(document: dict[str, Any], rng: random.Random) -> None:
    """The same bytes, however things are listed: so an unchanged document creates no delta."""
    assert bodies(shuffled(document, rng)) == bodies(document)


@given(documents())
def test_what_is_stored_comes_back(document: dict[str, Any]) -> None:
    """Form to domain and back, through JSON text, loses nothing."""
    parsed = parse_document(document, NOW_MS)
    [shelf] = parsed.shelves.values()
    product = stored_catalogue.render_product(shelf.product)
    assert stored_catalogue.restore_product(through_json(product)) == shelf.product
    for feature in shelf.features.values():
        assert stored_catalogue.restore_feature(through_json(stored_catalogue.render_feature(feature))) == feature
    for offer in shelf.offers.values():
        form = through_json(stored_catalogue.render_offer(offer))
        assert stored_catalogue.restore_offer(form, shelf.features, addon=offer.addon) == offer
    for account in parsed.accounts:
        assert restored(account) == account


def restored(account: Account) -> Account:
    """Return a customer after a trip through its stored form."""
    return stored_account.restore_account(
        through_json(stored_account.render_account(account)),
        [through_json(stored_account.render_subscription(each)) for each in account.subscriptions],
        [through_json(stored_account.render_override(each)) for each in account.overrides],
        [through_json(stored_account.render_suspension(each)) for each in account.suspensions],
        [through_json(stored_account.render_promotion(each)) for each in account.promotions],
    )


def through_json(form: Any) -> Any:
    """Return what JSON text keeps of a form."""
    return json.loads(json.dumps(form))


@given(documents())
def test_the_stored_form_is_a_document(document: dict[str, Any]) -> None:
    """What a query returns can be applied again and means the same."""
    parsed = parse_document(document, NOW_MS)
    [shelf] = parsed.shelves.values()
    again = {
        "version": 1,
        "products": [
            {
                **stored_catalogue.render_product(shelf.product),
                "features": [stored_catalogue.render_feature(each) for each in shelf.features.values()],
                "plans": [stored_catalogue.render_offer(each) for each in shelf.offers.values() if not each.addon],
                "addons": [stored_catalogue.render_offer(each) for each in shelf.offers.values() if each.addon],
            }
        ],
        "customers": [
            {
                **stored_account.render_account(account),
                "subscriptions": [stored_account.render_subscription(each) for each in account.subscriptions],
                "overrides": [stored_account.render_override(each) for each in account.overrides],
                "suspensions": [stored_account.render_suspension(each) for each in account.suspensions],
                "promotions": [stored_account.render_promotion(each) for each in account.promotions],
            }
            for account in parsed.accounts
        ],
    }
    assert bodies(again) == bodies(document)
