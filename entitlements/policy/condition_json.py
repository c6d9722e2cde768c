"""Conditions as JSON, the form of catalogue files, REST bodies and test vectors.

``{"all": [...]}``, ``{"any": [...]}``, ``{"not": ...}``, ``{"eq": ["request.region", "eu"]}``, ``{"exists": "subject.id"}``. An operand is a
text, a whole number, true or false, a list of texts, or ``{"timestamp": "2026-01-01T00:00:00Z"}``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from entitlements.policy.conditions import MAX_DEPTH, MAX_NODES, ConditionError, check_condition
from entitlements.policy.instants import parse_instant, render_instant
from entitlements.policy.model import AllOf, AnyOf, Attribute, Comparison, Condition, Instant, Not, Operator

__all__ = ["Json", "parse_condition", "parse_instant", "render_condition", "render_instant"]

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json]"

_OPERATORS: Final = {operator.name.lower(): operator for operator in Operator}
_WORDS: Final = ("all", "any", "not", *_OPERATORS)


def parse_condition(obj: object) -> Condition:
    """Return the condition that a JSON value describes; raise ConditionError naming the path and the remedy."""
    reader = _Reader()
    condition = reader.node(obj, "", 1)
    check_condition(condition)
    return condition


def render_condition(condition: Condition) -> dict[str, Json]:
    """Return the JSON value of a condition; ``parse_condition`` gives the condition back."""
    if isinstance(condition, Not):
        return {"not": render_condition(condition.condition)}
    if isinstance(condition, AllOf | AnyOf):
        return {
            "all" if isinstance(condition, AllOf) else "any": [render_condition(part) for part in condition.conditions]
        }
    name = condition.operator.name.lower()
    if condition.operand is None:
        return {name: condition.attribute}
    return {name: [condition.attribute, _render_operand(condition.operand)]}


class _Reader:
    """Counts nodes while it descends, so that an enormous value is refused before it is built."""

    def __init__(self) -> None:
        self.nodes = 0

    def node(self, obj: object, path: str, depth: int) -> Condition:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ConditionError(path, f"a condition has at most {MAX_NODES} nodes; split it over several sources")
        if depth > MAX_DEPTH:
            raise ConditionError(path, f"a condition is at most {MAX_DEPTH} levels deep; flatten it")
        if not isinstance(obj, dict) or len(obj) != 1:
            raise ConditionError(path, f"must be an object with exactly one of {', '.join(_WORDS)}")
        [(word, inner)] = obj.items()
        here = f"{path}.{word}" if path else str(word)
        if word == "not":
            return Not(self.node(inner, here, depth + 1))
        if word in {"all", "any"}:
            if not isinstance(inner, list) or not inner:
                raise ConditionError(here, "must be a list of at least one condition")
            parts = tuple(self.node(part, f"{here}[{index}]", depth + 1) for index, part in enumerate(inner))
            return AllOf(parts) if word == "all" else AnyOf(parts)
        if word not in _OPERATORS:
            raise ConditionError(here, f"is not known; use one of {', '.join(_WORDS)}")
        return _comparison(_OPERATORS[word], inner, here)


def _comparison(operator: Operator, inner: object, path: str) -> Comparison:
    if operator is Operator.EXISTS:
        if not isinstance(inner, str):
            raise ConditionError(path, 'takes the attribute as a text: {"exists": "request.region"}')
        return Comparison(inner, operator)
    if not isinstance(inner, list) or len(inner) != 2 or not isinstance(inner[0], str):
        raise ConditionError(
            path, f'takes [attribute, operand]: {{"{operator.name.lower()}": ["request.region", "eu"]}}'
        )
    return Comparison(inner[0], operator, _operand(inner[1], path))


def _operand(value: object, path: str) -> Attribute:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return tuple(sorted(set(value)))
    if isinstance(value, dict) and list(value) == ["timestamp"] and isinstance(value["timestamp"], str):
        try:
            return parse_instant(value["timestamp"])
        except ValueError as error:
            raise ConditionError(path, str(error)) from None
    raise ConditionError(
        path,
        'the operand must be a text, a whole number, true or false, a list of texts or {"timestamp": "2026-01-01T00:00:00Z"}',
    )


def _render_operand(operand: Attribute) -> Json:
    if isinstance(operand, Instant):
        return {"timestamp": render_instant(operand)}
    return list(operand) if isinstance(operand, tuple) else operand
