"""Records as a decision sees them: read from one version of the store, decoded once per version, and remembered by their checksums."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from entitlements.local.memory import Memory
from entitlements.policy.digest import record_checksum
from entitlements.policy.ids import customer_record_key, feature_record_key, plan_record_key
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.store.errors import CorruptRecord
from entitlements.store.reader import StoreView
from entitlements.wire.codec import record_from_bytes

Record: TypeAlias = Feature | PlanVersion | Customer
Reads: TypeAlias = dict[str, bytes | None]
"""Record key -> checksum of the version that was read, None when there was no such record."""

R = TypeVar("R", Feature, PlanVersion, Customer)


class DecodedRecords:
    """The decoded records of one product's store, one version of each, those not used for long first out. Thread-safe."""

    __slots__ = ("_held",)

    def __init__(self, entries: int) -> None:
        """Keep at most `entries` records."""
        self._held: Memory[str, tuple[bytes, Record]] = Memory(entries)

    def get(self, key: str, checksum: bytes) -> Record | None:
        """Return the record if this very version of it is held."""
        held = self._held.get(key)
        return held[1] if held is not None and held[0] == checksum else None

    def put(self, key: str, checksum: bytes, record: Record) -> None:
        """Keep a version of a record; it takes the place of another version."""
        self._held.put(key, (checksum, record))

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<DecodedRecords [{self._held!r}]>"


class StoreRecords:
    """`policy.Records` over one view of the store. `reads` collects what was looked at, so an answer can be checked again later.

    Reading raises CorruptRecord when a body does not match its checksum, MalformedRecord when it has not the declared shape.
    """

    __slots__ = ("_decoded", "_seen", "_view", "complete", "reads")

    def __init__(self, view: StoreView, decoded: DecodedRecords, *, complete: bool) -> None:
        """Start with nothing read."""
        self._view = view
        self._decoded = decoded
        self.complete = complete
        self.reads: Reads = {}
        self._seen: dict[str, Record | None] = {}

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        return self._record(feature_record_key(key), Feature)

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""
        return self._record(plan_record_key(ref), PlanVersion)

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        return self._record(customer_record_key(customer_id), Customer)

    def keys(self, prefix: str, after: str, limit: int) -> list[str]:
        """Return record keys in byte order; see `StoreView.keys`."""
        return self._view.keys(prefix, after, limit)

    def _record(self, key: str, kind: type[R]) -> R | None:
        record = self._seen.get(key)
        if record is None and key not in self._seen:
            record = self._seen[key] = self._read(key)
        if record is not None and not isinstance(record, kind):
            raise CorruptRecord(key, f"is no {kind.__name__}")
        return record

    def _read(self, key: str) -> Record | None:
        found = self._view.get(key)
        if found is None:
            self.reads[key] = None
            return None
        checksum, body = found
        self.reads[key] = checksum
        record = self._decoded.get(key, checksum)
        if record is None:
            if record_checksum(key, body) != checksum:
                raise CorruptRecord(key, "does not match its checksum")
            record = record_from_bytes(key, body)
            self._decoded.put(key, checksum, record)
        return record


def still_true(view: StoreView, reads: Reads) -> bool:
    """Return whether every record that was read is there in the same version, and every absent one is still absent."""
    version_of = view.version_of
    return all(version_of(key) == checksum for key, checksum in reads.items())
