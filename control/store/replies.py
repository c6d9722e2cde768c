"""Replies kept under idempotency keys, in the transaction of the write they answer."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite

from control.store.database import for_writing
from control.store.tables import idempotency


class KeptReply(NamedTuple):
    """A reply as the edge wants it back; `request_hash` tells whether a repetition is the same request."""

    request_hash: bytes
    status: int
    body: bytes


def claim(connection: Connection, actor: str, key: str, request_hash: bytes, now_ms: int) -> KeptReply | None:
    """Take a key for this transaction, or return the reply that was given under it.

    Of several transactions that want one key at once, one gets it and the others wait for its end: then they find its
    reply, or, when it was undone, one of them gets the key.
    """
    statement = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(idempotency)
    row = {"actor": actor, "key": key, "request_hash": request_hash, "status": 0, "body": b"", "created_at_ms": now_ms}
    taking = statement.values(row).on_conflict_do_nothing().returning(idempotency.c.key)
    return None if connection.execute(taking).one_or_none() is not None else _find(connection, actor, key)


def _find(connection: Connection, actor: str, key: str) -> KeptReply | None:
    column = idempotency.c
    query = sa.select(column.request_hash, column.status, column.body)
    row = connection.execute(query.where(column.actor == actor, column.key == key)).one_or_none()
    return None if row is None else KeptReply(bytes(row.request_hash), row.status, bytes(row.body))


def keep(connection: Connection, actor: str, key: str, status: int, body: bytes) -> None:
    """Keep the reply of the transaction that claimed a key."""
    column = idempotency.c
    connection.execute(
        sa.update(idempotency).where(column.actor == actor, column.key == key).values(status=status, body=body)
    )


def forget(engine: Engine, before_ms: int) -> int:
    """Delete the replies of before an instant; return how many there were."""
    with for_writing(engine).begin() as connection:
        return connection.execute(sa.delete(idempotency).where(idempotency.c.created_at_ms < before_ms)).rowcount
