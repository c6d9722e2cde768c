"""Commands on subscriptions: begin, change, suspend, end; each with its date, each one delta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from control.domain import subscription as life
from control.domain import timeline
from control.domain.account import Account, HeldSubscription
from control.domain.catalogue import Shelf
from control.domain.catalogue_document import VERSION_MAX, parse_ref
from control.domain.errors import Conflict, Invalid
from control.domain.fields import Findings
from control.domain.subscription_document import read_subscription
from control.handlers.holdings import find_holding, product_of_holding, save_holding
from control.handlers.result import Result
from control.handlers.specs import keyed
from control.handlers.suspensions import put_suspension
from control.store.accounts import load_account
from control.store.shelves import load_offer_shelf
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis, PlanRef, ProductId
from entitlements.policy.model import SubscriptionItem, Window

Change = Callable[[HeldSubscription, Millis, Shelf], HeldSubscription]


def put_subscription(
    uow: UnitOfWork, customer: str, id_: str, spec: Mapping[str, Any], expected: int | None = None
) -> Result:
    """Create or replace a subscription with its items and its whole timeline.

    Raises NotFound (customer, product), Invalid, Conflict (another product), StaleRevision.
    """
    product = str(spec.get("product", ""))
    uow.lock(*([product] if product else []))
    account = load_account(uow.connection, customer)
    items = spec.get("items") or []
    named = (
        {parse_ref(item.get("ref")) for item in items if isinstance(item, Mapping)}
        if isinstance(items, list)
        else set()
    )
    catalogue = {}
    if product:
        refs = [ref for ref in named if ref is not None]
        catalogue[ProductId(product)] = load_offer_shelf(uow.connection, product, refs)
    findings = Findings(uow.now_ms)
    subscription = read_subscription(findings, keyed(findings, "id", id_, spec), "", catalogue)
    if findings.problems:
        raise Invalid(findings.problems)
    return save_holding(uow, "subscriptions", account, subscription, product, "put", expected)


def start_subscription(
    uow: UnitOfWork, customer: str, id_: str, product: str, items: Mapping[str, int], terms: life.Terms
) -> Result:
    """Begin a subscription: ``items`` is KEY@VERSION to quantity.

    Raises NotFound (customer, product), Conflict when a version is not published, the id is taken or dates are out of order.
    """
    uow.lock(product)
    account = load_account(uow.connection, customer)
    if find_holding(uow, "subscriptions", customer, id_) is not None:
        raise Conflict("id", f"{id_!r} is taken", "Use another id, or change that subscription")
    shelf = load_offer_shelf(uow.connection, product, [PlanRef(ref) for ref in items])
    held = tuple(SubscriptionItem(_known(shelf, ref), _amount(amount)) for ref, amount in items.items())
    plans = [item.ref for item in held if not shelf.offers[item.ref].addon]
    if len(plans) != 1:
        raise Conflict(
            "items", f"hold {len(plans)} plan versions", "Name exactly one plan version, and any add-on versions"
        )
    begun = life.start(id_, ProductId(product), held, terms, Millis(uow.now_ms))
    return save_holding(uow, "subscriptions", account, begun, product, "start", 0)


def _known(shelf: Shelf, ref: str, field: str = "ref") -> PlanRef:
    if PlanRef(ref) not in shelf.offers:
        raise Conflict(field, f"{ref!r} is not a published version of {shelf.product.key!r}", "Publish it first")
    return PlanRef(ref)


def _amount(quantity: int) -> int:
    if not 1 <= quantity <= VERSION_MAX:
        raise Conflict("quantity", f"is {quantity}", f"Use a whole number from 1 to {VERSION_MAX}")
    return quantity


def _change(
    uow: UnitOfWork, customer: str, id_: str, action: str, change: Change, expected: int | None, *refs: str
) -> Result:
    """Load under the lock, let the domain decide, save."""
    product = product_of_holding(uow, "subscriptions", customer, id_)
    uow.lock(product)
    account = load_account(uow.connection, customer)
    held = _held(account, id_)
    wanted = {item.ref for item in held.items} | {PlanRef(ref) for ref in refs}
    shelf = load_offer_shelf(uow.connection, product, wanted)
    changed = change(held, Millis(uow.now_ms), shelf)
    return save_holding(uow, "subscriptions", account, changed, product, action, expected)


def _held(account: Account, id_: str) -> HeldSubscription:
    return next(subscription for subscription in account.subscriptions if subscription.id == id_)


def change_plan(
    uow: UnitOfWork,
    customer: str,
    id_: str,
    ref: str,
    at_ms: Millis | None = None,
    quantity: int | None = None,
    expected: int | None = None,
) -> Result:
    """Move to another plan version, now or at a date. Raises NotFound, Conflict, StaleRevision, as all changes here."""

    def change(held: HeldSubscription, now: Millis, shelf: Shelf) -> HeldSubscription:
        if shelf.offers[_known(shelf, ref)].addon:
            raise Conflict("ref", f"{ref!r} is an add-on", "Name a plan version")
        addons = {offer.ref for offer in shelf.offers.values() if offer.addon}
        amount = None if quantity is None else _amount(quantity)
        return life.change_plan(held, at_ms if at_ms is not None else now, PlanRef(ref), amount, addons)

    return _change(uow, customer, id_, "change_plan", change, expected, ref)


def add_addon(
    uow: UnitOfWork,
    customer: str,
    id_: str,
    ref: str,
    quantity: int = 1,
    window: Window | None = None,
    expected: int | None = None,
) -> Result:
    """Hold an add-on version, from now on when no window is given."""

    def change(held: HeldSubscription, now: Millis, shelf: Shelf) -> HeldSubscription:
        if not shelf.offers[_known(shelf, ref)].addon:
            raise Conflict("ref", f"{ref!r} is a plan", "Change the plan instead")
        item = SubscriptionItem(PlanRef(ref), _amount(quantity), window or Window(now, None))
        return life.add_addon(held, item, now)

    return _change(uow, customer, id_, "add_addon", change, expected, ref)


def remove_addon(
    uow: UnitOfWork, customer: str, id_: str, ref: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """Stop holding an add-on version, now or at a date."""

    def change(held: HeldSubscription, now: Millis, shelf: Shelf) -> HeldSubscription:
        if PlanRef(ref) in shelf.offers and not shelf.offers[PlanRef(ref)].addon:
            raise Conflict("ref", f"{ref!r} is a plan", "Change the plan, or cancel the subscription")
        return life.remove_addon(held, PlanRef(ref), at_ms if at_ms is not None else now, now)

    return _change(uow, customer, id_, "remove_addon", change, expected, ref)


def convert_trial(
    uow: UnitOfWork, customer: str, id_: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """Let a trial become a paying subscription, at its end when no date is given."""
    return _change(
        uow, customer, id_, "convert_trial", lambda held, now, _: timeline.convert_trial(held, at_ms, now), expected
    )


def extend_trial(uow: UnitOfWork, customer: str, id_: str, until_ms: Millis, expected: int | None = None) -> Result:
    """Move a trial's end."""
    return _change(
        uow, customer, id_, "extend_trial", lambda held, now, _: timeline.extend_trial(held, until_ms, now), expected
    )


