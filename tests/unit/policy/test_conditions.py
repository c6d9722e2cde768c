"""Conditions: limits with path and remedy, types, explanations, edges in time (semantics C1-C4)."""

from __future__ import annotations

import pytest

from entitlements.policy.condition_json import parse_condition, parse_instant, render_condition
from entitlements.policy.conditions import (
    MAX_DEPTH,
    MAX_LIST,
    MAX_NODES,
    ConditionError,
    check_condition,
    compile_condition,
    describe,
    explain_condition,
    time_edges,
)
from entitlements.policy.instants import date_of
from entitlements.policy.model import AllOf, AnyOf, Comparison, Condition, Instant, Not, Operator

EU = {"eq": ["request.region", "eu"]}


def nested(depth: int) -> object:
    """Return a JSON condition of this many levels."""
    node: object = EU
    for _ in range(depth - 1):
        node = {"not": node}
    return node


def test_the_limits_are_allowed() -> None:
    """64 nodes and 8 levels pass."""
    parse_condition({"all": [EU] * (MAX_NODES - 1)})
    parse_condition(nested(MAX_DEPTH))
    parse_condition({"in": ["request.country", [f"c{number}" for number in range(MAX_LIST)]]})


@pytest.mark.parametrize(
    "json_condition, path, words",
    [
        ({"all": [EU] * MAX_NODES}, f"all[{MAX_NODES - 1}]", "at most 64 nodes"),
        ({"any": [{"all": [EU] * 31}] * 2}, "any[1].all[30]", "at most 64 nodes"),
        (nested(MAX_DEPTH + 1), "not" + ".not" * 7, "at most 8 levels"),
        (nested(400), "not" + ".not" * 7, "at most 8 levels"),
        ({"all": []}, "all", "at least one"),
        ({"all": EU}, "all", "at least one"),
        ({"any": [EU, {}]}, "any[1]", "exactly one of"),
        ({**EU, "not": EU}, "", "exactly one of"),
        ([], "", "exactly one of"),
        ("request.region", "", "exactly one of"),
        (None, "", "exactly one of"),
        ({"matches": ["request.region", ".*"]}, "matches", "is not known"),
        ({7: EU}, "7", "is not known"),
        ({"eq": ["request.region"]}, "eq", "takes [attribute, operand]"),
        ({"eq": ["request.region", "eu", "us"]}, "eq", "takes [attribute, operand]"),
        ({"eq": [1, "eu"]}, "eq", "takes [attribute, operand]"),
        ({"exists": ["request.region"]}, "exists", "takes the attribute as a text"),
        ({"eq": ["request.region", 1.5]}, "eq", "must be a text, a whole number"),
        ({"eq": ["request.region", None]}, "eq", "must be a text, a whole number"),
        ({"eq": ["request.region", [1]]}, "eq", "must be a text, a whole number"),
        ({"eq": ["request.region", {"timestamp": 5}]}, "eq", "must be a text, a whole number"),
        ({"eq": ["request.time", {"timestamp": "yesterday"}]}, "eq", "not an ISO-8601 instant"),
        ({"eq": ["request.time", {"timestamp": "2026-01-01T00:00:00"}]}, "eq", "has no offset"),
        ({"eq": ["region", "eu"]}, "eq", "must start with one of customer."),
        ({"eq": ["session.id", "eu"]}, "eq", "must start with one of customer."),
        ({"eq": ["request.", "eu"]}, "eq", "name something after it"),
        ({"exists": "request.\n"}, "exists", "control characters"),
        ({"exists": "request." + "x" * 128}, "exists", "at most 128 bytes"),
        ({"in": ["request.region", "eu"]}, "in", "list of at least one text"),
        ({"not_in": ["request.region", []]}, "not_in", "list of at least one text"),
        ({"prefix": ["request.path", ""]}, "prefix", "text that is not empty"),
        ({"prefix": ["request.path", 7]}, "prefix", "text that is not empty"),
        ({"lt": ["request.version", "1.10"]}, "lt", "whole numbers or timestamps only"),
        ({"ge": ["request.flag", True]}, "ge", "whole numbers or timestamps only"),
        ({"eq": ["request.count", 2**63]}, "eq", "64 bits"),
        ({"eq": ["request.count", -(2**63) - 1]}, "eq", "64 bits"),
        ({"eq": ["request.region", "x" * 257]}, "eq", "at most 256 bytes"),
        ({"in": ["request.region", ["é" * 129]]}, "in", "at most 256 bytes"),
        ({"in": ["request.region", [str(n) for n in range(MAX_LIST + 1)]]}, "in", "at most 512 elements"),
        ({"all": [EU, {"any": [EU, {"not": {"gt": ["request.x", "y"]}}]}]}, "all[1].any[1].not.gt", "whole numbers"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_path_and_remedy(json_condition: object, path: str, words: str) -> None:
    """The error leads to the bad node and says what to do."""
    with pytest.raises(ConditionError) as caught:
        parse_condition(json_condition)
    assert caught.value.path == path
    assert words in caught.value.problem


@pytest.mark.parametrize(
    "condition, words",
    [
        (AllOf((Comparison("request.a", Operator.EQ, "x"),) * MAX_NODES), "at most 64 nodes"),
        (AnyOf(()), "at least one"),
        (Comparison("request.a", Operator.EQ), "needs an operand"),
        (Comparison("request.a", Operator.EXISTS, True), "takes only an attribute"),
        (Comparison("customer", Operator.EXISTS), "must start with"),
    ],
)
def test_trees_that_did_not_come_from_json_are_checked_too(condition: Condition, words: str) -> None:
    """A record may be built by other hands."""
    with pytest.raises(ConditionError, match=words):
        check_condition(condition)


def test_a_tree_that_is_far_too_deep_is_refused_and_not_overflowed() -> None:
    """The check itself does not recurse."""
    condition: Condition = Comparison("request.a", Operator.EXISTS)
    for _ in range(50_000):
        condition = Not(condition)
    with pytest.raises(ConditionError, match="levels deep"):
        check_condition(condition)
    while isinstance(condition, Not):  # taking it apart step by step, as the interpreter's own way would recurse
        condition = condition.condition


@pytest.mark.parametrize("operand", ["x", None, True, ("x",)])
def test_an_order_that_slipped_past_the_check_never_holds(operand: str | tuple[str, ...] | None) -> None:
    """Comparing what has no order is false, not an exception."""
    assert not compile_condition(Comparison("request.a", Operator.LT, operand))({"request.a": "a"})
    assert not compile_condition(Comparison("request.a", Operator.IN, "xyz"))({"request.a": "x"})
    assert not compile_condition(Comparison("request.b", Operator.EQ))({"request.a": "x"})


def test_compiling_happens_once_for_each_node() -> None:
    """The closure stays with the node, and is no part of what the node equals."""
    condition, other = parse_condition({"all": [EU, EU]}), parse_condition({"all": [EU, EU]})
    test = compile_condition(condition)
    assert compile_condition(condition) is test
    assert condition == other
    assert hash(condition) == hash(other)
    assert "compiled" not in repr(condition)


def test_edges_are_exact_to_the_millisecond() -> None:
    """Comparisons lt and ge turn on the instant, le and gt one millisecond after, eq and ne on both; other attributes have none."""
    stamp = {"timestamp": "2026-06-01T12:00:00.500Z"}
    at = parse_instant(stamp["timestamp"]).ms
    edges = {
        word: time_edges(parse_condition({word: ["request.time", stamp]}))
        for word in ("lt", "le", "gt", "ge", "eq", "ne")
    }
    assert edges == {"lt": (at,), "ge": (at,), "le": (at + 1,), "gt": (at + 1,), "eq": (at, at + 1), "ne": (at, at + 1)}
    assert time_edges(parse_condition({"lt": ["request.built", stamp]})) == ()
    assert time_edges(parse_condition({"exists": "request.time"})) == ()
    both = parse_condition({"not": {"any": [{"lt": ["request.time", stamp]}, {"gt": ["request.time", stamp]}]}})
    assert time_edges(both) == (at, at + 1)


def test_explanations_name_what_is_missing_and_what_is_of_another_type() -> None:
    """Each failing clause is a sentence; clauses that hold are left out (semantics C3)."""
    condition = parse_condition(
        {
            "all": [
                EU,
                {"ge": ["request.count", 3]},
                {"in": ["request.tier", ["a", "b"]]},
                {"not": {"exists": "request.legacy"}},
                {"eq": ["request.since", {"timestamp": "2026-01-01T00:00:00Z"}]},
                {"any": [{"prefix": ["request.path", "/x"]}, {"eq": ["request.flag", True]}]},
            ]
        }
    )
    found = explain_condition(
        condition,
        {
            "request.region": "eu",
            "request.count": "7",
            "request.legacy": 1,
            "request.since": Instant(0),
            "request.flag": False,
        },
    )
    assert found == (
        "request.count ge 3: the attribute is a text, not a whole number",
        "request.tier in [a, b]: the attribute is missing",
        "not (request.legacy exists): the inner condition holds",
        "request.since eq 2026-01-01T00:00:00.000Z: the attribute is 1970-01-01T00:00:00.000Z",
        "request.path prefix /x: the attribute is missing",
        "request.flag eq true: the attribute is false",
    )


def test_explanations_never_tell_the_time() -> None:
    """The time of the decision is another each millisecond; saying it would make each answer a new one."""
    condition = parse_condition({"lt": ["request.time", {"timestamp": "2026-01-01T00:00:00Z"}]})
    at = parse_instant("2026-01-01T00:00:00Z").ms
    told = {explain_condition(condition, {"request.time": Instant(at + late)}) for late in (0, 1, 1000)}
    assert told == {("request.time lt 2026-01-01T00:00:00.000Z: the time of the decision is another",)}


def test_conditions_read_as_a_line() -> None:
    """The whole tree in words; a long list is cut."""
    tree = {"any": [EU, {"not": {"in": ["customer.segment", [f"s{number}" for number in range(10)]]}}]}
    assert describe(parse_condition(tree)) == (
        "(request.region eq eu or not customer.segment in [s0, s1, s2, s3, s4, s5, s6, s7, ...])"
    )


def test_json_keeps_every_form() -> None:
    """Rendering gives back what was read, with lists as sorted sets and instants in UTC."""
    json_condition = {"all": [{"not": EU}, {"in": ["request.x", ["b", "a", "b"]]}, {"exists": "subject.id"}]}
    assert render_condition(parse_condition(json_condition)) == {
        "all": [{"not": EU}, {"in": ["request.x", ["a", "b"]]}, {"exists": "subject.id"}]
    }
    stamped = {"ge": ["request.time", {"timestamp": "2026-01-01T01:00:00+01:00"}]}
    assert render_condition(parse_condition(stamped)) == {
        "ge": ["request.time", {"timestamp": "2026-01-01T00:00:00.000Z"}]
    }


def test_dates_beyond_the_calendar_stay_numbers() -> None:
    """Records may hold any 64-bit instant; showing it must not fail."""
    assert date_of(0) == "1970-01-01T00:00:00.000Z"
    assert date_of(2**62) == f"{2**62} ms"
    assert date_of(-(2**62)) == f"{-(2**62)} ms"
