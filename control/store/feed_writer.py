"""The writing end of the feeds inside one transaction: locked heads, pending records, deltas.

The row of a feed is locked until the commit, so seq is given out in the order of commits, without gaps: a rollback takes its seq back
(a database sequence would not, and readers would skip rows that commit late).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from control.domain.errors import NotFound
from control.store import tables
from control.store.resources import upsert
from entitlements.policy import digest
from entitlements.policy.ids import RecordKey
from entitlements.wire.envelope import RecordChange, build_delta

MAX_DELTA_BYTES: Final = 1 << 20
"""A larger change is cut into several deltas of one transaction; far below what a Redis entry or a gRPC message may hold."""
_KEYS_AT_ONCE: Final = 500


@dataclass(slots=True)
class FeedRow:
    """The head of a locked feed and what will change in it."""

    product: str
    epoch: int
    seq: int
    chain: bytes
    digest_sum: int
    pending: dict[RecordKey, bytes | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Show the position and the size of what waits."""
        return f"<FeedRow {self.product} [{self.epoch}-{self.seq} | {len(self.pending)} pending]>"


class FeedWriter:
    """All feeds of one transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work in the transaction of a connection."""
        self._connection = connection
        self._rows: dict[str, FeedRow] = {}
        self.advanced: set[str] = set()

    @property
    def locked(self) -> tuple[str, ...]:
        """Return the products whose feeds are locked, sorted."""
        return tuple(sorted(self._rows))

    def lock(self, products: Iterable[str] | None) -> None:
        """Lock the feeds of products, of all when None, in sorted order; NotFound when a product has none."""
        missing = None if products is None else sorted(set(products) - set(self._rows))
        if missing == []:
            return
        row = tables.feed.c
        query = sa.select(tables.feed).order_by(row.product).with_for_update()
        if missing is not None:
            query = query.where(row.product.in_(missing))
        for found in self._connection.execute(query):
            if found.product not in self._rows:
                total = digest.sum_from_bytes(bytes(found.digest_sum))
                self._rows[found.product] = FeedRow(found.product, found.epoch, found.seq, bytes(found.chain), total)
        for product in missing or ():
            if product not in self._rows:
                raise NotFound("product", product)

    def create(self, product: str, epoch: int, records: Iterable[tuple[RecordKey, bytes]]) -> None:
        """Begin a feed; the records that exist already are part of its base, not of a delta."""
        total, batch = digest.EMPTY_SUM, 5_000
        waiting = iter(records)
        while chunk := list(islice(waiting, batch)):
            total = digest.sum_records(chunk, total)
            rows = [{"feed": product, "key": key, "body": body} for key, body in chunk]
            self._connection.execute(sa.insert(tables.record), rows)
        base = digest.chain_base(product, epoch, digest.digest_of(total), secrets.token_bytes(16))
        row = FeedRow(product, epoch, 0, base, total)
        self._connection.execute(
            sa.insert(tables.feed),
            {"product": product, "epoch": epoch, "seq": 0, "chain": base, "digest_sum": digest.sum_to_bytes(total)},
        )
        self._rows[product] = row
        self.advanced.add(product)

    def put(self, product: str, key: RecordKey, body: bytes | None) -> None:
        """Let a record of a locked feed have a new body, or none; what does not differ in the end is forgotten."""
        self._rows[product].pending[key] = body

    def positions(self) -> dict[str, tuple[int, int]]:
        """Return (epoch, seq) of every locked feed."""
        return {product: (row.epoch, row.seq) for product, row in sorted(self._rows.items())}

    def flush(self, now_ms: int) -> None:
        """Write the pending changes of each feed as one delta, as several only when they are too large for one."""
        for product in sorted(self._rows):
            row = self._rows[product]
            if row.pending:
                self._flush(row, now_ms)

    def _flush(self, row: FeedRow, now_ms: int) -> None:
        old = self._bodies(row.product, list(row.pending))
        changes = [RecordChange(key, body) for key, body in row.pending.items() if old.get(key) != body]
        row.pending.clear()
        if not changes:
            return
        outgoing: list[dict[str, Any]] = []
        for part in _parts(changes):
            for key, body in part:
                row.digest_sum = digest.sum_replace(row.digest_sum, key, old.get(RecordKey(key)), body)
            row.seq += 1
            total = digest.digest_of(row.digest_sum)
            delta = build_delta(row.product, row.epoch, row.seq, row.chain, part, total, now_ms)
            row.chain = delta.chain
            outgoing.append(
                {
                    "feed": row.product,
                    "epoch": row.epoch,
                    "seq": row.seq,
                    "body": delta.body,
                    "chain": delta.chain,
                    "digest": total,
                    "committed_at_ms": now_ms,
                }
            )
        self._write(row, changes, outgoing)

    def _bodies(self, product: str, keys: Sequence[RecordKey]) -> dict[RecordKey, bytes]:
        record = tables.record.c
        bodies: dict[RecordKey, bytes] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            chunk = keys[start : start + _KEYS_AT_ONCE]
            query = sa.select(record.key, record.body).where(record.feed == product, record.key.in_(chunk))
            bodies.update((RecordKey(key), bytes(body)) for key, body in self._connection.execute(query))
        return bodies

    def _write(self, row: FeedRow, changes: Sequence[RecordChange], outgoing: Sequence[Mapping[str, Any]]) -> None:
        puts = [{"feed": row.product, "key": key, "body": body} for key, body in changes if body is not None]
        upsert(self._connection, tables.record, ("feed", "key"), puts)
        record, head = tables.record.c, tables.feed.c
        gone = [key for key, body in changes if body is None]
        for start in range(0, len(gone), _KEYS_AT_ONCE):
            chunk = gone[start : start + _KEYS_AT_ONCE]
            self._connection.execute(sa.delete(tables.record).where(record.feed == row.product, record.key.in_(chunk)))
        self._connection.execute(sa.insert(tables.outbox), list(outgoing))
        self._connection.execute(
            sa.update(tables.feed)
            .where(head.product == row.product)
            .values(seq=row.seq, chain=row.chain, digest_sum=digest.sum_to_bytes(row.digest_sum))
        )
        self.advanced.add(row.product)


def _parts(changes: Sequence[RecordChange]) -> Iterator[list[RecordChange]]:
    """Cut changes into deltas so that nothing refers to what is not there: versions first, removals last."""
    part: list[RecordChange] = []
    size = 0
    for change in sorted(changes, key=_order):
        weight = len(change.key) + len(change.body or b"")
        if part and size + weight > MAX_DELTA_BYTES:
            yield part
            part, size = [], 0
        part.append(change)
        size += weight
    yield part


def _order(change: RecordChange) -> tuple[bool, int, str]:
    return change.body is None, "pfc".index(change.key[0]), change.key
