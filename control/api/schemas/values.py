"""The small forms that bodies are made of: ids, instants, durations, values, conditions."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

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
Value: TypeAlias = Annotated[
    StrictBool | Int64 | StrictStr | list[StrictStr],
    Field(description='true or false, a whole number, a text, a list of texts, or "unlimited" for a number.'),
]
Condition = Annotated[
    dict[str, Any],
    Field(
        examples=[{"all": [{"in": ["request.region", ["eu", "us"]]}, {"exists": "customer.segment"}]}],
        description="`all`, `any`, `not`, `eq`, `ne`, `in`, `not_in`, `prefix`, `lt`, `le`, `gt`, `ge`, `exists`; "
        "at most 64 nodes and 8 levels.",
    ),
]
Timestamp = Annotated[dict[Literal["timestamp"], StrictStr], Field(examples=[{"timestamp": "2027-01-01T00:00:00Z"}])]
AttributeValue: TypeAlias = StrictBool | Int64 | StrictStr | list[StrictStr] | Timestamp
Attributes = Annotated[
    dict[str, AttributeValue],
    Field(max_length=64, examples=[{"region": "eu", "seats": 5}], description="Facts that conditions compare."),
]
From = Annotated[Instant | None, Field(alias="from", description="Start, inclusive; without it: from the beginning.")]
Until = Annotated[Instant | None, Field(description="End, exclusive; without it: open.")]
