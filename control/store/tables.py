"""The tables, the same on SQLite and PostgreSQL.

Texts compare byte by byte on both (BINARY and collation "C"), so keyset paging and the order of records agree. Instants are UTC
milliseconds. What a resource holds beside its keys is its document form as JSON text (`body`), so that a query returns it as it was
written and an unchanged write is recognised by comparing texts; columns beside it exist to find rows by. `revision` counts changes from 1.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key_type() -> TypeEngine[str]:
    return Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _key(name: str) -> Column[str]:
    """Return a column of the primary key that holds an id."""
    return Column(name, _key_type(), primary_key=True)


def _id(name: str, *, nullable: bool = False) -> Column[str]:
    """Return a column that holds an id."""
    return Column(name, _key_type(), nullable=nullable)


def _number(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=primary_key, nullable=nullable, autoincrement=False)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


feed: Final = Table(
    "feed",
    metadata,
    _key("product"),
    _number("epoch"),
    _number("seq"),
    _bytes("chain"),
    _bytes("digest_sum"),
)
"""The head of each product's feed: 32 bytes of chain, 256 bytes of multiset sum. Its row lock orders all writes of the product."""

outbox: Final = Table(
    "outbox",
    metadata,
    _key("feed"),
    _number("epoch", primary_key=True),
    _number("seq", primary_key=True),
    _bytes("body"),
    _bytes("chain"),
    _bytes("digest"),
    _number("committed_at_ms"),
)
"""Every delta, ready to be signed: `body` is a serialized FeedMessage."""

record: Final = Table("record", metadata, _key("feed"), _key("key"), _bytes("body"))
"""The policy set of each feed at its head: the fold of its outbox."""

audit: Final = Table(
    "audit",
    metadata,
    _number("seq", primary_key=True),
    _number("at_ms"),
    _id("actor"),
    _id("action"),
    _id("subject"),
    _text("before", nullable=True),
    _text("after", nullable=True),
    _bytes("prev_hash"),
    _bytes("hash"),
    Index("ix_audit_subject", "subject", "seq"),
)
"""What was done: a hash chain, see `control.domain.audit`."""

latch: Final = Table("latch", metadata, _key("name"), _number("seq"), _bytes("hash"))
"""Rows to lock: `audit` holds the head of the audit chain, `products` orders the coming of products and customers."""

products: Final = Table("products", metadata, _key("key"), _text("body"), _number("revision"))

features: Final = Table("features", metadata, _key("product"), _key("key"), _text("body"), _number("revision"))

plan_versions: Final = Table(
    "plan_versions",
    metadata,
    _key("product"),
    _key("key"),
    _number("version", primary_key=True),
    Column("addon", Boolean, nullable=False),
    _text("body"),
    _number("published_at_ms"),
)
"""Published versions of plans and add-ons; rows are never changed."""

customers: Final = Table("customers", metadata, _key("id"), _text("body"), _number("revision"))


def _holding(name: str) -> Table:
    """Return a table of things that belong to a customer; `product` is empty for what touches all products."""
    return Table(
        name,
        metadata,
        _key("customer"),
        _key("id"),
        _id("product"),
        _text("body"),
        _number("revision"),
        ForeignKeyConstraint(["customer"], ["customers.id"], ondelete="CASCADE"),
        Index(f"ix_{name}_product", "product", "customer"),
    )


subscriptions: Final = _holding("subscriptions")
"""Plan and add-on versions held, and the timeline."""
overrides: Final = _holding("overrides")
suspensions: Final = _holding("suspensions")
promotions: Final = _holding("promotions")

idempotency: Final = Table(
    "idempotency",
    metadata,
    _key("actor"),
    _key("key"),
    _bytes("request_hash"),
    Column("status", Integer, nullable=False),
    _bytes("body"),
    _number("created_at_ms"),
    Index("ix_idempotency_created", "created_at_ms"),
)
"""Replies to repeat; written in the transaction of the request they answer."""

api_key: Final = Table(
    "api_key",
    metadata,
    _key("kid"),
    _bytes("hash"),
    _text("name"),
    _text("scopes"),
    _number("created_at_ms"),
    _number("expires_at_ms", nullable=True),
    _number("revoked_at_ms", nullable=True),
)
"""Keys by their id; only a keyed hash of the secret is kept. `scopes` are words, separated by blanks."""

sidecar_ack: Final = Table(
    "sidecar_ack",
    metadata,
    _key("feed"),
    _key("sidecar_id"),
    _id("boot_id"),
    _number("epoch"),
    _number("seq"),
    _bytes("chain"),
    _id("state"),
    Column("digest_ok", Boolean, nullable=False),
    _text("software"),
    _number("age_ms"),
    _number("acked_at_ms"),
)
"""The newest report of each sidecar about each feed."""
