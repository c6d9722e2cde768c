"""Reads customers with their subscriptions, overrides, suspensions and promotions from their document form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from control.domain.account import (
    Account,
    AccountOverride,
    AccountPromotion,
    AccountSuspension,
    windows_meet,
)
from control.domain.catalogue import Catalogue, CatalogueFeature, Shelf
from control.domain.fields import Fields, Findings, at
from control.domain.subscription_document import CAUSES, read_shelf, read_subscription
from control.domain.values import read_attributes, read_grant_value
from entitlements.policy.ids import CustomerId, FeatureKey, ProductId
from entitlements.policy.model import (
    AccessLevel,
    OverrideEffect,
    SuspensionScope,
)

EFFECTS: Final = {effect.name.lower(): effect for effect in OverrideEffect}
SCOPES: Final = {scope.name.lower(): scope for scope in SuspensionScope}

SUSPENSION_LEVELS: Final = {
    level.name.lower(): level for level in (AccessLevel.NONE, AccessLevel.READ_ONLY, AccessLevel.GRACE)
}
ACCOUNT_FIELDS: Final = frozenset(
    {"id", "name", "archived", "attributes", "subscriptions", "overrides", "suspensions", "promotions"}
)
OVERRIDE_FIELDS: Final = frozenset({"id", "product", "feature", "effect", "value", "from", "until", "reason"})
SUSPENSION_FIELDS: Final = frozenset({"id", "scope", "product", "target", "cause", "access", "from", "until", "reason"})
PROMOTION_FIELDS: Final = frozenset({"id", "product", "feature", "value", "from", "until", "when"})


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_Part = TypeVar("_Part", bound=_Identified)


def read_account(findings: Findings, value: object, path: str, catalogue: Catalogue) -> Account:
    """Return the customer that a mapping describes; what it refers to must be in the catalogue."""
    fields = Fields(findings, value, path, ACCOUNT_FIELDS)
    subscriptions = _parts(fields, "subscriptions", catalogue, read_subscription)
    overrides = _parts(fields, "overrides", catalogue, read_override)
    suspensions = _parts(fields, "suspensions", catalogue, read_suspension)
    for index, suspension in enumerate(suspensions):
        if suspension.scope is SuspensionScope.SUBSCRIPTION and all(s.id != suspension.target for s in subscriptions):
            here = f"{at(path, 'suspensions')}[{index}].target"
            findings.refuse(here, "is not a subscription of this customer", "Write the id of one of its subscriptions")
    check_overlapping_overrides(findings, overrides, at(path, "overrides"))
    return Account(
        id=CustomerId(fields.ident("id")),
        name=fields.text("name"),
        archived=fields.flag("archived"),
        attributes=read_attributes(fields, "attributes"),
        subscriptions=subscriptions,
        overrides=overrides,
        suspensions=suspensions,
        promotions=_parts(fields, "promotions", catalogue, read_promotion),
    )


def _parts(
    fields: Fields, name: str, catalogue: Catalogue, read: Callable[[Findings, object, str, Catalogue], _Part]
) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    seen: set[str] = set()
    for value, path in fields.each(name):
        part = read(fields.findings, value, path, catalogue)
        if part.id and part.id in seen:
            fields.findings.refuse(at(path, "id"), f"{part.id!r} stands twice", "Give each its own id")
        seen.add(part.id)
        parts.append(part)
    return tuple(parts)


def _feature(fields: Fields, shelf: Shelf | None, name: str = "feature") -> CatalogueFeature | None:
    key = fields.ident(name)
    if not key or shelf is None:
        return None
    feature = shelf.features.get(FeatureKey(key))
    if feature is None:
        fields.refuse(
            name, f"{key!r} is not a feature of {shelf.product.key!r}", "Declare it, or write one that exists"
        )
    return feature


def read_override(findings: Findings, value: object, path: str, catalogue: Catalogue) -> AccountOverride:
    """Return an override."""
    fields = Fields(findings, value, path, OVERRIDE_FIELDS)
    shelf = read_shelf(fields, catalogue)
    feature = _feature(fields, shelf)
    effect = fields.choice("effect", EFFECTS, OverrideEffect.ALLOW) or OverrideEffect.ALLOW
    granted = None
    if effect is OverrideEffect.DENY and "value" in fields:
        fields.refuse("value", "is given with the effect deny", "Remove it, or write effect: allow")
    elif feature is not None:
        granted = read_grant_value(findings, fields.raw("value"), at(path, "value"), feature, required=False)
    return AccountOverride(
        id=fields.ident("id"),
        product=shelf.product.key if shelf else ProductId(""),
        feature=feature.key if feature else FeatureKey(""),
        effect=effect,
        value=granted,
        window=fields.window(),
        reason=fields.text("reason"),
    )


def check_overlapping_overrides(findings: Findings, overrides: Sequence[AccountOverride], path: str) -> None:
    """Note two overrides that would be live on one feature at one time (semantics B4)."""
    of_feature: dict[tuple[str, str], list[AccountOverride]] = {}
    for index, override in enumerate(overrides):
        others = of_feature.setdefault((override.product, override.feature), [])
        for other in others:
            if override.feature and windows_meet(override.window, other.window):
                problem = f"is live at the same time as {other.id!r} on the feature {override.feature!r}"
                findings.refuse(
                    f"{path}[{index}]", problem, "End the other one first, or choose windows that do not meet"
                )
        others.append(override)


def read_suspension(findings: Findings, value: object, path: str, catalogue: Catalogue) -> AccountSuspension:
    """Return a suspension; whether a subscription is the customer's own is checked with the customer."""
    fields = Fields(findings, value, path, SUSPENSION_FIELDS)
    if "scope" not in fields:
        fields.missing("scope", f"Write one of {', '.join(SCOPES)}")
    scope = fields.choice("scope", SCOPES, None)
    if "cause" not in fields:
        fields.missing("cause", f"Write one of {', '.join(CAUSES)}")
    target, product = "", None
    if scope is SuspensionScope.FEATURE:
        shelf = read_shelf(fields, catalogue)
        product = shelf.product.key if shelf else ProductId("")
        feature = _feature(fields, shelf, "target")
        target = feature.key if feature else ""
    elif scope is SuspensionScope.SUBSCRIPTION:
        target = fields.ident("target")
    for name in _foreign(scope):
        if name in fields:
            fields.refuse(name, f"is given for the scope {scope.name.lower() if scope else ''}", "Remove it")
    return AccountSuspension(
        id=fields.ident("id"),
        scope=scope or SuspensionScope.CUSTOMER,
        cause=fields.choice("cause", CAUSES, None) or "other",
        access=fields.choice("access", SUSPENSION_LEVELS, AccessLevel.NONE) or AccessLevel.NONE,
        target=target,
        product=product,
        window=fields.window(),
        reason=fields.text("reason"),
    )


_FOREIGN: Final[Mapping[SuspensionScope, tuple[str, ...]]] = {
    SuspensionScope.CUSTOMER: ("product", "target"),
    SuspensionScope.SUBSCRIPTION: ("product",),
    SuspensionScope.FEATURE: (),
}


def _foreign(scope: SuspensionScope | None) -> tuple[str, ...]:
    return _FOREIGN[scope] if scope else ()


def read_promotion(findings: Findings, value: object, path: str, catalogue: Catalogue) -> AccountPromotion:
    """Return a promotion of one customer."""
    fields = Fields(findings, value, path, PROMOTION_FIELDS)
    shelf = read_shelf(fields, catalogue)
    feature = _feature(fields, shelf)
    granted = None
    if feature is not None:
        granted = read_grant_value(findings, fields.raw("value"), at(path, "value"), feature, required=True)
    return AccountPromotion(
        id=fields.ident("id"),
        product=shelf.product.key if shelf else ProductId(""),
        feature=feature.key if feature else FeatureKey(""),
        value=granted,
        window=fields.window(),
        condition=fields.condition("when"),
    )
