"""Create the first tables and the rows that are locked."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HOLDINGS = ("subscriptions", "overrides", "suspensions", "promotions")


def _id(name: str) -> sa.Column[Any]:
    kind = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=nullable, autoincrement=False)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _table(name: str, keys: int, *columns: sa.Column[Any]) -> None:
    """Create a table whose first columns are its primary key."""
    names = [column.name for column in columns[:keys]]
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*names, name=f"pk_{name}"))


def upgrade() -> None:
    _table("feed", 1, _id("product"), _number("epoch"), _number("seq"), _bytes("chain"), _bytes("digest_sum"))
    _table(
        "outbox", 3, _id("feed"), _number("epoch"), _number("seq"),
        _bytes("body"), _bytes("chain"), _bytes("digest"), _number("committed_at_ms"),
    )  # fmt: skip
    _table("record", 2, _id("feed"), _id("key"), _bytes("body"))
    _table(
        "audit", 1, _number("seq"), _number("at_ms"), _id("actor"), _id("action"), _id("subject"),
        _text("before", nullable=True), _text("after", nullable=True), _bytes("prev_hash"), _bytes("hash"),
    )  # fmt: skip
    op.create_index("ix_audit_subject", "audit", ["subject", "seq"])
    _table("latch", 1, _id("name"), _number("seq"), _bytes("hash"))
    _table("products", 1, _id("key"), _text("body"), _number("revision"))
    _table("features", 2, _id("product"), _id("key"), _text("body"), _number("revision"))
    _table(
        "plan_versions", 3, _id("product"), _id("key"), _number("version"),
        _flag("addon"), _text("body"), _number("published_at_ms"),
    )  # fmt: skip
    _table("customers", 1, _id("id"), _text("body"), _number("revision"))
    for name in HOLDINGS:
        op.create_table(
            name,
            _id("customer"),
            _id("id"),
            _id("product"),
            _text("body"),
            _number("revision"),
            sa.PrimaryKeyConstraint("customer", "id", name=f"pk_{name}"),
            sa.ForeignKeyConstraint(["customer"], ["customers.id"], name=f"fk_{name}_customers", ondelete="CASCADE"),
        )
        op.create_index(f"ix_{name}_product", name, ["product", "customer"])
    _table(
        "idempotency", 2, _id("actor"), _id("key"), _bytes("request_hash"),
        sa.Column("status", sa.Integer, nullable=False), _bytes("body"), _number("created_at_ms"),
    )  # fmt: skip
    op.create_index("ix_idempotency_created", "idempotency", ["created_at_ms"])
    _table(
        "api_key", 1, _id("kid"), _bytes("hash"), _text("name"), _text("scopes"),
        _number("created_at_ms"), _number("expires_at_ms", nullable=True), _number("revoked_at_ms", nullable=True),
    )  # fmt: skip
    _table(
        "sidecar_ack", 2, _id("feed"), _id("sidecar_id"), _id("boot_id"), _number("epoch"), _number("seq"),
        _bytes("chain"), _id("state"), _flag("digest_ok"), _text("software"), _number("age_ms"), _number("acked_at_ms"),
    )  # fmt: skip
    latch = sa.table("latch", sa.column("name"), sa.column("seq"), sa.column("hash", sa.LargeBinary))
    op.bulk_insert(latch, [{"name": name, "seq": 0, "hash": bytes(32)} for name in ("audit", "products")])


def downgrade() -> None:
    for name in (*HOLDINGS, "sidecar_ack", "api_key", "idempotency", "customers", "plan_versions", "features"):
        op.drop_table(name)
    for name in ("products", "latch", "audit", "record", "outbox", "feed"):
        op.drop_table(name)
