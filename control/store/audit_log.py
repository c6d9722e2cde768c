"""The audit trail in the database: appended in the transaction that it tells about, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from control.domain.audit import AuditEvent, AuditVerdict, ChainedEvent, chain_event, verify_chain
from control.store.latches import AUDIT, Latch, hold, look, move
from control.store.tables import audit

_ROWS_AT_ONCE: Final = 2_000


class Entry(NamedTuple):
    """What is appended; ``before`` and ``after`` are plain JSON data or None."""

    action: str
    subject: str
    before: Any
    after: Any


def append(connection: Connection, actor: str, at_ms: int, entries: Sequence[Entry]) -> None:
    """Append events; the head of the trail stays locked until the transaction ends, so it has no gaps and one order."""
    head = hold(connection, AUDIT)
    rows: list[dict[str, Any]] = []
    for action, subject, before, after in entries:
        event = AuditEvent(head.seq + 1, at_ms, actor, action, subject, _text(before), _text(after))
        chained = chain_event(head.hash, event)
        head = Latch(event.seq, chained.hash)
        rows.append(
            {
                "seq": event.seq,
                "at_ms": at_ms,
                "actor": actor,
                "action": action,
                "subject": subject,
                "before": event.before,
                "after": event.after,
                "prev_hash": chained.prev_hash,
                "hash": chained.hash,
            }
        )
    connection.execute(sa.insert(audit), rows)
    move(connection, AUDIT, head)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def events(
    connection: Connection, after_seq: int, limit: int, *, actor: str = "", action: str = "", subject: str = ""
) -> list[ChainedEvent]:
    """Return at most ``limit`` events after a seq, in order; empty filters match everything."""
    query = sa.select(audit).where(audit.c.seq > after_seq).order_by(audit.c.seq).limit(limit)
    for column, wanted in ((audit.c.actor, actor), (audit.c.action, action), (audit.c.subject, subject)):
        if wanted:
            query = query.where(column == wanted)
    return [_event(row) for row in connection.execute(query)]


def verify(connection: Connection) -> AuditVerdict:
    """Check the whole trail against its head, a page at a time."""
    head = look(connection, AUDIT)
    return verify_chain(_walk(connection), head.seq, head.hash)


def _walk(connection: Connection) -> Iterator[ChainedEvent]:
    last: int | None = None
    while True:
        query = sa.select(audit).order_by(audit.c.seq).limit(_ROWS_AT_ONCE)
        found = connection.execute(query if last is None else query.where(audit.c.seq > last)).all()
        if not found:
            return
        for row in found:
            yield _event(row)
        last = found[-1].seq


def _event(row: Row[Any]) -> ChainedEvent:
    event = AuditEvent(row.seq, row.at_ms, row.actor, row.action, row.subject, row.before, row.after)
    return ChainedEvent(event, bytes(row.prev_hash), bytes(row.hash))
