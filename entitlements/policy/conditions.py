"""The closed condition language: checked against its limits, compiled to closures, explained in words (semantics C1-C4).

A condition is a tree of comparisons joined by and, or, not. It is compiled once and the result stays with the node, so
a hot decision pays for five dictionary look-ups and five comparisons and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from entitlements.policy.ids import Millis, id_problem
from entitlements.policy.instants import date_of
from entitlements.policy.model import (
    AllOf,
    AnyOf,
    Attribute,
    Comparison,
    Compiled,
    Condition,
    Instant,
    Not,
    Operator,
)

MAX_NODES: Final = 64
MAX_DEPTH: Final = 8
MAX_LIST: Final = 512
"""Most elements of a list operand: enough for every country and then some."""
MAX_TEXT_BYTES: Final = 256
NAMESPACES: Final = ("customer.", "request.", "subject.", "resource.")
TIME: Final = "request.time"
"""The one attribute that changes by itself: the instant of the decision."""
ORDERED: Final = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_INT64: Final = 1 << 63
_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    tuple: "a list of texts",
    Instant: "a timestamp",
}

Test = Callable[[Mapping[str, Attribute]], bool]


class ConditionError(ValueError):
    """A condition that is refused; ``path`` leads from its root to the bad node, such as ``all[1].eq``."""

    def __init__(self, path: str, problem: str) -> None:
        """Keep where and what."""
        super().__init__(f"{path or 'condition'}: {problem}")
        self.path = path
        self.problem = problem


def check_condition(condition: Condition) -> None:
    """Raise ConditionError when the tree breaks a limit, names a foreign attribute or compares what cannot be compared."""
    for nodes, (path, depth, node) in enumerate(_walk(condition), 1):
        if nodes > MAX_NODES:
            raise ConditionError(path, f"a condition has at most {MAX_NODES} nodes; split it over several sources")
        if depth > MAX_DEPTH:
            raise ConditionError(path, f"a condition is at most {MAX_DEPTH} levels deep; flatten it")
        if isinstance(node, Comparison):
            problem = attribute_problem(node.attribute) or _operand_problem(node.operator, node.operand)
            if problem:
                raise ConditionError(path, problem)
        elif not isinstance(node, Not) and not node.conditions:
            raise ConditionError(path, "needs at least one condition inside")


def attribute_problem(name: str) -> str | None:
    """Return what is wrong with an attribute's full name, or None (semantics C2)."""
    prefix, dot, rest = name.partition(".")
    if prefix + dot not in NAMESPACES or not rest:
        return f"attribute {name!r} must start with one of {', '.join(NAMESPACES)} and name something after it"
    problem = id_problem(name)
    return f"attribute {name!r} {problem}" if problem else None


def compile_condition(condition: Condition) -> Test:
    """Return the test of a condition; compiled at first use, then kept with the node."""
    return compiled(condition).holds


def time_edges(condition: Condition) -> tuple[Millis, ...]:
    """Return, sorted, the instants at which the condition can change by time alone (semantics E2)."""
    return tuple(Millis(edge) for edge in compiled(condition).edges)


def compiled(condition: Condition) -> Compiled:
    """Return test and edges of a condition, from the node if it was compiled before."""
    made = condition.compiled
    if made is None:
        edges = {edge for _, _, node in _walk(condition) if isinstance(node, Comparison) for edge in _edges_of(node)}
        made = Compiled(_test_of(condition), tuple(sorted(edges)))
        object.__setattr__(condition, "compiled", made)  # a memo: the same for whoever computes it
    return made


def explain_condition(condition: Condition, attributes: Mapping[str, Attribute]) -> tuple[str, ...]:
    """Return why a condition does not hold, one sentence for each clause that keeps it from holding; empty when it holds."""
    if _test_of(condition)(attributes):
        return ()
    if isinstance(condition, AllOf | AnyOf):
        return tuple(reason for part in condition.conditions for reason in explain_condition(part, attributes))
    if isinstance(condition, Not):
        return (f"not ({describe(condition.condition)}): the inner condition holds",)
    return (f"{describe(condition)}: {_miss(condition, attributes)}",)


def describe(condition: Condition) -> str:
    """Return a condition in one line of words."""
    if isinstance(condition, AllOf | AnyOf):
        word = " and " if isinstance(condition, AllOf) else " or "
        return "(" + word.join(describe(part) for part in condition.conditions) + ")"
    if isinstance(condition, Not):
        return f"not {describe(condition.condition)}"
    if condition.operator is Operator.EXISTS:
        return f"{condition.attribute} exists"
    return f"{condition.attribute} {condition.operator.name.lower()} {_shown(condition.operand)}"


def _shown(value: Attribute | None) -> str:
    if isinstance(value, Instant):
        return date_of(value.ms)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value[:8])) + (", ...]" if len(value) > 8 else "]")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _miss(clause: Comparison, attributes: Mapping[str, Attribute]) -> str:
    found = attributes.get(clause.attribute)
    if found is None:
        return "the attribute is missing"
    operand = clause.operand
    wanted = str if clause.operator in {Operator.IN, Operator.NOT_IN} else type(operand)
    if type(found) is not wanted:
        return f"the attribute is {_TYPE_NAMES[type(found)]}, not {_TYPE_NAMES.get(wanted, 'comparable')}"
    if clause.attribute == TIME:
        return "the time of the decision is another"  # saying which would make every millisecond's answer a new one
    return f"the attribute is {_shown(found)}"


