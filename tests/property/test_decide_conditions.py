"""Compiled conditions against a naive interpreter, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.condition_json import parse_condition, render_condition
from entitlements.policy.conditions import (
    ConditionError,
    check_condition,
    compile_condition,
    explain_condition,
    time_edges,
)
from entitlements.policy.model import (
    AllOf,
    AnyOf,
    Attribute,
    Comparison,
    Condition,
    Instant,
    Not,
    Operator,
)
from tests.support.policy_strategies import NOW, attribute_names, attributes, conditions

environments = st.dictionaries(attribute_names, attributes, max_size=5)


def naive(condition: Condition, environment: Mapping[str, Attribute]) -> bool:
    """Interpret a condition as the rules C1 and C3 read, without any shortcut."""
    if isinstance(condition, AllOf):
        return all(naive(part, environment) for part in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(naive(part, environment) for part in condition.conditions)
    if isinstance(condition, Not):
        return not naive(condition.condition, environment)
    return naive_clause(condition, environment)


def naive_clause(clause: Comparison, environment: Mapping[str, Attribute]) -> bool:
    """Interpret one comparison."""
    if clause.attribute not in environment:
        return False
    found, operand = environment[clause.attribute], clause.operand
    if clause.operator is Operator.EXISTS:
        return True
    if clause.operator in {Operator.IN, Operator.NOT_IN}:
        if type(operand) is not tuple or not isinstance(found, str):
            return False
        return (found in list(operand)) == (clause.operator is Operator.IN)
    if type(found) is not type(operand):
        return False
    if clause.operator is Operator.EQ:
        return found == operand
    if clause.operator is Operator.NE:
        return found != operand
    if clause.operator is Operator.PREFIX:
        return isinstance(found, str) and isinstance(operand, str) and found[: len(operand)] == operand
    left = found.ms if isinstance(found, Instant) else found
    right = operand.ms if isinstance(operand, Instant) else operand
    if type(left) is not int or type(right) is not int:
        return False
    return {
        Operator.LT: left < right,
        Operator.LE: left <= right,
        Operator.GT: left > right,
        Operator.GE: left >= right,
    }[clause.operator]


@given(conditions, environments)
def test_compiled_equals_naive(condition: Condition, environment: Mapping[str, Attribute]) -> None:
    """The closures answer as the plain reading of the rules."""
    assert compile_condition(condition)(environment) == naive(condition, environment)


@given(conditions, environments)
def test_explained_exactly_when_it_fails(condition: Condition, environment: Mapping[str, Attribute]) -> None:
    """A condition that fails has at least one reason, one that holds has none."""
    assert bool(explain_condition(condition, environment)) != naive(condition, environment)


@given(conditions, environments)
def test_time_changes_a_condition_only_at_its_edges(condition: Condition, environment: Mapping[str, Attribute]) -> None:
    """Between two neighbouring edges the passing of time alone changes nothing."""
    cuts = [NOW - 10**10, *time_edges(condition), NOW + 10**10]
    for start, end in pairwise(cuts):
        outcomes = {
            naive(condition, {**environment, "request.time": Instant(instant)})
            for instant in (start, (start + end) // 2, end - 1)
            if start <= instant < end
        }
        assert len(outcomes) <= 1


@given(conditions)
def test_json_gives_the_condition_back(condition: Condition) -> None:
    """What passes the check survives the way through JSON; what does not is refused on the way in, too."""
    try:
        check_condition(condition)
    except ConditionError as error:
        problem = error.problem
    else:
        assert parse_condition(render_condition(condition)) == condition
        return
    with pytest.raises(ConditionError) as caught:
        parse_condition(render_condition(condition))
    assert caught.value.problem == problem
