"""Commands on promotions: extra grants for one customer, beside what it bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from control.domain.account_document import read_promotion
from control.domain.errors import Invalid
from control.domain.fields import Findings
from control.handlers.holdings import ended, product_of_holding, save_holding
from control.handlers.result import Result
from control.handlers.specs import keyed
from control.store.accounts import load_account
from control.store.shelves import load_feature_shelf
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis, ProductId


def put_promotion(
    uow: UnitOfWork, customer: str, id_: str, spec: Mapping[str, Any], expected: int | None = None
) -> Result:
    """Create or replace a promotion. Raises NotFound (customer, product), Invalid, StaleRevision."""
    product = str(spec.get("product", ""))
    uow.lock(*([product] if product else []))
    account = load_account(uow.connection, customer)
    catalogue = {}
    if product:
        catalogue[ProductId(product)] = load_feature_shelf(uow.connection, product, str(spec.get("feature", "")))
    findings = Findings(uow.now_ms)
    promotion = read_promotion(findings, keyed(findings, "id", id_, spec), "", catalogue)
    if findings.problems:
        raise Invalid(findings.problems)
    return save_holding(uow, "promotions", account, promotion, product, "put", expected)


def end_promotion(
    uow: UnitOfWork, customer: str, id_: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """Let a promotion end, now when no instant is given. Raises NotFound, StaleRevision, Conflict."""
    product = product_of_holding(uow, "promotions", customer, id_)
    uow.lock(product)
    account = load_account(uow.connection, customer)
    promotion = next(each for each in account.promotions if each.id == id_)
    window = ended(promotion, promotion.window, at_ms, Millis(uow.now_ms))
    return save_holding(uow, "promotions", account, replace(promotion, window=window), product, "end", expected)
