"""Rows that exist to be locked: the head of the audit trail, and the coming and going of products and customers."""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from control.store.tables import latch

AUDIT: Final = "audit"
PRODUCTS: Final = "products"


class Latch(NamedTuple):
    """The content of a latch: a count and a hash, zero where it only orders transactions."""

    seq: int
    hash: bytes


def hold(connection: Connection, name: str) -> Latch:
    """Lock a latch until the end of the transaction and return its content."""
    query = sa.select(latch.c.seq, latch.c.hash).where(latch.c.name == name).with_for_update()
    seq, value = connection.execute(query).one()
    return Latch(seq, bytes(value))


def look(connection: Connection, name: str) -> Latch:
    """Return the content of a latch without locking it."""
    seq, value = connection.execute(sa.select(latch.c.seq, latch.c.hash).where(latch.c.name == name)).one()
    return Latch(seq, bytes(value))


def move(connection: Connection, name: str, to: Latch) -> None:
    """Replace the content of a latch that is held."""
    connection.execute(sa.update(latch).where(latch.c.name == name).values(seq=to.seq, hash=to.hash))