def _walk(condition: Condition) -> Iterator[tuple[str, int, Condition]]:
    """Yield path, depth and node, without recursion: a tree that is far too deep must still be refused politely."""
    pending: list[tuple[str, int, Condition]] = [("", 1, condition)]
    while pending:
        path, depth, node = pending.pop()
        dot = f"{path}." if path else ""
        if isinstance(node, Comparison):
            yield f"{dot}{node.operator.name.lower()}", depth, node
            continue
        yield path, depth, node
        if isinstance(node, Not):
            pending.append((f"{dot}not", depth + 1, node.condition))
        else:
            word = "all" if isinstance(node, AllOf) else "any"
            parts = [(f"{dot}{word}[{index}]", depth + 1, part) for index, part in enumerate(node.conditions)]
            pending.extend(reversed(parts))


def _operand_problem(operator: Operator, operand: Attribute | None) -> str | None:
    if operator is Operator.EXISTS:
        return None if operand is None else "exists takes only an attribute"
    if operand is None:
        return "needs an operand to compare with"
    if operator in {Operator.IN, Operator.NOT_IN}:
        if type(operand) is not tuple or not operand:
            return "compares with a list of at least one text"
    elif operator is Operator.PREFIX:
        if type(operand) is not str or not operand:
            return "compares with a text that is not empty"
    elif operator in ORDERED and type(operand) not in {int, Instant}:
        return "compares whole numbers or timestamps only"
    return _size_problem(operand)


def _size_problem(operand: Attribute) -> str | None:
    if type(operand) is int and not -_INT64 <= operand < _INT64:
        return "a whole number must fit into 64 bits"
    if isinstance(operand, tuple) and len(operand) > MAX_LIST:
        return f"a list has at most {MAX_LIST} elements"
    texts = operand if isinstance(operand, tuple) else (operand,)
    if any(len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES for text in texts if isinstance(text, str)):
        return f"a text has at most {MAX_TEXT_BYTES} bytes"
    return None


def _edges_of(clause: Comparison) -> tuple[int, ...]:
    operand = clause.operand
    if clause.attribute != TIME or not isinstance(operand, Instant):
        return ()
    if clause.operator in {Operator.LT, Operator.GE}:
        return (operand.ms,)
    if clause.operator in {Operator.LE, Operator.GT}:
        return (operand.ms + 1,)
    return (operand.ms, operand.ms + 1) if clause.operator in {Operator.EQ, Operator.NE} else ()


def _test_of(condition: Condition) -> Test:
    if isinstance(condition, Comparison):
        return _clause(condition)
    if isinstance(condition, Not):
        inner = _test_of(condition.condition)
        return lambda attributes: not inner(attributes)
    tests = tuple(_test_of(part) for part in condition.conditions)
    if len(tests) == 1:
        return tests[0]
    return _all(tests) if isinstance(condition, AllOf) else _any(tests)


def _all(tests: tuple[Test, ...]) -> Test:
    def every(attributes: Mapping[str, Attribute]) -> bool:
        for test in tests:  # noqa: SIM110  a generator inside all() costs twice as much
            if not test(attributes):
                return False
        return True

    return every


def _any(tests: tuple[Test, ...]) -> Test:
    def some(attributes: Mapping[str, Attribute]) -> bool:
        for test in tests:  # noqa: SIM110  as above
            if test(attributes):
                return True
        return False

    return some


def _clause(clause: Comparison) -> Test:
    """Return the test of one comparison: false when the attribute is missing or of another type (semantics C3)."""
    name, operand, kind = clause.attribute, clause.operand, type(clause.operand)
    match clause.operator:
        case Operator.EXISTS:
            return lambda attributes: name in attributes
        case Operator.EQ if operand is not None:
            return lambda attributes: (found := attributes.get(name)) == operand and type(found) is kind
        case Operator.NE if operand is not None:
            return lambda attributes: type(found := attributes.get(name)) is kind and found != operand
        case Operator.IN | Operator.NOT_IN if type(operand) is tuple:
            elements, wanted = frozenset(operand), clause.operator is Operator.IN
            return lambda attributes: type(found := attributes.get(name)) is str and (found in elements) is wanted
        case Operator.PREFIX if isinstance(operand, str):
            return lambda attributes: isinstance(found := attributes.get(name), str) and found.startswith(operand)
        case Operator.LT if isinstance(operand, int | Instant):
            return lambda attributes: type(found := attributes.get(name)) is kind and found < operand  # type: ignore[operator]
        case Operator.LE if isinstance(operand, int | Instant):
            return lambda attributes: type(found := attributes.get(name)) is kind and found <= operand  # type: ignore[operator]
        case Operator.GT if isinstance(operand, int | Instant):
            return lambda attributes: type(found := attributes.get(name)) is kind and found > operand  # type: ignore[operator]
        case Operator.GE if isinstance(operand, int | Instant):
            return lambda attributes: type(found := attributes.get(name)) is kind and found >= operand  # type: ignore[operator]
        case _:
            return lambda _attributes: False  # an operand that check_condition refuses never holds
