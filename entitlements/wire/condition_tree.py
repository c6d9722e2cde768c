"""Conditions to and from protobuf. The tree stays a tree: compiling it belongs to ``entitlements.policy``."""

from __future__ import annotations

from typing import Final

from entitlements.policy.conditions import MAX_DEPTH, MAX_NODES
from entitlements.policy.model import AllOf, AnyOf, Comparison, Condition, Not, Operator
from entitlements.v1 import policy_pb2
from entitlements.wire.literals import Misshapen, checked_id, literal_into, literal_of, member_of, members, number_of

_OPERATORS: Final = members(Operator)


def condition_into(message: policy_pb2.Condition, condition: Condition) -> None:
    """Fill a condition message; the order of branches is kept, because explanations follow it."""
    if isinstance(condition, Comparison):
        message.comparison.attribute = condition.attribute
        message.comparison.operator = number_of(condition.operator)
        if condition.operand is not None:
            literal_into(message.comparison.operand, condition.operand)
    elif isinstance(condition, Not):
        condition_into(message.negation, condition.condition)
    else:
        branches = message.all_of if isinstance(condition, AllOf) else message.any_of
        branches.SetInParent()
        for branch in condition.conditions:
            condition_into(branches.conditions.add(), branch)


class _Budget:
    """Counts nodes while a tree is read, so that no input costs more than MAX_NODES steps."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_NODES

    def spend(self, depth: int, field: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Misshapen(field, f"has more than {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise Misshapen(field, f"is nested deeper than {MAX_DEPTH} levels")


def condition_of(message: policy_pb2.Condition, field: str) -> Condition:
    """Return the condition or raise Misshapen; bounded by MAX_NODES and MAX_DEPTH."""
    return _node(message, field, 1, _Budget())


def _node(message: policy_pb2.Condition, field: str, depth: int, budget: _Budget) -> Condition:
    budget.spend(depth, field)
    kind = message.WhichOneof("node")
    if kind == "comparison":
        return _comparison(message.comparison, f"{field}.comparison")
    if kind == "negation":
        return Not(_node(message.negation, f"{field}.negation", depth + 1, budget))
    if kind == "all_of":
        return AllOf(_branches(message.all_of, f"{field}.all_of", depth, budget))
    if kind == "any_of":
        return AnyOf(_branches(message.any_of, f"{field}.any_of", depth, budget))
    raise Misshapen(field, "has no node set")


def _branches(message: policy_pb2.ConditionList, field: str, depth: int, budget: _Budget) -> tuple[Condition, ...]:
    if not message.conditions:
        raise Misshapen(field, "needs at least one condition")
    return tuple(
        _node(branch, f"{field}[{index}]", depth + 1, budget) for index, branch in enumerate(message.conditions)
    )


def _comparison(message: policy_pb2.Comparison, field: str) -> Comparison:
    operator = member_of(_OPERATORS, message.operator, f"{field}.operator")
    attribute = checked_id(message.attribute, f"{field}.attribute")
    if message.HasField("operand") == (operator is Operator.EXISTS):
        raise Misshapen(
            f"{field}.operand", "must be absent for EXISTS" if operator is Operator.EXISTS else "is missing"
        )
    if operator is Operator.EXISTS:
        return Comparison(attribute, operator)
    return Comparison(attribute, operator, literal_of(message.operand, f"{field}.operand"))
