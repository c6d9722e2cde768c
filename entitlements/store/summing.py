"""Between verified content and the file: deltas that continue the position, and records that are summed on their way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import lmdb

from entitlements.policy.digest import EMPTY_SUM, record_hash, sum_replace
from entitlements.policy.ids import customer_record_key
from entitlements.store.contents import Change, Delta
from entitlements.store.errors import DigestMismatch, NotAhead, NotNext
from entitlements.store.layout import ABSENT, StoreState, body_of, pack_record
from entitlements.store.mapped_file import MappedFile

_CUSTOMERS: Final = customer_record_key("")


def check_run(state: StoreState, deltas: Sequence[Delta]) -> None:
    """Raise NotAhead or NotNext unless the deltas continue the position."""
    if (deltas[0].epoch, deltas[0].seq) <= state[:2]:
        raise NotAhead(f"delta {deltas[0].epoch}-{deltas[0].seq} is not ahead of {state.epoch}-{state.seq}")
    epoch, seq, chain = state.epoch, state.seq, state.chain
    for delta in deltas:
        if delta.epoch != epoch or delta.seq != seq + 1 or delta.prev != chain:
            raise NotNext(f"delta {delta.epoch}-{delta.seq} does not follow {epoch}-{seq}")
        seq, chain = delta.seq, delta.chain


def changed(file: MappedFile, txn: lmdb.Transaction[bytes], total: int, ops: Iterable[Change], *, partial: bool) -> int:
    """Make changes and return the sum after them. In a partial set a customer without a record is not held, and stays so."""
    for op in ops:
        if not partial or not op.key.startswith(_CUSTOMERS):
            total = changed_record(file, txn, total, op.key, op.body)
        elif txn.get(op.key.encode(), db=file.records) is not None:
            total = changed_record(file, txn, total, op.key, op.body or ABSENT)
    return total


def changed_record(file: MappedFile, txn: lmdb.Transaction[bytes], total: int, key: str, body: bytes | None) -> int:
    """Put a record, or remove it when there is no body, and return the sum after that."""
    raw = key.encode()
    file.note(raw)
    old = txn.get(raw, db=file.records)
    total = sum_replace(total, key, None if old is None else body_of(old), body)
    if body is not None:
        txn.put(raw, pack_record(key, body), db=file.records)
    elif old is not None:
        txn.delete(raw, db=file.records)
    return total


class Summing:
    """Packs records on their way into the file, counting and summing them, and refuses any that are out of order."""

    __slots__ = ("_records", "count", "total")

    def __init__(self, records: Iterable[tuple[str, bytes]]) -> None:
        self._records = records
        self.count = 0
        self.total = EMPTY_SUM

    def packed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and stored forms; `count` and `total` are right when it is exhausted."""
        previous = b""
        total = EMPTY_SUM
        for key, body in self._records:
            raw = key.encode()
            if raw <= previous:
                raise DigestMismatch(f"record {key} of the snapshot is out of order or listed twice")
            previous = raw
            total += record_hash(key, body)
            self.count += 1
            yield raw, pack_record(key, body)
        self.total = sum_replace(total, "", None, None)
