"""The small forms that bodies are made of: ids, instants, durations, values, conditions."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from entitlements.policy.ids import id_problem

_ID_REMEDY: Final = "Use 1 to 128 bytes of UTF-8, without control characters and outer blanks."
_INT64: Final = 1 << 63


class Body(BaseModel):
    """A request's body or a part of it: strict types, no unknown fields, immutable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def fragment(self) -> dict[str, Any]:
        """Return what was written, in the form of the catalogue document."""
        written: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return written


class Reply(BaseModel):
    """A reply's body or a part of it."""

    model_config = ConfigDict(extra="forbid")


def _check_id(value: str) -> str:
    problem = id_problem(value)
    if problem is not None:
        raise ValueError(f"{problem}|{_ID_REMEDY}")
    return value


Id = Annotated[StrictStr, AfterValidator(_check_id), Field(examples=["acme"])]
"""An opaque id (semantics A1)."""
Name = Annotated[StrictStr, Field(min_length=1, max_length=200, description="Shown to people.")]
Reason = Annotated[StrictStr, Field(min_length=1, max_length=500, description="Why; kept in the audit trail.")]
Int64 = Annotated[StrictInt, Field(ge=-_INT64, le=_INT64 - 1)]
Instant = Annotated[
    StrictStr,
    Field(
        max_length=40,
        examples=["2027-01-01T00:00:00Z"],
        description="ISO 8601 with an offset; kept in UTC, to the millisecond.",
    ),
]
Duration = Annotated[
    StrictStr, Field(max_length=20, examples=["5s", "24h"], description="A number with ms, s, m, h or d.")
]


def _check_number(value: int) -> int:
    if not -_INT64 <= value < _INT64:
        raise ValueError('is beyond 64 bits|Use a smaller number, or "unlimited".')
    return value


def _check_value(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return _check_number(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("is no value|" + _VALUE_REMEDY)


def _check_guarded_value(value: Any) -> Any:
    if not isinstance(value, dict):
        return _check_value(value)
    guard = value.get("when", {})
    if not value or set(value) - {"value", "when"} or not isinstance(guard, dict):
        raise ValueError('is no value|Write a value, or {"value": ..., "when": {condition}}.')
    if value.get("value") is not None:
        _check_value(value["value"])
    return value


def _check_wanted(value: Any) -> Any:
    return value if value == {"unlimited": True} else _check_value(value)


def _check_attribute(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == ["timestamp"] and isinstance(value["timestamp"], str):
            return value
        raise ValueError('is no attribute value|Write an instant as {"timestamp": "2027-01-01T00:00:00Z"}.')
    return _check_value(value)


_VALUE_SCHEMA: Final[list[dict[str, Any]]] = [
    {"type": "boolean"},
    {"type": "integer", "minimum": -_INT64, "maximum": _INT64 - 1},
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}},
]
_VALUE_DESCRIPTION: Final = 'true or false, a whole number, a text, a list of texts, or "unlimited" for a number.'
_VALUE_REMEDY: Final = "Write " + _VALUE_DESCRIPTION
_GUARDED_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {"value": {"anyOf": _VALUE_SCHEMA}, "when": {"type": "object"}},
}
_UNLIMITED_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["unlimited"],
    "properties": {"unlimited": {"const": True}},
}
_TIMESTAMP_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["timestamp"],
    "properties": {"timestamp": {"type": "string"}},
}
# One validator in place of a union: a wrong value then gives one error with one remedy, not one for each branch.
Value: TypeAlias = Annotated[
    Any,
    PlainValidator(_check_value),
    WithJsonSchema({"anyOf": _VALUE_SCHEMA, "description": _VALUE_DESCRIPTION}),
]
GuardedValue: TypeAlias = Annotated[
    Any,
    PlainValidator(_check_guarded_value),
    WithJsonSchema({"anyOf": [*_VALUE_SCHEMA, _GUARDED_SCHEMA], "description": "A value, also under a condition."}),
]
WantedValue: TypeAlias = Annotated[
    Any,
    PlainValidator(_check_wanted),
    WithJsonSchema({"anyOf": [*_VALUE_SCHEMA, _UNLIMITED_SCHEMA]}),
]
AttributeValue: TypeAlias = Annotated[
    Any,
    PlainValidator(_check_attribute),
    WithJsonSchema({"anyOf": [*_VALUE_SCHEMA, _TIMESTAMP_SCHEMA]}),
]
Condition = Annotated[
    dict[str, Any],
    Field(
        examples=[{"all": [{"in": ["request.region", ["eu", "us"]]}, {"exists": "customer.segment"}]}],
        description="`all`, `any`, `not`, `eq`, `ne`, `in`, `not_in`, `prefix`, `lt`, `le`, `gt`, `ge`, `exists`; "
        "at most 64 nodes and 8 levels.",
    ),
]
Attributes = Annotated[
    dict[str, AttributeValue],
    Field(max_length=64, examples=[{"region": "eu", "seats": 5}], description="Facts that conditions compare."),
]
From = Annotated[Instant | None, Field(alias="from", description="Start, inclusive; without it: from the beginning.")]
Until = Annotated[Instant | None, Field(description="End, exclusive; without it: open.")]
