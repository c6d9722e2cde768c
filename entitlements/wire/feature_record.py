"""Feature records (``f/FEATURE``) and promotions to and from protobuf."""

from __future__ import annotations

from typing import Final

from entitlements.policy.ids import FeatureKey, Millis, ProductId
from entitlements.policy.model import (
    CombineRule,
    Feature,
    FeatureKind,
    Ladder,
    OnTooStale,
    Promotion,
    Unlimited,
    Value,
    ValueType,
)
from entitlements.v1 import policy_pb2
from entitlements.wire.condition_tree import condition_into, condition_of
from entitlements.wire.literals import (
    Misshapen,
    checked_id,
    each,
    member_of,
    members,
    number_of,
    value_into,
    value_of,
    window_into,
    window_of,
)

_KINDS: Final = members(FeatureKind)
_TYPES: Final = members(ValueType)
_RULES: Final = members(CombineRule)
_RUNGS: Final = members(OnTooStale)
_NUMERIC: Final = frozenset({CombineRule.MAX, CombineRule.MIN, CombineRule.SUM})


def feature_message(feature: Feature) -> policy_pb2.FeatureRecord:
    """Return the protobuf form of a feature."""
    message = policy_pb2.FeatureRecord(
        key=feature.key,
        product=feature.product,
        kind=number_of(feature.kind),
        core=feature.core,
        requires=feature.requires,
        retired_at_ms=feature.retired_at_ms,
        sold_in_plans=feature.sold_in_plans,
        contact=feature.contact,
        ladder=policy_pb2.FreshnessLadder(
            fresh_for_ms=feature.ladder.fresh_for_ms,
            stale_ok_for_ms=feature.ladder.stale_ok_for_ms,
            on_too_stale=number_of(feature.ladder.on_too_stale),
        ),
    )
    if feature.value_type is not None:
        message.value_type = number_of(feature.value_type)
    if feature.combine is not None:
        message.combine = number_of(feature.combine)
    if feature.default_value is not None:
        value_into(message.default_value, feature.default_value)
    if feature.available_when is not None:
        condition_into(message.available_when, feature.available_when)
    for promotion in feature.promotions:
        promotion_into(message.promotions.add(), promotion)
    return message


def feature_of(message: policy_pb2.FeatureRecord) -> Feature:
    """Return the feature or raise Misshapen."""
    key = FeatureKey(checked_id(message.key, "key"))
    kind = member_of(_KINDS, message.kind, "kind")
    value_type, combine = _typing(message, kind)
    default = value_of(message.default_value, "default_value") if message.HasField("default_value") else None
    if default is not None:
        _check_type(default, value_type)
    if message.retired_at_ms < 0:
        raise Misshapen("retired_at_ms", "must not lie before 1970")
    return Feature(
        key=key,
        product=ProductId(checked_id(message.product, "product")),
        kind=kind,
        core=message.core,
        value_type=value_type,
        combine=combine,
        default_value=default,
        ladder=_ladder(message),
        available_when=condition_of(message.available_when, "available_when")
        if message.HasField("available_when")
        else None,
        requires=tuple(FeatureKey(checked_id(feature, "requires")) for feature in message.requires),
        retired_at_ms=Millis(message.retired_at_ms) if message.retired_at_ms else None,
        sold_in_plans=tuple(checked_id(plan, "sold_in_plans") for plan in message.sold_in_plans),
        promotions=each(message.promotions, promotion_of, "promotions"),
        contact=message.contact,
    )


def promotion_into(message: policy_pb2.Promotion, promotion: Promotion) -> None:
    """Fill a promotion message."""
    message.id = promotion.id
    message.feature = promotion.feature
    if promotion.value is not None:
        value_into(message.value, promotion.value)
    window_into(message.window, promotion.window)
    if promotion.condition is not None:
        condition_into(message.condition, promotion.condition)


def promotion_of(message: policy_pb2.Promotion) -> Promotion:
    """Return the promotion or raise Misshapen."""
    return Promotion(
        id=checked_id(message.id, "id"),
        feature=FeatureKey(checked_id(message.feature, "feature")),
        value=value_of(message.value, "value") if message.HasField("value") else None,
        window=window_of(message.window, "window"),
        condition=condition_of(message.condition, "condition") if message.HasField("condition") else None,
    )


def _typing(message: policy_pb2.FeatureRecord, kind: FeatureKind) -> tuple[ValueType | None, CombineRule | None]:
    if kind is FeatureKind.SWITCH:
        for field, given in (("value_type", message.value_type != 0), ("combine", message.combine != 0)):
            if given:
                raise Misshapen(field, "must be absent for a switch")
        return None, None
    value_type = member_of(_TYPES, message.value_type, "value_type")
    combine = member_of(_RULES, message.combine, "combine")
    if combine in _NUMERIC and value_type is not ValueType.INT:
        raise Misshapen("combine", f"cannot be {combine.name} for values of type {value_type.name}")
    if combine is CombineRule.UNION and value_type is not ValueType.LIST:
        raise Misshapen("combine", f"cannot be UNION for values of type {value_type.name}")
    return value_type, combine


def _check_type(value: Value, value_type: ValueType | None) -> None:
    if isinstance(value, bool):
        actual = ValueType.BOOL
    elif isinstance(value, int | Unlimited):
        actual = ValueType.INT
    elif isinstance(value, str):
        actual = ValueType.STRING
    else:
        actual = ValueType.LIST
    if actual is not value_type:
        raise Misshapen(
            "default_value", f"is of type {actual.name}, the feature of {getattr(value_type, 'name', 'none')}"
        )


def _ladder(message: policy_pb2.FeatureRecord) -> Ladder:
    if not message.HasField("ladder"):
        raise Misshapen("ladder", "is missing")
    ladder = message.ladder
    if ladder.fresh_for_ms < 0 or ladder.stale_ok_for_ms < 0:
        raise Misshapen("ladder", "must not have negative lengths")
    return Ladder(
        fresh_for_ms=Millis(ladder.fresh_for_ms),
        stale_ok_for_ms=Millis(ladder.stale_ok_for_ms),
        on_too_stale=member_of(_RUNGS, ladder.on_too_stale, "ladder.on_too_stale"),
    )
