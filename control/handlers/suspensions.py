"""Commands on suspensions: reversible restrictions of a customer, one of its subscriptions, or one feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from control.domain.account import Account, AccountSuspension
from control.domain.account_document import read_suspension
from control.domain.errors import Invalid
from control.domain.fields import Findings
from control.domain.suspension import owner_of
from control.handlers.holdings import ended, product_of_holding, save_holding
from control.handlers.result import Result
from control.handlers.specs import keyed
from control.store.accounts import load_account
from control.store.shelves import load_feature_shelf
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis, ProductId


def put_suspension(
    uow: UnitOfWork, customer: str, id_: str, spec: Mapping[str, Any], expected: int | None = None
) -> Result:
    """Create or replace a suspension. Raises NotFound (customer, product), Invalid, Conflict (target), StaleRevision."""
    scope, product = spec.get("scope"), str(spec.get("product") or "")
    if scope == "customer":
        uow.lock_all()
    elif scope == "subscription":
        product = product_of_holding(uow, "subscriptions", customer, str(spec.get("target", "")))
        uow.lock(product)
    elif product:
        uow.lock(product)
    account = load_account(uow.connection, customer)
    catalogue = {}
    if scope == "feature" and product:
        catalogue[ProductId(product)] = load_feature_shelf(uow.connection, product, str(spec.get("target", "")))
    findings = Findings(uow.now_ms)
    suspension = read_suspension(findings, keyed(findings, "id", id_, spec), "", catalogue)
    if findings.problems:
        raise Invalid(findings.problems)
    return save_suspension(uow, account, suspension, "put", expected)


def save_suspension(
    uow: UnitOfWork, account: Account, suspension: AccountSuspension, action: str, expected: int | None
) -> Result:
    """Save a judged suspension; the feeds that it touches must be locked."""
    return save_holding(uow, "suspensions", account, suspension, owner_of(account, suspension), action, expected)


def end_suspension(
    uow: UnitOfWork, customer: str, id_: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """Reinstate: let a suspension end, now when no instant is given. Raises NotFound, StaleRevision, Conflict."""
    account = load_account(uow.connection, customer)
    product_of_holding(uow, "suspensions", customer, id_)
    suspension = next(each for each in account.suspensions if each.id == id_)
    owner = owner_of(account, suspension)
    if owner:
        uow.lock(owner)
    else:
        uow.lock_all()
    account = load_account(uow.connection, customer)
    suspension = next(each for each in account.suspensions if each.id == id_)
    window = ended(suspension, suspension.window, at_ms, Millis(uow.now_ms))
    return save_suspension(uow, account, replace(suspension, window=window), "end", expected)