def cancel(
    uow: UnitOfWork, customer: str, id_: str, at_ms: Millis | None = None, expected: int | None = None
) -> Result:
    """End a subscription, now or at a date until which it stays as it is."""

    def change(held: HeldSubscription, now: Millis, _: Shelf) -> HeldSubscription:
        return timeline.cancel(held, at_ms if at_ms is not None else now, now)

    return _change(uow, customer, id_, "cancel", change, expected)


def uncancel(uow: UnitOfWork, customer: str, id_: str, expected: int | None = None) -> Result:
    """Take back a cancellation that has not come yet."""
    return _change(uow, customer, id_, "uncancel", lambda held, now, _: timeline.uncancel(held, now), expected)


def mark_past_due(
    uow: UnitOfWork,
    customer: str,
    id_: str,
    grace_until_ms: Millis,
    at_ms: Millis | None = None,
    expected: int | None = None,
) -> Result:
    """Note a failed payment: access in grace until a date, none after it, unless `activate` comes first."""

    def change(held: HeldSubscription, now: Millis, _: Shelf) -> HeldSubscription:
        return timeline.mark_past_due(held, at_ms if at_ms is not None else now, grace_until_ms, now)

    return _change(uow, customer, id_, "mark_past_due", change, expected)


def activate(
    uow: UnitOfWork,
    customer: str,
    id_: str,
    at_ms: Millis | None = None,
    until_ms: Millis | None = None,
    expected: int | None = None,
) -> Result:
    """Let a pending, past due or scheduled subscription be active."""

    def change(held: HeldSubscription, now: Millis, _: Shelf) -> HeldSubscription:
        return timeline.activate(held, at_ms if at_ms is not None else now, until_ms, now)

    return _change(uow, customer, id_, "activate", change, expected)


def renew(
    uow: UnitOfWork,
    customer: str,
    id_: str,
    at_ms: Millis | None = None,
    until_ms: Millis | None = None,
    expected: int | None = None,
) -> Result:
    """Begin another term, or let the running one end later."""

    def change(held: HeldSubscription, now: Millis, _: Shelf) -> HeldSubscription:
        return timeline.renew(held, at_ms if at_ms is not None else now, until_ms, now)

    return _change(uow, customer, id_, "renew", change, expected)


def suspend(
    uow: UnitOfWork, customer: str, id_: str, suspension_id: str, spec: Mapping[str, Any], expected: int | None = 0
) -> Result:
    """Restrict one subscription; `suspensions.end_suspension` reinstates it.

    The spec is that of a suspension without scope and target. Raises as `suspensions.put_suspension` does.
    """
    form = {**spec, "scope": "subscription", "target": id_}
    return put_suspension(uow, customer, suspension_id, form, expected)
