"""Small parts of records to and from protobuf: ids, enum numbers, windows, values, attributes.

Decoding is strict and raises Misshapen with the path of the field; the record codecs add the record key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any, TypeVar

from entitlements.policy.ids import MAX_ID_BYTES, Millis, id_problem
from entitlements.policy.model import ALWAYS, UNLIMITED, Attribute, Instant, Unlimited, Value, Window
from entitlements.v1 import decision_pb2, policy_pb2

Member = TypeVar("Member", bound=IntEnum)
Part = TypeVar("Part")
Shape = TypeVar("Shape")


class Misshapen(Exception):  # noqa: N818 - always caught inside this package and completed with the record key
    """A part of a record does not have its declared shape."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


def each(parts: Iterable[Part], read: Callable[[Part], Shape], field: str) -> tuple[Shape, ...]:
    """Read every part of a list; when one is misshapen, its place becomes part of the path. Paths cost nothing as long as all is well."""
    shapes: list[Shape] = []
    try:
        for part in parts:
            shapes.append(read(part))  # noqa: PERF401 - the length tells which part failed
    except Misshapen as error:
        raise Misshapen(f"{field}[{len(shapes)}].{error.field}".rstrip("."), error.problem) from None
    return tuple(shapes)


def members(enumeration: type[Member]) -> dict[int, Member]:
    """Return number -> member; a dict lookup costs a fifth of calling the enumeration."""
    return {int(member): member for member in enumeration}


def number_of(member: IntEnum) -> Any:
    """Return the number for an enum field; the generated stubs ask for their own enum type, the runtime takes any int."""
    return member.value


def member_of(table: Mapping[int, Member], number: int, field: str) -> Member:
    """Return the member with this number or raise Misshapen."""
    member = table.get(number)
    if member is None:
        raise Misshapen(field, f"has the unknown enum number {number}")
    return member


def is_plain_id(value: str) -> bool:
    """Return whether a text is certainly a valid id: the cheap test that nearly every id passes."""
    return (
        0 < len(value) <= MAX_ID_BYTES
        and value.isascii()
        and value.isprintable()
        and value[0] != " "
        and value[-1] != " "
    )


def checked_id(value: str, field: str) -> str:
    """Return the id or raise Misshapen with what is wrong with it (semantics A1)."""
    if not is_plain_id(value):
        problem = id_problem(value)
        if problem is not None:
            raise Misshapen(field, problem)
    return value


def canonical_set(values: Iterable[str]) -> tuple[str, ...]:
    """Return a set of texts in its one form: sorted by code point (which is UTF-8 byte order), without duplicates."""
    return tuple(sorted(set(values)))


def checked_set(values: Iterable[str], field: str) -> tuple[str, ...]:
    """Return the texts when they already are in canonical form, else raise Misshapen."""
    texts = tuple(values)
    if texts != canonical_set(texts):
        raise Misshapen(field, "must be sorted and without duplicates")
    return texts


def window_into(message: policy_pb2.Window, window: Window) -> None:
    """Fill a window message; an end at or before 1970 cannot be written, because 0 means open."""
    if window.from_ms is not None:
        if window.from_ms < 0:
            raise Misshapen("window.from_ms", "must not be before 1970")
        message.from_ms = window.from_ms
    if window.until_ms is not None:
        if window.until_ms <= 0:
            raise Misshapen("window.until_ms", "must be after 1970")
        message.until_ms = window.until_ms


def window_of(message: policy_pb2.Window, field: str) -> Window:
    """Return the window; 0 is open on that side."""
    from_ms, until_ms = message.from_ms, message.until_ms
    if from_ms == 0 and until_ms == 0:
        return ALWAYS
    if from_ms < 0 or until_ms < 0:
        raise Misshapen(field, "must not lie before 1970")
    return Window(Millis(from_ms) if from_ms else None, Millis(until_ms) if until_ms else None)


def value_into(message: decision_pb2.Value, value: Value) -> None:
    """Fill a value message."""
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, Unlimited):
        message.unlimited = True
    else:
        message.list_value.values.extend(canonical_set(value))
        message.list_value.SetInParent()


def value_of(message: decision_pb2.Value, field: str) -> Value:
    """Return the value or raise Misshapen."""
    kind = message.WhichOneof("kind")
    if kind == "int_value":
        return message.int_value
    if kind == "bool_value":
        return message.bool_value
    if kind == "string_value":
        return message.string_value
    if kind == "list_value":
        return checked_set(message.list_value.values, field)
    if kind == "unlimited":
        if not message.unlimited:
            raise Misshapen(field, "has unlimited = false, which means nothing")
        return UNLIMITED
    raise Misshapen(field, "has no value set")


def literal_into(message: policy_pb2.Literal, attribute: Attribute) -> None:
    """Fill a literal message (customer attribute or condition operand)."""
    if isinstance(attribute, bool):
        message.bool_value = attribute
    elif isinstance(attribute, int):
        message.int_value = attribute
    elif isinstance(attribute, str):
        message.string_value = attribute
    elif isinstance(attribute, Instant):
        message.timestamp_ms = attribute.ms
    else:
        message.list_value.values.extend(canonical_set(attribute))
        message.list_value.SetInParent()


def literal_of(message: policy_pb2.Literal, field: str) -> Attribute:
    """Return the attribute or operand or raise Misshapen."""
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "int_value":
        return message.int_value
    if kind == "bool_value":
        return message.bool_value
    if kind == "timestamp_ms":
        return Instant(message.timestamp_ms)
    if kind == "list_value":
        return checked_set(message.list_value.values, field)
    raise Misshapen(field, "has no value set")
