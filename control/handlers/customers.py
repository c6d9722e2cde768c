"""Commands on customers: every customer has a record in every product's feed, so each of these touches all feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from control.domain.account_document import read_account
from control.domain.catalogue import NO_CATALOGUE
from control.domain.errors import Conflict, Invalid, NotFound
from control.domain.fields import Fields, Findings
from control.domain.stored_account import render_account
from control.handlers.records import recompile_everywhere
from control.handlers.result import Result, finish
from control.handlers.specs import keyed
from control.store import tables
from control.store.accounts import load_account
from control.store.resources import Stored, expect, find, remove, save
from control.store.unit_of_work import UnitOfWork, Versions
from entitlements.policy.ids import customer_record_key

_FIELDS: Final = frozenset({"id", "name", "archived", "attributes"})


def put_customer(uow: UnitOfWork, customer: str, spec: Mapping[str, Any], expected: int | None = None) -> Result:
    """Create or replace a customer's name, attributes and archived flag; what belongs to it stays.

    Raises Invalid, StaleRevision.
    """
    uow.lock_all()
    findings = Findings(uow.now_ms)
    form = keyed(findings, "id", customer, spec)
    Fields(findings, form, "", _FIELDS)
    account = read_account(findings, {name: form[name] for name in _FIELDS & form.keys()}, "", NO_CATALOGUE)
    if findings.problems:
        raise Invalid(findings.problems)
    found = find(uow.connection, tables.customers, {"id": customer})
    expect("customer", customer, found, expected)
    saved = save(uow.connection, tables.customers, {"id": customer}, render_account(account), found)
    if saved.changed:
        recompile_everywhere(uow, load_account(uow.connection, customer))
    return finish(uow, "customer.put", f"customer/{customer}", saved)


def archive_customer(uow: UnitOfWork, customer: str, expected: int | None = None, *, archived: bool = True) -> Result:
    """Deny a customer everything, or take that back. Raises NotFound, StaleRevision."""
    uow.lock_all()
    found = _found(uow, customer)
    expect("customer", customer, found, expected)
    form = {name: value for name, value in found.form.items() if name != "archived"}
    if archived:
        form["archived"] = True
    saved = save(uow.connection, tables.customers, {"id": customer}, form, found)
    if saved.changed:
        recompile_everywhere(uow, load_account(uow.connection, customer))
    return finish(uow, "customer.archive" if archived else "customer.restore", f"customer/{customer}", saved)


def delete_customer(uow: UnitOfWork, customer: str, expected: int | None = None) -> Versions:
    """Forget an archived customer with everything that belongs to it; only the audit trail remembers the id and the name.

    Raises NotFound, StaleRevision, and Conflict when the customer is not archived.
    """
    products = uow.lock_all()
    found = _found(uow, customer)
    expect("customer", customer, found, expected)
    if not found.form.get("archived"):
        raise Conflict("archived", "only archived customers are deleted", "Archive the customer first")
    remove(uow.connection, tables.customers, {"id": customer})
    for product in products:
        uow.changed(product, customer_record_key(customer), None)
    uow.note("customer.delete", f"customer/{customer}", found.form, None)
    return uow.flush()


def _found(uow: UnitOfWork, customer: str) -> Stored:
    found = find(uow.connection, tables.customers, {"id": customer})
    if found is None:
        raise NotFound("customer", customer)
    return found
