"""Document forms of products, features and versions, both ways, for what was judged before it was stored.

`render_*` gives the canonical form: defaults and empty fields are left out, lists that are sets are sorted. `restore_*` gives the domain
object back and trusts its input; a document from outside goes through `document` instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from control.domain.catalogue import CatalogueFeature, LadderChoice, Offer, Product
from control.domain.catalogue_document import KINDS, LEVELS, RULES, RUNGS, STATES, TYPES
from control.domain.forms import (
    Form,
    FormView,
    kept,
    render_at,
    render_dates,
    render_duration,
    render_granted,
    render_when,
    restore_at,
    restore_duration,
    restore_granted,
    restore_when,
    restore_window,
)
from control.domain.values import render_value, restore_value
from entitlements.policy.ids import FeatureKey, ProductId
from entitlements.policy.model import FeatureKind, PlanEntitlement, Promotion


def _ladder(ladder: LadderChoice) -> Form:
    rung = ladder.on_too_stale
    form = {
        "fresh_for": None if ladder.fresh_for_ms is None else render_duration(ladder.fresh_for_ms),
        "stale_ok_for": None if ladder.stale_ok_for_ms is None else render_duration(ladder.stale_ok_for_ms),
        "on_too_stale": rung.name.lower() if rung else None,
    }
    return kept(form)


def _restore_ladder(form: FormView) -> LadderChoice:
    ladder = form.get("ladder", {})
    rung = ladder.get("on_too_stale")
    return LadderChoice(
        restore_duration(ladder.get("fresh_for")),
        restore_duration(ladder.get("stale_ok_for")),
        RUNGS[rung] if rung else None,
    )


def render_product(product: Product) -> Form:
    """Return the form of a product without its shelf."""
    access = {state.name: product.state_access[state].name for state in sorted(product.state_access)}
    return kept(
        {
            "key": product.key,
            "name": product.name,
            "contact": product.contact,
            "ladder": _ladder(product.ladder),
            "state_access": access,
        }
    )


def restore_product(form: FormView) -> Product:
    """Return the product of a form."""
    access = {STATES[state]: LEVELS[level] for state, level in form.get("state_access", {}).items()}
    return Product(ProductId(form["key"]), form.get("name", ""), form.get("contact", ""), _restore_ladder(form), access)


def render_feature(feature: CatalogueFeature) -> Form:
    """Return the form of a feature."""
    form = {
        "key": feature.key,
        "name": feature.name,
        "kind": feature.kind.name.lower(),
        "type": feature.value_type.name.lower() if feature.value_type else None,
        "combine": feature.combine.name.lower() if feature.combine else None,
        "ladder": _ladder(feature.ladder),
        "available_when": render_when(feature.available_when),
        "requires": list(feature.requires),
        "retired_at": render_at(feature.retired_at_ms),
        "promotions": [
            {
                "id": promotion.id,
                **render_granted(promotion.value),
                **kept({**render_dates(promotion.window), "when": render_when(promotion.condition)}),
            }
            for promotion in feature.promotions
        ],
    }
    default = {} if feature.default is None else {"default": render_value(feature.default)}
    return {**kept(form), **default, **({"core": True} if feature.core else {})}


def restore_feature(form: FormView) -> CatalogueFeature:
    """Return the feature of a form."""
    key = FeatureKey(form["key"])
    kind = KINDS[form["kind"]]
    config = kind is FeatureKind.CONFIG
    return CatalogueFeature(
        key=key,
        name=form["name"],
        kind=kind,
        core=form.get("core", False),
        value_type=TYPES[form["type"]] if config else None,
        combine=RULES[form["combine"]] if config else None,
        default=restore_granted(form, "default"),
        ladder=_restore_ladder(form),
        available_when=restore_when(form, "available_when"),
        requires=tuple(FeatureKey(required) for required in form.get("requires", ())),
        retired_at_ms=restore_at(form.get("retired_at")),
        promotions=tuple(
            Promotion(each["id"], key, restore_granted(each), restore_window(each), restore_when(each))
            for each in form.get("promotions", ())
        ),
    )


def render_offer(offer: Offer) -> Form:
    """Return the form of a plan or add-on version."""
    granted: Form = {}
    for feature, entitlement in sorted(offer.entitlements.items()):
        plain = True if entitlement.value is None else render_value(entitlement.value)
        if entitlement.condition is None:
            granted[feature] = plain
        else:
            granted[feature] = {"value": plain, "when": render_when(entitlement.condition)}
    head = {"key": offer.key, "name": offer.name, "version": offer.version}
    return {**head, **({"rank": offer.rank} if offer.rank else {}), "entitlements": granted}


def restore_offer(form: FormView, features: Mapping[FeatureKey, CatalogueFeature], *, addon: bool) -> Offer:
    """Return the plan or add-on version of a form; the features tell a switch from a value of true."""
    entitlements: dict[FeatureKey, PlanEntitlement] = {}
    for name, element in form["entitlements"].items():
        key = FeatureKey(name)
        plain, condition = element, None
        if isinstance(element, dict):
            plain, condition = element["value"], restore_when(element)
        switch = features[key].kind is FeatureKind.SWITCH
        entitlements[key] = PlanEntitlement(key, None if switch else restore_value(plain), condition)
    return Offer(form["key"], form["name"], form["version"], addon, form.get("rank", 0), entitlements)
