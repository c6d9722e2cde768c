"""The example vendor: complete, readable, moved to any day, and with every customer in the situation that its comment claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from control.domain.compile import compile_document
from control.domain.document import parse_document
from demo.vendor import (
    FILES,
    LADDERS,
    PRODUCTS,
    examples_folder,
    moved,
    read_document,
    tally,
    with_short_ladders,
    write_files,
)
from entitlements.policy.decide import decide
from entitlements.policy.ids import CustomerId, FeatureKey, Millis, ProductId, RecordKey
from entitlements.policy.model import Customer, Feature, PlanVersion, Query

TODAY = date(2029, 2, 27)
NOW = datetime(2029, 2, 27, 15, tzinfo=UTC)


@dataclass
class Compiled:
    """One product's records, looked up as a sidecar would."""

    held: Mapping[RecordKey, Any]
    complete: bool = True

    def feature(self, key: str) -> Feature | None:
        """Return a feature."""
        return self.held.get(RecordKey(f"f/{key}"))

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan version."""
        return self.held.get(RecordKey(f"p/{ref}"))

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer."""
        return self.held.get(RecordKey(f"c/{customer_id}"))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the vendor's files, moved to a day years from the one that they were written on."""
    return read_document(write_files(tmp_path_factory.mktemp("catalogue"), TODAY))


@pytest.fixture(scope="module")
def records(document: dict[str, Any]) -> dict[str, Compiled]:
    """Return the compiled records of each product."""
    parsed = parse_document(document, int(NOW.timestamp() * 1000))
    return {key: Compiled(compile_document(parsed, ProductId(key))) for key in PRODUCTS}


def test_size_of_the_catalogue(document: dict[str, Any]) -> None:
    """It is as large as a real price list."""
    found = tally(document)
    assert found.products >= 3
    assert found.plans >= 5
    assert found.features >= 40
    assert found.customers == 40


def test_catalogue_uses_what_a_price_list_needs(document: dict[str, Any]) -> None:
    """Every construct of the catalogue document that a vendor would look up is shown once."""
    features = [feature for product in document["products"] for feature in product["features"]]
    assert {feature["kind"] for feature in features} == {"switch", "config"}
    assert {feature.get("combine") for feature in features} >= {"max", "sum", "union", "any"}
    assert {feature.get("ladder", {}).get("on_too_stale") for feature in features} >= {"allow", "deny", "read_only"}
    for construct in ("requires", "available_when", "promotions", "retired_at"):
        assert any(construct in feature for feature in features), construct
    assert Counter(bool(feature.get("core")) for feature in features)[True] >= 10
    plans = [plan for product in document["products"] for plan in product["plans"]]
    assert any("unlimited" in plan["entitlements"].values() for plan in plans)
    assert max(Counter(plan["key"] for plan in plans).values()) > 1


def test_files_are_good_as_they_stand() -> None:
    """`entitlements apply -f examples/...` takes them without any change."""
    paths = [examples_folder() / name for name in FILES]
    parsed = parse_document(read_document(paths), int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000))
    assert len(parsed.accounts) == 40


