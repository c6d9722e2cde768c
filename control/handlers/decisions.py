"""Decides against the database: previews, effective entitlements, and what would be if a document were applied.

The verdict is made by the same `decide` that a sidecar calls, from the same records; only freshness is missing, because here is the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from control.domain.catalogue import Shelf
from control.domain.compile import PolicyRecord, compile_document
from control.domain.document import Document, parse_document
from control.domain.errors import NotFound
from control.store.policy_records import StoredRecords
from control.store.shelves import load_catalogue
from entitlements.policy.decide import decide
from entitlements.policy.ids import (
    CustomerId,
    FeatureKey,
    Millis,
    ProductId,
    RecordKey,
    customer_record_key,
    feature_record_key,
    plan_record_key,
)
from entitlements.policy.model import Customer, Decision, ExplainLevel, Feature, PlanVersion, Query, Records


class OverlaidRecords:
    """Stored records with those of a hypothetical document laid over them."""

    def __init__(self, over: Mapping[RecordKey, PolicyRecord], under: StoredRecords | None) -> None:
        """Prefer the first, fall back to the second; None when the product is not stored yet."""
        self._over = over
        self._under = under

    @property
    def complete(self) -> bool:
        """Return True: both parts are whole."""
        return True

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        found = self._over.get(feature_record_key(key))
        return found if isinstance(found, Feature) else self._under.feature(key) if self._under else None

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""
        found = self._over.get(plan_record_key(ref))
        return found if isinstance(found, PlanVersion) else self._under.plan(ref) if self._under else None

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        found = self._over.get(customer_record_key(customer_id))
        return found if isinstance(found, Customer) else self._under.customer(customer_id) if self._under else None

    def feature_keys(self) -> list[str]:
        """Return the keys of all features, sorted."""
        added = {key.removeprefix("f/") for key in self._over if key.startswith("f/")}
        return sorted(added | set(self._under.feature_keys() if self._under else ()))

    def __repr__(self) -> str:
        """Show the size of the overlay."""
        return f"<OverlaidRecords [{len(self._over)} over {self._under!r}]>"


def records_of(
    connection: Connection, product: str, document: object = None, now_ms: int = 0
) -> StoredRecords | OverlaidRecords:
    """Return the records of a product as they are, or as they would be with a catalogue document applied.

    Customers in the document stand alone: what they hold in the database beside it does not count. Raises NotFound when neither knows the
    product, DocumentError.
    """
    if document is None:
        return StoredRecords(connection, product)
    known = load_catalogue(connection)
    parsed = parse_document(document, now_ms, known)
    key = ProductId(product)
    shelf, stored = parsed.shelves.get(key), known.get(key)
    if shelf is None and stored is None:
        raise NotFound("product", product)
    if shelf is not None and stored is not None:
        shelf = Shelf(shelf.product, {**stored.features, **shelf.features}, {**stored.offers, **shelf.offers})
    whole = Document({key: shelf or stored or Shelf(parsed.shelves[key].product)}, parsed.accounts)
    return OverlaidRecords(compile_document(whole, product), StoredRecords(connection, product) if stored else None)


def preview(records: Records, query: Query, at_ms: Millis) -> Decision:
    """Return what a sidecar that has these records would answer at an instant."""
    return decide(query, records, at_ms)


def effective(
    records: StoredRecords | OverlaidRecords,
    product: str,
    customer: str,
    at_ms: Millis,
    after: str = "",
    explain: ExplainLevel = ExplainLevel.NONE,
) -> Iterator[Decision]:
    """Yield the decision about every feature of a product for a customer, sorted by feature, after a key (semantics G2).

    Raises NotFound when there is no such customer.
    """
    if records.customer(customer) is None:
        raise NotFound("customer", customer)
    for key in records.feature_keys():
        if key > after:
            yield decide(
                Query(CustomerId(customer), FeatureKey(key), ProductId(product), explain=explain), records, at_ms
            )
