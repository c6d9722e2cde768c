"""What overrides, suspensions, promotions and subscriptions have in common: one row of one customer."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from control.domain.account import Account, AccountOverride, AccountPromotion, AccountSuspension, HeldSubscription
from control.domain.errors import Conflict, NotFound
from control.domain.forms import Form
from control.domain.stored_account import render_override, render_promotion, render_subscription, render_suspension
from control.handlers.records import recompile_customer
from control.handlers.result import Result, finish
from control.store.accounts import HOLDINGS
from control.store.resources import Saved, Stored, expect, find, save
from control.store.shelves import load_product, load_products
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis
from entitlements.policy.model import Window

Holding = HeldSubscription | AccountOverride | AccountSuspension | AccountPromotion
AnyHolding = TypeVar("AnyHolding", HeldSubscription, AccountOverride, AccountSuspension, AccountPromotion)
NOUNS = {
    "subscriptions": "subscription",
    "overrides": "override",
    "suspensions": "suspension",
    "promotions": "promotion",
}


def render_holding(holding: Holding) -> Form:
    """Return the document form of what a customer holds."""
    match holding:
        case HeldSubscription():
            return render_subscription(holding)
        case AccountOverride():
            return render_override(holding)
        case AccountSuspension():
            return render_suspension(holding)
        case AccountPromotion():
            return render_promotion(holding)


def find_holding(uow: UnitOfWork, name: str, customer: str, id_: str) -> Stored | None:
    """Return one row, or None."""
    return find(uow.connection, HOLDINGS[name], {"customer": customer, "id": id_})


def product_of_holding(uow: UnitOfWork, name: str, customer: str, id_: str) -> str:
    """Return the product that a row belongs to, the empty text when it touches all; NotFound when there is no such row.

    A row's product never changes, so it may be read before the product is locked.
    """
    found = find_holding(uow, name, customer, id_)
    if found is None:
        raise NotFound(NOUNS[name], id_)
    product: str = found.form.get("product", "")
    return product


def save_holding(
    uow: UnitOfWork, name: str, account: Account, holding: Holding, product: str, action: str, expected: int | None
) -> Result:
    """Save one row, recompile the customer for its product (all products when it is empty), note it, flush.

    Raises StaleRevision, and Conflict when the row belongs to another product.
    """
    found = find_holding(uow, name, account.id, holding.id)
    expect(NOUNS[name], holding.id, found, expected)
    if found is not None and found.form.get("product") != render_holding(holding).get("product"):
        raise Conflict("product", "cannot change", f"End this {NOUNS[name]} and begin another with a new id")
    saved = save_row(uow, name, account, holding, product, found)
    if saved.changed:
        after = _with(account, holding)
        products = load_products(uow.connection).values() if not product else [load_product(uow.connection, product)]
        recompile_customer(uow, after, products)
    return finish(uow, f"{NOUNS[name]}.{action}", f"customer/{account.id}/{NOUNS[name]}/{holding.id}", saved)


def save_row(
    uow: UnitOfWork, name: str, account: Account, holding: Holding, product: str, found: Stored | None
) -> Saved:
    """Write one row without anything that follows from it."""
    keys = {"customer": account.id, "id": holding.id}
    return save(uow.connection, HOLDINGS[name], keys, render_holding(holding), found, {"product": product})


def _with(account: Account, holding: Holding) -> Account:
    """Return the account with one thing added or replaced."""
    match holding:
        case HeldSubscription():
            return replace(account, subscriptions=_put(account.subscriptions, holding))
        case AccountOverride():
            return replace(account, overrides=_put(account.overrides, holding))
        case AccountSuspension():
            return replace(account, suspensions=_put(account.suspensions, holding))
        case AccountPromotion():
            return replace(account, promotions=_put(account.promotions, holding))


def _put(holdings: tuple[AnyHolding, ...], holding: AnyHolding) -> tuple[AnyHolding, ...]:
    others = tuple(each for each in holdings if each.id != holding.id)
    return others + (holding,)  # noqa: RUF005 - mypy cannot type the unpacking


def ended(holding: AnyHolding, window: Window, at_ms: Millis | None, now_ms: Millis) -> Window:
    """Return a window that ends at an instant, now when none is given; Conflict when it began later or has ended before that instant.

    What is to end now and is over already stays as it is, so the write changes nothing (semantics H1).
    """
    start, end = window
    until = now_ms if at_ms is None else at_ms
    if end is not None and end <= until:
        if at_ms is None:
            return window
        raise Conflict("at", f"{holding.id!r} ended before that", "Nothing needs to be done")
    if start is not None and start >= until:
        raise Conflict("at", f"{holding.id!r} begins only after that", "Give a later date, or replace its window")
    return Window(start, until)
