"""Commands on overrides: the vendor's decisions about one customer and one feature, revokes above all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from control.domain.account_document import read_override
from control.domain.errors import Invalid
from control.domain.fields import Findings
from control.domain.override import others_live, settle
from control.handlers.holdings import ended, product_of_holding, save_holding
from control.handlers.result import Result
from control.handlers.specs import keyed
from control.store.accounts import load_account
from control.store.shelves import load_feature_shelf
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis, ProductId


def put_override(
    uow: UnitOfWork, customer: str, id_: str, spec: Mapping[str, Any], expected: int | None = None
) -> Result:
    """Create or replace an override.

    Raises NotFound (customer), Invalid, StaleRevision, and Conflict when another override of the same feature is live at the same time
    (semantics B4).
    """
    product = str(spec.get("product", ""))
    uow.lock(*([product] if product else []))
    account = load_account(uow.connection, customer)
    catalogue = {}
    if product:
        catalogue[ProductId(product)] = load_feature_shelf(uow.connection, product, str(spec.get("feature", "")))
    findings = Findings(uow.now_ms)
    override = read_override(findings, keyed(findings, "id", id_, spec), "", catalogue)
    if findings.problems:
        raise Invalid(findings.problems)
    override = settle(account.overrides, override, uow.now_ms)
    others_live(account.overrides, override)
    return save_holding(uow, "overrides", account, override, product, "put", expected)


def end_override(
    uow: UnitOfWork, customer: str, id_: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """Let an override end, now when no instant is given. One that has not begun yet can be ended only after its beginning.

    Raises NotFound, StaleRevision, Conflict (it has ended before, or begins later).
    """
    product = product_of_holding(uow, "overrides", customer, id_)
    uow.lock(product)
    account = load_account(uow.connection, customer)
    override = next(each for each in account.overrides if each.id == id_)
    window = ended(override, override.window, at_ms, Millis(uow.now_ms))
    return save_holding(uow, "overrides", account, replace(override, window=window), product, "end", expected)
