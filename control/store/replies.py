"""Replies kept under idempotency keys, in the transaction of the write they answer."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from control.store.database import for_writing
from control.store.tables import idempotency


class KeptReply(NamedTuple):
    """A reply as the edge wants it back; `request_hash` tells whether a repetition is the same request."""

    request_hash: bytes
    status: int
    body: bytes


def find(connection: Connection, actor: str, key: str) -> KeptReply | None:
    """Return the reply that an actor got under a key, or None."""
    column = idempotency.c
    query = sa.select(column.request_hash, column.status, column.body)
    row = connection.execute(query.where(column.actor == actor, column.key == key)).one_or_none()
    return None if row is None else KeptReply(bytes(row.request_hash), row.status, bytes(row.body))


def keep(connection: Connection, actor: str, key: str, reply: KeptReply, now_ms: int) -> None:
    """Keep a reply; a second one under the same key is an IntegrityError, which undoes the write it answers."""
    connection.execute(sa.insert(idempotency), {"actor": actor, "key": key, **reply._asdict(), "created_at_ms": now_ms})


def forget(engine: Engine, before_ms: int) -> int:
    """Delete the replies of before an instant; return how many there were."""
    with for_writing(engine).begin() as connection:
        return connection.execute(sa.delete(idempotency).where(idempotency.c.created_at_ms < before_ms)).rowcount
