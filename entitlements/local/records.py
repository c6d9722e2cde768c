"""Records as a decision sees them: read from one version of the store, decoded once per version, and remembered by their checksums."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from entitlements.local.memory import Memory
from entitlements.policy.digest import CHECKSUM_BYTES, record_checksum
from entitlements.policy.ids import customer_record_key, feature_record_key, plan_record_key
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.store.errors import CorruptRecord
from entitlements.store.layout import ABSENT, body_of
from entitlements.store.reader import StoreView
from entitlements.wire.codec import record_from_bytes

Record: TypeAlias = Feature | PlanVersion | Customer
Reads: TypeAlias = dict[str, bytes | None]
"""Record key -> checksum of the version that was read, None when there was no such record."""
Found: TypeAlias = tuple[bytes | None, Any]
"""Checksum and record, both None when there is no such record, the record alone when it is proven absent (`store.layout`). A record is of the kind that its key's prefix names; decoding sees to that."""
Catalogue: TypeAlias = dict[str, Found]
"""Features and plans that were found at one position of the store, by record key."""

_ABSENT: Final[Found] = (None, None)
_FEATURES: Final = feature_record_key("")
_PLANS: Final = plan_record_key("")
_CUSTOMERS: Final = customer_record_key("")


class DecodedRecords:
    """The decoded records of one product's store, one version of each, those not used for long first out. Thread-safe."""

    __slots__ = ("_held", "get")

    def __init__(self, entries: int) -> None:
        """Keep at most `entries` records."""
        self._held: Memory[str, tuple[bytes, Record]] = Memory(entries)
        self.get = self._held.get
        """Return (checksum, record) of the version of a record that is held, or None."""

    def put(self, key: str, checksum: bytes, record: Record) -> tuple[bytes, Record]:
        """Keep a version of a record in the place of another version, and return what is kept."""
        kept = (checksum, record)
        self._held.put(key, kept)
        return kept

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<DecodedRecords [{self._held!r}]>"


class StoreRecords:
    """`policy.Records` over one view of the store. `reads` collects what was looked at, so an answer can be checked again later.

    Features and plans of one position are few and asked for by every decision, so those found are kept in the position's catalogue: that
    saves two of the three look-ups in the store. Reading raises CorruptRecord when a body does not match its checksum, MalformedRecord
    when it has not the declared shape.
    """

    __slots__ = ("_catalogue", "_decoded", "_seen", "_view", "complete", "reads")

    def __init__(
        self, view: StoreView, decoded: DecodedRecords, *, complete: bool, catalogue: Catalogue | None = None
    ) -> None:
        """Start with nothing read; the catalogue must be one of the view's very position."""
        self._view = view
        self._decoded = decoded
        self.complete = complete
        self.reads: Reads = {}
        self._seen: dict[str, Found] = {}
        self._catalogue = {} if catalogue is None else catalogue

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        key = _FEATURES + key
        found = self._catalogue.get(key) or self._listed(key)
        self.reads[key] = found[0]
        feature: Feature | None = found[1]
        return feature

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""
        key = _PLANS + ref
        found = self._catalogue.get(key) or self._listed(key)
        self.reads[key] = found[0]
        plan: PlanVersion | None = found[1]
        return plan

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        key = _CUSTOMERS + customer_id
        found = self._seen.get(key) or self._read(key)
        self.reads[key] = found[0]
        customer: Customer | None = found[1]
        return customer

    def lacks(self, customer_id: str) -> bool:
        """Return whether nothing is stored of a customer, not even that it does not exist: in a partial set, nothing is known then."""
        key = _CUSTOMERS + customer_id
        found = self._seen.get(key) or self._read(key)
        self.reads[key] = found[0]
        return found[0] is None

    def keys(self, prefix: str, after: str, limit: int) -> list[str]:
        """Return record keys in byte order; see `StoreView.keys`."""
        return self._view.keys(prefix, after, limit)

    def turn_over(self) -> None:
        """Begin a new list of reads: what the next question looks at is told apart from what was looked at before."""
        self.reads = {}

    def still_true(self, reads: Reads) -> bool:
        """Return whether every record that was read elsewhere is there in the same version, and every absent one is still absent."""
        version_of = self._version_of
        return all(version_of(key) == checksum for key, checksum in reads.items())

    def _version_of(self, key: str) -> bytes | None:
        found = self._catalogue.get(key) or self._seen.get(key)
        return self._view.version_of(key) if found is None else found[0]

    def _listed(self, key: str) -> Found:
        found = self._seen.get(key) or self._read(key)
        if found[0] is not None:
            self._catalogue[key] = found
        return found

    def _read(self, key: str) -> Found:
        stored = self._view.stored(key)
        if stored is None:
            found: Found = _ABSENT
        else:
            held = self._decoded.get(key)
            found = held if held is not None and stored.startswith(held[0]) else self._decode(key, stored)
        self._seen[key] = found
        return found

    def _decode(self, key: str, stored: bytes) -> Found:
        checksum, body = stored[:CHECKSUM_BYTES], body_of(stored)
        if record_checksum(key, body) != checksum:
            raise CorruptRecord(key, "does not match its checksum")
        if body == ABSENT:
            return checksum, None
        return self._decoded.put(key, checksum, record_from_bytes(key, body))


def still_true(view: StoreView, reads: Reads) -> bool:
    """Return whether every record that was read is there in the same version, and every absent one is still absent."""
    version_of = view.version_of
    return all(version_of(key) == checksum for key, checksum in reads.items())
