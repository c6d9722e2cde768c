"""The database's side of the feed: heads, deltas in order, snapshots from one read transaction, acknowledgements.

Everything that publishes or serves a feed reads it here. A delta's row is written by the unit of work, in the business
transaction; here rows are only read and, after their retention, deleted. A new epoch is the one thing begun here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from control.domain.acknowledgement import SidecarAck
from control.domain.publishing import Position
from control.store import tables
from control.store.database import for_writing
from control.store.unit_of_work import Store
from entitlements.policy import digest
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.wire.envelope import FeedDelta, Refused, read_body

_FETCH_ROWS: Final = 2_000
_CATALOGUE: Final = (
    ("f/", "f0"),
    ("p/", "p0"),
)  # "0" follows "/", so these are the ranges of features and plan versions
_ACK_COLUMNS: Final = tuple(entry.name for entry in fields(SidecarAck))


@dataclass(frozen=True, slots=True)
class FeedHead:
    """The end of a feed's history: its position, the digest of the policy set there, the oldest delta still kept.

    `oldest_seq` is of the head's epoch, and `position.seq + 1` when no delta is kept.
    """

    feed: str
    position: Position
    digest: bytes
    oldest_seq: Seq


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One committed delta; `body` is a serialized FeedMessage."""

    seq: Seq
    chain: bytes
    body: bytes
    committed_at_ms: Millis


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """The record table at one position; `records` yields (key, body) in key order and is read once."""

    head: FeedHead
    records: Iterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class RecordsView:
    """Some records at one position; a key without a body has no record there."""

    head: FeedHead
    bodies: Mapping[str, bytes]


