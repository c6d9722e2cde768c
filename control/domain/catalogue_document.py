"""Reads products, features, plan and add-on versions from their document form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from control.domain.catalogue import UNCHOSEN, CatalogueFeature, LadderChoice, Offer, Product
from control.domain.fields import Fields, Findings, at
from control.domain.values import read_grant_value, read_value
from entitlements.policy.ids import FeatureKey, PlanRef, ProductId, id_problem
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    FeatureKind,
    OnTooStale,
    PlanEntitlement,
    Promotion,
    SubscriptionState,
    Value,
    ValueType,
)

KINDS: Final = {kind.name.lower(): kind for kind in FeatureKind}
TYPES: Final = {kind.name.lower(): kind for kind in ValueType}
RULES: Final = {rule.name.lower(): rule for rule in CombineRule}
RUNGS: Final = {rung.name.lower(): rung for rung in OnTooStale}
LEVELS: Final = {level.name: level for level in AccessLevel}
STATES: Final = {state.name: state for state in SubscriptionState}
RULES_OF_TYPE: Final[Mapping[ValueType, tuple[CombineRule, ...]]] = {
    ValueType.BOOL: (CombineRule.ANY,),
    ValueType.INT: (CombineRule.MAX, CombineRule.MIN, CombineRule.SUM, CombineRule.ANY),
    ValueType.STRING: (CombineRule.ANY,),
    ValueType.LIST: (CombineRule.ANY, CombineRule.UNION),
}
"""The combining rules that make sense for a type; the first is the default (semantics B5)."""

PRODUCT_FIELDS: Final = frozenset({"key", "name", "contact", "ladder", "state_access"})
SHELF_FIELDS: Final = PRODUCT_FIELDS | {"features", "plans", "addons"}
FEATURE_FIELDS: Final = frozenset(
    {
        "key",
        "name",
        "kind",
        "type",
        "combine",
        "default",
        "core",
        "ladder",
        "available_when",
        "requires",
        "retired_at",
        "promotions",
    }
)
OFFER_FIELDS: Final = frozenset({"key", "name", "version", "rank", "entitlements"})
VERSION_MAX: Final = (1 << 31) - 1


def read_product(fields: Fields) -> Product:
    """Return the product that a mapping describes, without what is on its shelf."""
    access: dict[SubscriptionState, AccessLevel] = {}
    for word, level, path in fields.entries("state_access"):
        if word not in STATES:
            fields.findings.refuse(path, "is not a state of a subscription", f"Use one of {', '.join(STATES)}")
        elif not isinstance(level, str) or level not in LEVELS:
            fields.findings.refuse(path, "is not an access level", f"Use one of {', '.join(LEVELS)}")
        else:
            access[STATES[word]] = LEVELS[level]
    return Product(
        key=ProductId(fields.ident("key")),
        name=fields.text("name"),
        contact=fields.text("contact"),
        ladder=_ladder(fields),
        state_access=access,
    )


def _ladder(outer: Fields) -> LadderChoice:
    if "ladder" not in outer:
        return UNCHOSEN
    allowed = {"fresh_for", "stale_ok_for", "on_too_stale"}
    fields = Fields(outer.findings, outer.raw("ladder"), at(outer.path, "ladder"), allowed)
    return LadderChoice(
        fields.duration("fresh_for"), fields.duration("stale_ok_for"), fields.choice("on_too_stale", RUNGS, None)
    )


def read_feature(findings: Findings, value: object, path: str) -> CatalogueFeature | None:
    """Return the feature that a mapping describes; None when it is too broken to refer to."""
    fields = Fields(findings, value, path, FEATURE_FIELDS)
    key = fields.ident("key")
    if "kind" not in fields:
        fields.missing("kind", "Write switch or config")
    kind = fields.choice("kind", KINDS, None)
    if not key or kind is None:
        return None
    value_type, combine = _typing(fields, kind)
    core = fields.flag("core")
    default: Value | None = None
    if value_type is not None and "default" in fields:
        default = read_value(findings, fields.raw("default"), at(path, "default"), value_type)
    elif value_type is not None and core:
        fields.missing("default", "A core config feature needs the value that every customer has")
    feature = CatalogueFeature(
        key=FeatureKey(key),
        name=fields.text("name") or key,
        kind=kind,
        core=core,
        value_type=value_type,
        combine=combine,
        default=default,
        ladder=_ladder(fields),
        available_when=fields.condition("available_when"),
        requires=_requires(fields, key),
        retired_at_ms=fields.instant("retired_at"),
    )
    if kind is FeatureKind.CONFIG and value_type is None:
        return None  # its values cannot be judged; the mistake is noted
    return _with_promotions(feature, fields)


def _typing(fields: Fields, kind: FeatureKind) -> tuple[ValueType | None, CombineRule | None]:
    if kind is FeatureKind.SWITCH:
        for name in ("type", "combine", "default"):
            if name in fields:
                fields.refuse(name, "is given for a switch", "Remove it, or make the feature a config feature")
        return None, None
    if "type" not in fields:
        fields.missing("type", f"Write one of {', '.join(TYPES)}")
    value_type = fields.choice("type", TYPES, None)
    if value_type is None:
        return None, None
    rules = RULES_OF_TYPE[value_type]
    combine = fields.choice("combine", RULES, rules[0])
    if combine is not None and combine not in rules:
        words = ", ".join(rule.name.lower() for rule in rules)
        fields.refuse("combine", f"does not fit the type {value_type.name.lower()}", f"Use one of {words}")
    return value_type, combine


def _requires(fields: Fields, key: str) -> tuple[FeatureKey, ...]:
    required: set[FeatureKey] = set()
    for element, path in fields.each("requires"):
        if not isinstance(element, str) or id_problem(element) is not None:
            fields.findings.refuse(path, "is not the key of a feature", "Write the key of a feature of this product")
        elif element == key:
            fields.findings.refuse(path, "is the feature itself", "Remove it")
        else:
            required.add(FeatureKey(element))
    return tuple(sorted(required))


def _with_promotions(feature: CatalogueFeature, fields: Fields) -> CatalogueFeature:
    promotions: list[Promotion] = []
    for element, path in fields.each("promotions"):
        inner = Fields(fields.findings, element, path, {"id", "value", "from", "until", "when"})
        value = read_grant_value(fields.findings, inner.raw("value"), at(path, "value"), feature, required=True)
        promotion = Promotion(inner.ident("id"), feature.key, value, inner.window(), inner.condition("when"))
        if promotion.id and any(promotion.id == other.id for other in promotions):
            inner.refuse("id", f"{promotion.id!r} stands twice", "Give every promotion of a feature its own id")
        promotions.append(promotion)
    if not promotions:
        return feature
    return replace(feature, promotions=tuple(sorted(promotions, key=lambda promotion: promotion.id)))


def read_offer(
    findings: Findings, value: object, path: str, features: Mapping[FeatureKey, CatalogueFeature], *, addon: bool
) -> Offer | None:
    """Return the plan or add-on version that a mapping describes; None when it is too broken to refer to."""
    fields = Fields(findings, value, path, OFFER_FIELDS)
    key = fields.ident("key")
    entitlements: dict[FeatureKey, PlanEntitlement] = {}
    for name, element, inner_path in fields.entries("entitlements"):
        feature = features.get(FeatureKey(name))
        if feature is None:
            findings.refuse(inner_path, "is not a feature of this product", "Declare it under `features`, or remove it")
            continue
        entitlements[feature.key] = _entitlement(findings, element, inner_path, feature)
    version = fields.whole("version", None, 1, VERSION_MAX)
    if "@" in key:
        fields.refuse("key", "holds an @", "An @ separates key and version; use another character")
        return None
    if not key:
        return None
    return Offer(
        key=key,
        name=fields.text("name") or key,
        version=version,
        addon=addon,
        rank=fields.whole("rank", 0, 0, VERSION_MAX),
        entitlements={feature: entitlements[feature] for feature in sorted(entitlements)},
    )


def _entitlement(findings: Findings, element: object, path: str, feature: CatalogueFeature) -> PlanEntitlement:
    if not isinstance(element, Mapping):
        value = read_grant_value(findings, element, path, feature, required=True)
        if feature.kind is FeatureKind.SWITCH and element is None:
            findings.refuse(path, "has no value", "Write true")
        return PlanEntitlement(feature.key, value)
    fields = Fields(findings, element, path, {"value", "when"})
    value = read_grant_value(findings, fields.raw("value"), at(path, "value"), feature, required=True)
    return PlanEntitlement(feature.key, value, fields.condition("when"))


def parse_ref(text: object) -> PlanRef | None:
    """Return ``KEY@VERSION`` or None when the text is not one."""
    if not isinstance(text, str):
        return None
    key, separator, version = text.rpartition("@")
    if not separator or id_problem(key) is not None or "@" in key or len(version) > 10:
        return None
    if not (version.isascii() and version.isdigit()) or version.startswith("0") or int(version) > VERSION_MAX:
        return None
    return PlanRef(text)


def check_requires(
    findings: Findings, features: Mapping[FeatureKey, CatalogueFeature], paths: Mapping[FeatureKey, str]
) -> None:
    """Note features that require unknown features, or each other in a circle; ``paths`` are the ones to look at."""
    for key, path in paths.items():
        for required in features[key].requires:
            if required not in features:
                findings.refuse(
                    at(path, "requires"), f"{required!r} is not a feature of this product", "Declare it, or remove it"
                )
    for key, path in paths.items():
        circle = _circle(features, key)
        if circle:
            findings.refuse(
                at(path, "requires"), f"goes in a circle: {' -> '.join(circle)}", "Remove one of these requirements"
            )


def _circle(features: Mapping[FeatureKey, CatalogueFeature], start: FeatureKey) -> Sequence[FeatureKey]:
    """Return the way from a feature back to itself along `requires`, empty when there is none."""
    waiting: list[tuple[FeatureKey, ...]] = [(start,)]
    seen: set[FeatureKey] = set()
    while waiting:
        way = waiting.pop()
        feature = features.get(way[-1])
        for required in feature.requires if feature else ():
            if required == start:
                return (*way, start)
            if required not in seen:
                seen.add(required)
                waiting.append((*way, required))
    return ()
