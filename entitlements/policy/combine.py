"""How values of several sources become one: the declared combining rule, and whether a wanted value lies inside (semantics B5).

Values that do not fit the declared type never get here: ``fits`` keeps them out, and what is left combines without surprises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from entitlements.policy.model import (
    UNLIMITED,
    CombineRule,
    Feature,
    FeatureKind,
    Unlimited,
    Value,
    ValueType,
)

MAX_INT: Final = (1 << 63) - 1
"""A sum stops here: it travels as a signed 64-bit number."""
_LARGER_THAN_ANY: Final = 1 << 64


def fits(feature: Feature, value: Value) -> bool:
    """Return whether a value is of the feature's declared type; UNLIMITED is a whole number, a switch takes true alone."""
    if feature.kind is FeatureKind.SWITCH:
        return value is True
    found, wanted = type(value), feature.value_type
    if found is int or value is UNLIMITED:
        return wanted is ValueType.INT
    if found is str:
        return wanted is ValueType.STRING
    return wanted is (ValueType.LIST if found is tuple else ValueType.BOOL)


def rule_of(feature: Feature) -> CombineRule:
    """Return the rule that applies: the declared one where the type allows it, else MAX for numbers and ANY for the rest."""
    rule = feature.combine
    if feature.value_type is ValueType.INT:
        return CombineRule.MAX if rule is None else CombineRule.ANY if rule is CombineRule.UNION else rule
    return CombineRule.UNION if rule is CombineRule.UNION and feature.value_type is ValueType.LIST else CombineRule.ANY


def combine(rule: CombineRule, values: Sequence[tuple[Value, int]]) -> Value:
    """Return the combined value of at least one (value, times), given in source order; ``times`` counts under SUM only."""
    if rule is CombineRule.ANY:
        return values[0][0]
    if rule is CombineRule.SUM:
        return _sum(values)
    if rule is CombineRule.UNION:
        return tuple(sorted({text for value, _ in values if isinstance(value, tuple) for text in value}))
    sizes = [value for value, _ in values]
    return min(sizes, key=_size) if rule is CombineRule.MIN else max(sizes, key=_size)


def within(wanted: Value, granted: Value | None) -> bool:
    """Return whether a wanted value lies inside a granted one of the same type; nothing lies inside None.

    Numbers: not greater. Lists: a subset. Texts: equal. Truth values: equal, or less than granted.
    """
    if granted is None:
        return False
    if isinstance(granted, tuple) and isinstance(wanted, tuple):
        return set(wanted) <= set(granted)
    if isinstance(granted, str) or isinstance(wanted, str):
        return wanted == granted
    return _size(wanted) <= _size(granted)


def _size(value: Value) -> int:
    if isinstance(value, Unlimited):
        return _LARGER_THAN_ANY
    return value if isinstance(value, int) else 0


def _sum(values: Sequence[tuple[Value, int]]) -> Value:
    total = 0
    for value, times in values:
        if value is UNLIMITED:
            return UNLIMITED
        if isinstance(value, int):
            total += value * times
    return max(-MAX_INT - 1, min(MAX_INT, total))
