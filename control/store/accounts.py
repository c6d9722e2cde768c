"""Customers in the database, with everything that belongs to them, as domain objects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from control.domain.account import Account
from control.domain.errors import NotFound
from control.domain.forms import Form
from control.domain.stored_account import restore_account
from control.store import tables

HOLDINGS: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "subscriptions": tables.subscriptions,
        "overrides": tables.overrides,
        "suspensions": tables.suspensions,
        "promotions": tables.promotions,
    }
)
"""What belongs to a customer: the name of the list in a document and its table."""
_ACCOUNTS_AT_ONCE: Final = 500


def load_account(connection: Connection, customer: str) -> Account:
    """Return a customer with everything; NotFound when there is none."""
    return next(_accounts(connection, [(customer, _customer(connection, customer))]))


def _customer(connection: Connection, customer: str) -> Form:
    body = connection.execute(sa.select(tables.customers.c.body).where(tables.customers.c.id == customer)).scalar()
    if body is None:
        raise NotFound("customer", customer)
    form: Form = json.loads(body)
    return form


def load_accounts(connection: Connection, ids: Sequence[str]) -> dict[str, Account]:
    """Return the customers with these ids; unknown ones are left out."""
    found: dict[str, Account] = {}
    column = tables.customers.c
    for start in range(0, len(ids), _ACCOUNTS_AT_ONCE):
        query = sa.select(column.id, column.body).where(column.id.in_(ids[start : start + _ACCOUNTS_AT_ONCE]))
        rows = [(key, json.loads(body)) for key, body in connection.execute(query)]
        found.update((account.id, account) for account in _accounts(connection, rows))
    return found


def all_accounts(connection: Connection) -> Iterator[Account]:
    """Yield every customer, ordered by id, a page at a time."""
    column, after = tables.customers.c, ""
    while True:
        query = sa.select(column.id, column.body).where(column.id > after).order_by(column.id).limit(_ACCOUNTS_AT_ONCE)
        rows = [(key, json.loads(body)) for key, body in connection.execute(query)]
        if not rows:
            return
        yield from _accounts(connection, rows)
        after = rows[-1][0]


def account_form(connection: Connection, customer: str) -> Form:
    """Return a customer in the form of the catalogue document, with everything; NotFound when there is none."""
    form = _customer(connection, customer)
    held = _holdings(connection, [customer])[customer]
    return {**form, **{name: held[name] for name in HOLDINGS if held[name]}}


def _accounts(connection: Connection, rows: Sequence[tuple[str, Form]]) -> Iterator[Account]:
    if not rows:
        return
    held = _holdings(connection, [key for key, _ in rows])
    for key, form in rows:
        parts = held[key]
        yield restore_account(form, *(parts[name] for name in HOLDINGS))


def _holdings(connection: Connection, ids: Sequence[str]) -> defaultdict[str, defaultdict[str, list[Form]]]:
    """Return customer -> list name -> forms, ordered by id."""
    parts = [
        sa.select(sa.literal(name).label("name"), table.c.customer, table.c.id, table.c.body).where(
            table.c.customer.in_(ids)
        )
        for name, table in HOLDINGS.items()
    ]
    union = sa.union_all(*parts).subquery()
    held: defaultdict[str, defaultdict[str, list[Form]]] = defaultdict(lambda: defaultdict(list))
    for name, customer, body in connection.execute(
        sa.select(union.c.name, union.c.customer, union.c.body).order_by(union.c.id)
    ):
        held[customer][name].append(json.loads(body))
    return held


def insert_rows(connection: Connection, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Insert many new rows at once: list name to rows, those of ``customers`` first."""
    for name in ("customers", *HOLDINGS):
        if rows.get(name):
            connection.execute(sa.insert(HOLDINGS.get(name, tables.customers)), list(rows[name]))