class FeedLog:
    """Reads of all feeds in one database; safe for many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = store.engine
        self._writing = for_writing(store.engine)

    def now_ms(self) -> int:
        """Return the wall time of the clock that stamps commits."""
        return self._store.clock.now_ms()

    def heads(self) -> list[FeedHead]:
        """Return the head of every feed, ordered by name."""
        with self._engine.connect() as connection:
            return _heads(connection, None)

    def head(self, feed: str) -> FeedHead | None:
        """Return a feed's head; None when there is no such feed."""
        with self._engine.connect() as connection:
            return next(iter(_heads(connection, feed)), None)

    def page(self, feed: str, epoch: Epoch, after: Seq, limit: int) -> list[OutboxRow]:
        """Return at most `limit` deltas of an epoch after a seq, in order."""
        row = tables.outbox.c
        query = (
            sa.select(row.seq, row.chain, row.body, row.committed_at_ms)
            .where(row.feed == feed, row.epoch == epoch, row.seq > after)
            .order_by(row.seq)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [OutboxRow(Seq(s), bytes(c), bytes(b), Millis(at)) for s, c, b, at in connection.execute(query)]

    def chain_at(self, feed: str, epoch: Epoch, seq: Seq) -> bytes | None:
        """Return the chain value at a seq; None when neither that delta nor the one after it is kept and readable."""
        for row in self.page(feed, epoch, Seq(seq - 1), 2):
            if row.seq == seq:
                return row.chain
            if row.seq == seq + 1:
                try:
                    message = read_body(row.body)
                except Refused:
                    return None
                return message.prev if isinstance(message, FeedDelta) else None
        return None

    def oldest_since(self, feed: str, epoch: Epoch, since_ms: Millis) -> Seq | None:
        """Return the oldest seq of an epoch that was committed at or after an instant."""
        row = tables.outbox.c
        query = sa.select(sa.func.min(row.seq)).where(
            row.feed == feed, row.epoch == epoch, row.committed_at_ms >= since_ms
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else Seq(found)

    @contextmanager
    def snapshot(self, feed: str, *, catalogue_only: bool = False) -> Iterator[SnapshotView | None]:
        """Open one read transaction over head and records, or over those that are no customers; yields None without such a feed."""
        with self._store.reading() as connection:
            head = next(iter(_heads(connection, feed)), None)
            if head is None:
                yield None
                return
            row = tables.record.c
            query = sa.select(row.key, row.body).where(row.feed == feed).order_by(row.key)
            if catalogue_only:
                query = query.where(sa.or_(*(sa.and_(row.key >= low, row.key < high) for low, high in _CATALOGUE)))
            with connection.execution_options(yield_per=_FETCH_ROWS).execute(query) as result:
                yield SnapshotView(head, ((key, bytes(body)) for key, body in result))

    def records(self, feed: str, keys: Collection[str]) -> RecordsView | None:
        """Return the records under some keys and the head at which they are so; None when there is no such feed."""
        with self._store.reading() as connection:
            head = next(iter(_heads(connection, feed)), None)
            if head is None:
                return None
            row = tables.record.c
            query = sa.select(row.key, row.body).where(row.feed == feed, row.key.in_(keys))
            return RecordsView(head, {key: bytes(body) for key, body in connection.execute(query)})

    def save_acks(self, acks: Sequence[SidecarAck]) -> None:
        """Keep the newest report of each sidecar and feed."""
        if not acks:
            return
        upsert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = upsert(tables.sidecar_ack)
        keys = ("feed", "sidecar_id")
        fresh = {name: statement.excluded[name] for name in _ACK_COLUMNS if name not in keys}
        with self._writing.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=fresh),
                [{name: getattr(ack, name) for name in _ACK_COLUMNS} for ack in acks],
            )

    def begin_epoch(self, feed: str, expected: Epoch, epoch: Epoch, nonce: bytes, actor: str, reason: str) -> bool:
        """Begin an epoch with the records as they are; False when the feed is no longer in the `expected` one.

        The epoch and the audit event that explains it commit together. NotFound for an unknown feed, Busy under contention.
        """
        row = tables.feed.c
        with self._store.begin(actor) as uow:
            uow.lock(feed)
            found = uow.connection.execute(
                sa.select(row.epoch, row.seq, row.digest_sum).where(row.product == feed)
            ).one()
            if found.epoch != expected:
                return False
            total = digest.sum_from_bytes(bytes(found.digest_sum))
            base = digest.chain_base(feed, epoch, digest.digest_of(total), nonce)
            uow.connection.execute(
                sa.update(tables.feed).where(row.product == feed).values(epoch=epoch, seq=0, chain=base)
            )
            before, after = {"epoch": found.epoch, "seq": found.seq}, {"epoch": epoch, "seq": 0, "reason": reason}
            uow.note("feed.re-epoch", f"product/{feed}", before, after)
            uow.feeds.advanced.add(feed)
        return True

    def trim(self, feed: str, epoch: Epoch, below: Seq, before_ms: Millis, limit: int) -> int:
        """Delete at most `limit` deltas committed before an instant: those of older epochs, and those below a seq."""
        row = tables.outbox.c
        old = sa.or_(row.epoch < epoch, sa.and_(row.epoch == epoch, row.seq < below))
        with self._writing.begin() as connection:
            doomed = connection.execute(
                sa.select(row.epoch, row.seq)
                .where(row.feed == feed, row.committed_at_ms < before_ms, old)
                .order_by(row.epoch, row.seq)
                .limit(limit)
            ).all()
            for of_epoch, seq in doomed:
                connection.execute(
                    sa.delete(tables.outbox).where(row.feed == feed, row.epoch == of_epoch, row.seq == seq)
                )
        return len(doomed)


def _heads(connection: Connection, feed: str | None) -> list[FeedHead]:
    row, delta = tables.feed.c, tables.outbox.c
    oldest = (
        sa.select(sa.func.min(delta.seq)).where(delta.feed == row.product, delta.epoch == row.epoch).scalar_subquery()
    )
    query = sa.select(row.product, row.epoch, row.seq, row.chain, row.digest_sum, oldest).order_by(row.product)
    if feed is not None:
        query = query.where(row.product == feed)
    return [
        FeedHead(
            name,
            Position(Epoch(epoch), Seq(seq), bytes(chain)),
            digest.digest_of(digest.sum_from_bytes(bytes(total))),
            Seq(seq + 1 if low is None else low),
        )
        for name, epoch, seq, chain, total, low in connection.execute(query)
    ]
