"""Reading and writing rows that hold a resource: keys, the document form as JSON text, a revision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from control.domain.errors import StaleRevision
from control.domain.forms import Form


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is stored."""

    form: Form
    revision: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did; ``before`` is None for a new resource."""

    form: Form
    revision: int
    changed: bool
    before: Form | None


def to_text(form: Mapping[str, Any]) -> str:
    """Return the JSON text of a form; the same form always gives the same text."""
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def find(connection: Connection, table: Table, keys: Mapping[str, Any]) -> Stored | None:
    """Return one resource by its whole key, or None."""
    row = connection.execute(sa.select(table.c.body, table.c.revision).where(*_are(table, keys))).one_or_none()
    return None if row is None else Stored(json.loads(row.body), row.revision)


def expect(kind: str, key: str, found: Stored | None, expected: int | None) -> None:
    """Raise StaleRevision unless the resource is at the expected revision (0: it does not exist; None: no matter)."""
    actual = found.revision if found else 0
    if expected is not None and expected != actual:
        raise StaleRevision(kind, key, expected, actual)


def save(
    connection: Connection,
    table: Table,
    keys: Mapping[str, Any],
    form: Form,
    found: Stored | None,
    more: Mapping[str, Any] | None = None,
) -> Saved:
    """Insert or update a resource; the same form again changes nothing and keeps the revision."""
    if found is None:
        connection.execute(sa.insert(table), {**keys, **(more or {}), "body": to_text(form), "revision": 1})
        return Saved(form, 1, changed=True, before=None)
    if to_text(found.form) == to_text(form):  # as texts, because 1 == True
        return Saved(form, found.revision, changed=False, before=found.form)
    revision = found.revision + 1
    connection.execute(
        sa.update(table).where(*_are(table, keys)).values(body=to_text(form), revision=revision, **(more or {}))
    )
    return Saved(form, revision, changed=True, before=found.form)


def remove(connection: Connection, table: Table, keys: Mapping[str, Any]) -> None:
    """Delete the rows with these keys."""
    connection.execute(sa.delete(table).where(*_are(table, keys)))


def page(
    connection: Connection, table: Table, keys: Mapping[str, Any], by: str, after: str, limit: int | None
) -> list[Stored]:
    """Return resources in the order of one column, after a value; all of them without a limit."""
    query = (
        sa.select(table.c.body, table.c.revision).where(*_are(table, keys), table.c[by] > after).order_by(table.c[by])
    )
    rows = connection.execute(query.limit(limit) if limit is not None else query)
    return [Stored(json.loads(body), revision) for body, revision in rows]


def upsert(connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, replacing those with the same keys."""
    if not rows:
        return
    statement = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    fresh = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=fresh), list(rows))


def _are(table: Table, keys: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in keys.items()]