@pytest.mark.parametrize(
    "customer, product, feature, code",
    [
        ("acme", "boards", "report-exports", "ENTITLED"),
        ("globex", "boards", "ai-assistant", "CONDITION_NOT_MET"),
        ("initech", "boards", "report-exports", "NOT_IN_PLAN"),
        ("umbra-labs", "boards", "ai-assistant", "ENTITLED_PROMOTION"),
        ("halden-clinic", "desk", "health-records", "ENTITLED"),
        ("vantage-air", "desk", "health-records", "REGION_RESTRICTED"),
        ("lindqvist", "boards", "scim", "ENTITLED"),
        ("tanaka-works", "boards", "data-residency", "REGION_RESTRICTED"),
        ("pellegrini", "boards", "api-access", "NOT_IN_PLAN"),
        ("northbeam", "boards", "gantt", "ENTITLED"),
        ("sable-design", "boards", "boards-limit", "ENTITLED_CORE"),
        ("brightwater", "boards", "gantt", "ENTITLED_TRIAL"),
        ("cobalt-games", "relate", "quotes", "ENTITLED_TRIAL"),
        ("dune-logistics", "boards", "reports", "TRIAL_EXPIRED"),
        ("everly", "desk", "surveys", "ENTITLED_TRIAL"),
        ("fjordline", "boards", "reports", "ENTITLED"),
        ("harbour-foods", "boards", "gantt", "ENTITLED_GRACE"),
        ("ivory-press", "relate", "email-sync", "ENTITLED_GRACE"),
        ("juniper-hotels", "desk", "surveys", "ENTITLED"),
        ("kestrel", "boards", "reports", "PAYMENT_REQUIRED"),
        ("lumen-trade", "boards", "gantt", "ENTITLED"),
        ("meridian", "boards", "gantt", "COMPLIANCE_BLOCKED"),
        ("nightjar", "relate", "sequences", "SUBSCRIPTION_SUSPENDED"),
        ("nightjar", "relate", "quotes", "ENTITLED"),
        ("orchard", "desk", "surveys", "SUBSCRIPTION_SUSPENDED"),
        ("orchard", "boards", "gantt", "ENTITLED"),
        ("pinecrest", "boards", "reports", "ENTITLED"),
        ("quill-and-co", "boards", "gantt", "NOT_IN_PLAN"),
        ("rosewood", "desk", "surveys", "SUBSCRIPTION_NOT_STARTED"),
        ("stellar-toys", "relate", "email-sync", "SUBSCRIPTION_CANCELED"),
        ("tidewater", "boards", "reports", "SUBSCRIPTION_EXPIRED"),
        ("upland-farms", "boards", "reports", "SUBSCRIPTION_PENDING"),
        ("vireo-health", "boards", "sso", "ENTITLED_OVERRIDE"),
        ("willow-bank", "boards", "ai-assistant", "REVOKED"),
        ("xenia-travel", "relate", "lead-scoring", "ENTITLED_PROMOTION"),
        ("yarrow", "boards", "tasks", "ENTITLED_CORE"),
        ("yarrow", "boards", "reports", "NO_SUBSCRIPTION"),
        ("zephyr-sport", "desk", "surveys", "SUBSCRIPTION_CANCELED"),
        ("alder-retail", "boards", "tasks", "CUSTOMER_ARCHIVED"),
        ("acme", "boards", "flash-charts", "FEATURE_RETIRED"),
    ],
)
def test_situations(records: dict[str, Compiled], customer: str, product: str, feature: str, code: str) -> None:
    """Each account is in the situation that it was written for, on whatever day the files are used."""
    query = Query(CustomerId(customer), FeatureKey(feature), ProductId(product))
    assert decide(query, records[product], Millis(int(NOW.timestamp() * 1000))).code.name == code


@pytest.mark.parametrize(
    "customer, feature, value",
    [("acme", "storage-gb", 450), ("vireo-health", "members", 75), ("sable-design", "boards-limit", 3)],
)
def test_values(records: dict[str, Compiled], customer: str, feature: str, value: int) -> None:
    """Add-ons add up, an override replaces, a core default stays."""
    query = Query(CustomerId(customer), FeatureKey(feature), ProductId("boards"))
    assert decide(query, records["boards"], Millis(int(NOW.timestamp() * 1000))).value == value


def test_moving_keeps_distances_and_times_of_day() -> None:
    """Every instant moves by the same number of whole days; other dates stay."""
    text = "# reference date: 2026-11-24\na: 2026-11-23T22:00:00Z # sold until 2025\nb: 2027-02-28T00:00:00Z\n"
    assert moved(text, date(2026, 11, 24) + timedelta(days=400)) == (
        "# reference date: 2027-12-29\na: 2027-12-28T22:00:00Z # sold until 2025\nb: 2028-04-03T00:00:00Z\n"
    )


def test_moving_needs_a_reference_date() -> None:
    """A file without one is refused rather than left in the past."""
    with pytest.raises(ValueError, match="reference date"):
        moved("version: 1\n", TODAY)


def test_short_ladders_keep_their_end(document: dict[str, Any]) -> None:
    """Only lengths change; what a ladder does at its end is the vendor's."""
    boards = with_short_ladders(document, 2.0, 1.5)["products"][0]
    ladders = {each["key"]: each["ladder"] for each in boards["features"] if each["key"] in LADDERS}
    assert {key: ladder["on_too_stale"] for key, ladder in ladders.items()} == LADDERS
    assert {(ladder["fresh_for"], ladder["stale_ok_for"]) for ladder in ladders.values()} == {("2000ms", "1500ms")}
    parse_document(with_short_ladders(document, 2.0, 1.5), int(NOW.timestamp() * 1000))


def test_writing_uses_the_given_folder(tmp_path: Path) -> None:
    """The files of the checkout are never changed."""
    assert [path.parent for path in write_files(tmp_path / "deep" / "er")] == [tmp_path / "deep" / "er"] * 2
