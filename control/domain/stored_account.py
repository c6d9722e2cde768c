"""Document forms of customers and what belongs to them, both ways, for what was judged before it was stored."""

from __future__ import annotations

from collections.abc import Iterable

from control.domain.account import (
    Account,
    AccountOverride,
    AccountPromotion,
    AccountSuspension,
    HeldSubscription,
    StateSpan,
)
from control.domain.account_document import EFFECTS, SCOPES, SUSPENSION_LEVELS
from control.domain.catalogue_document import STATES
from control.domain.forms import (
    Form,
    FormView,
    kept,
    render_at,
    render_dates,
    render_granted,
    render_when,
    restore_at,
    restore_granted,
    restore_when,
    restore_window,
)
from control.domain.values import render_attribute, restore_attribute
from entitlements.policy.ids import CustomerId, FeatureKey, PlanRef, ProductId
from entitlements.policy.model import SubscriptionItem


def render_account(account: Account) -> Form:
    """Return the form of a customer without what belongs to it."""
    attributes = {name: render_attribute(account.attributes[name]) for name in sorted(account.attributes)}
    form = kept({"id": account.id, "name": account.name, "attributes": attributes})
    return {**form, **({"archived": True} if account.archived else {})}


def restore_account(
    form: FormView,
    subscriptions: Iterable[FormView] = (),
    overrides: Iterable[FormView] = (),
    suspensions: Iterable[FormView] = (),
    promotions: Iterable[FormView] = (),
) -> Account:
    """Return the customer of a form with everything that belongs to it."""
    return Account(
        id=CustomerId(form["id"]),
        name=form.get("name", ""),
        archived=form.get("archived", False),
        attributes={name: restore_attribute(value) for name, value in form.get("attributes", {}).items()},
        subscriptions=tuple(map(restore_subscription, subscriptions)),
        overrides=tuple(map(restore_override, overrides)),
        suspensions=tuple(map(restore_suspension, suspensions)),
        promotions=tuple(map(restore_promotion, promotions)),
    )


def render_subscription(subscription: HeldSubscription) -> Form:
    """Return the form of a subscription."""
    form = {
        "id": subscription.id,
        "product": subscription.product,
        "items": [
            {"ref": item.ref, "quantity": item.quantity, **kept(render_dates(item.window))}
            for item in subscription.items
        ],
        "timeline": [
            kept({"state": span.state.name, **render_dates(span.window), "cause": span.cause})
            for span in subscription.timeline
        ],
        "cancel_at": render_at(subscription.cancel_at_ms),
    }
    return kept(form)


def restore_subscription(form: FormView) -> HeldSubscription:
    """Return the subscription of a form."""
    return HeldSubscription(
        id=form["id"],
        product=ProductId(form["product"]),
        items=tuple(
            SubscriptionItem(PlanRef(item["ref"]), item["quantity"], restore_window(item)) for item in form["items"]
        ),
        timeline=tuple(
            StateSpan(STATES[span["state"]], restore_window(span), span.get("cause", "")) for span in form["timeline"]
        ),
        cancel_at_ms=restore_at(form.get("cancel_at")),
    )


def render_override(override: AccountOverride) -> Form:
    """Return the form of an override."""
    head = {"id": override.id, "product": override.product, "feature": override.feature}
    rest = kept({**render_dates(override.window), "reason": override.reason})
    return {**head, "effect": override.effect.name.lower(), **render_granted(override.value), **rest}


def restore_override(form: FormView) -> AccountOverride:
    """Return the override of a form."""
    return AccountOverride(
        id=form["id"],
        product=ProductId(form["product"]),
        feature=FeatureKey(form["feature"]),
        effect=EFFECTS[form["effect"]],
        value=restore_granted(form),
        window=restore_window(form),
        reason=form.get("reason", ""),
    )


def render_suspension(suspension: AccountSuspension) -> Form:
    """Return the form of a suspension."""
    form = {
        "id": suspension.id,
        "scope": suspension.scope.name.lower(),
        "product": suspension.product,
        "target": suspension.target,
        "cause": suspension.cause,
        "access": suspension.access.name.lower(),
        **render_dates(suspension.window),
        "reason": suspension.reason,
    }
    return kept(form)


def restore_suspension(form: FormView) -> AccountSuspension:
    """Return the suspension of a form."""
    return AccountSuspension(
        id=form["id"],
        scope=SCOPES[form["scope"]],
        cause=form["cause"],
        access=SUSPENSION_LEVELS[form["access"]],
        target=form.get("target", ""),
        product=ProductId(form["product"]) if "product" in form else None,
        window=restore_window(form),
        reason=form.get("reason", ""),
    )


def render_promotion(promotion: AccountPromotion) -> Form:
    """Return the form of a promotion."""
    head = {"id": promotion.id, "product": promotion.product, "feature": promotion.feature}
    rest = kept({**render_dates(promotion.window), "when": render_when(promotion.condition)})
    return {**head, **render_granted(promotion.value), **rest}


def restore_promotion(form: FormView) -> AccountPromotion:
    """Return the promotion of a form."""
    return AccountPromotion(
        id=form["id"],
        product=ProductId(form["product"]),
        feature=FeatureKey(form["feature"]),
        value=restore_granted(form),
        window=restore_window(form),
        condition=restore_when(form),
    )
