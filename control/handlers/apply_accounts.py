"""Applies the customers of a document: what it says is added or changed, what it does not mention stays.

So applying an older document again cannot take back a revoke that was made since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Table

from control.domain.account import Account
from control.domain.compile import compile_customer
from control.domain.errors import Conflict
from control.domain.forms import Form
from control.domain.override import others_live, settle
from control.domain.stored_account import (
    render_account,
    render_override,
    render_promotion,
    render_subscription,
    render_suspension,
    restore_account,
)
from control.domain.suspension import owner_of
from control.handlers.changes import Ledger
from control.handlers.holdings import NOUNS
from control.store import tables
from control.store.accounts import HOLDINGS, insert_rows, load_accounts
from control.store.resources import find, save, to_text
from control.store.shelves import load_products
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import customer_record_key

Parts = dict[str, dict[str, tuple[Form, str]]]
"""List name -> id -> (form, product)."""


def apply_accounts(uow: UnitOfWork, ledger: Ledger, accounts: Sequence[Account], *, write: bool) -> list[Account]:
    """Compare customers with what is stored, write rows if told to, and return those that changed, whole.

    All feeds must be locked. Raises Conflict when an override would be live beside a stored one, or a row would change its product.
    """
    stored = load_accounts(uow.connection, [account.id for account in accounts])
    inserts: dict[str, list[dict[str, Any]]] = {name: [] for name in ("customers", *HOLDINGS)}
    changed: list[Account] = []
    for declared in accounts:
        before = stored.get(declared.id)
        account = declared if before is None else _settled(declared, before, uow.now_ms)
        count = len(ledger.changes)
        form = render_account(account)
        if ledger.compare("customer", account.id, None if before is None else render_account(before), form) and write:
            if before is None:
                inserts["customers"].append({"id": account.id, "body": to_text(form), "revision": 1})
            else:
                _update(uow, tables.customers, {"id": account.id}, form)
        old = _parts(before) if before is not None else {name: {} for name in HOLDINGS}
        new = _parts(account)
        for name in HOLDINGS:
            for id_, (part, product) in new[name].items():
                known = old[name].get(id_)
                if known is not None and known[1] != product:
                    path = f"customers.{account.id}.{name}.{id_}"
                    raise Conflict(path, "cannot change what it belongs to", "End it, and begin another with a new id")
                kind = NOUNS[name]
                if (
                    not ledger.compare(kind, f"{account.id}/{id_}", None if known is None else known[0], part)
                    or not write
                ):
                    continue
                if known is None:
                    row = {"customer": account.id, "id": id_, "product": product, "body": to_text(part), "revision": 1}
                    inserts[name].append(row)
                else:
                    _update(uow, HOLDINGS[name], {"customer": account.id, "id": id_}, part)
        if len(ledger.changes) > count:
            changed.append(account if before is None else _merged(form, old, new))
    insert_rows(uow.connection, inserts)
    return changed


def _settled(account: Account, before: Account, now_ms: int) -> Account:
    overrides = tuple(settle(before.overrides, each, now_ms) for each in account.overrides)
    return replace(account, overrides=overrides)


def _update(uow: UnitOfWork, table: Table, keys: dict[str, Any], form: Form) -> None:
    save(uow.connection, table, keys, form, find(uow.connection, table, keys))


def _parts(account: Account) -> Parts:
    return {
        "subscriptions": {each.id: (render_subscription(each), each.product) for each in account.subscriptions},
        "overrides": {each.id: (render_override(each), each.product) for each in account.overrides},
        "suspensions": {each.id: (render_suspension(each), owner_of(account, each)) for each in account.suspensions},
        "promotions": {each.id: (render_promotion(each), each.product) for each in account.promotions},
    }


def _merged(form: Form, old: Parts, new: Parts) -> Account:
    """Return a customer with what was stored and what the document says; Conflict when overrides meet."""
    lists = ([part for part, _ in {**old[name], **new[name]}.values()] for name in HOLDINGS)
    merged = restore_account(form, *lists)
    for override in merged.overrides:
        others_live(merged.overrides, override)
    return merged


def compile_accounts(uow: UnitOfWork, accounts: Sequence[Account]) -> None:
    """Write the policy records of customers in every feed."""
    for product in load_products(uow.connection).values():
        for account in accounts:
            uow.changed(product.key, customer_record_key(account.id), compile_customer(product, account))
