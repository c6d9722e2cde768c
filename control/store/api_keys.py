"""API keys in the database: a keyed hash of each, never the key."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from control.store.tables import api_key


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """What is kept of a key; instants in UTC milliseconds, `scopes` as words."""

    kid: str
    name: str
    scopes: tuple[str, ...]
    hash: bytes = field(repr=False)
    created_at_ms: int
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None


def insert(connection: Connection, key: ApiKeyRow) -> None:
    """Add a key."""
    connection.execute(
        sa.insert(api_key),
        {
            "kid": key.kid,
            "hash": key.hash,
            "name": key.name,
            "scopes": " ".join(key.scopes),
            "created_at_ms": key.created_at_ms,
            "expires_at_ms": key.expires_at_ms,
            "revoked_at_ms": key.revoked_at_ms,
        },
    )


def find(connection: Connection, kid: str) -> ApiKeyRow | None:
    """Return a key or None."""
    row = connection.execute(sa.select(api_key).where(api_key.c.kid == kid)).one_or_none()
    return None if row is None else _key(row)


def page(connection: Connection, after: str, limit: int) -> list[ApiKeyRow]:
    """Return keys in the order of their kids, after one."""
    query = sa.select(api_key).where(api_key.c.kid > after).order_by(api_key.c.kid).limit(limit)
    return [_key(row) for row in connection.execute(query)]


def revoke(connection: Connection, kid: str, now_ms: int) -> None:
    """Let a key be refused from now on; the first revocation counts."""
    connection.execute(
        sa.update(api_key).where(api_key.c.kid == kid, api_key.c.revoked_at_ms.is_(None)).values(revoked_at_ms=now_ms)
    )


def _key(row: Row[tuple[object, ...]]) -> ApiKeyRow:
    return ApiKeyRow(
        kid=row.kid,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        hash=bytes(row.hash),
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        revoked_at_ms=row.revoked_at_ms,
    )
