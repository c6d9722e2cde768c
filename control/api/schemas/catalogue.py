"""Bodies of products, features, plans and add-ons."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from control.api.schemas.values import (
    Body,
    Condition,
    Duration,
    From,
    GuardedValue,
    Id,
    Instant,
    Name,
    Reply,
    Until,
    Value,
)

AccessWord = Literal["NONE", "READ_ONLY", "GRACE", "FULL"]
StateWord = Literal[
    "PENDING_APPROVAL",
    "PENDING_PAYMENT",
    "SCHEDULED",
    "TRIALING",
    "ACTIVE",
    "PAST_DUE",
    "GRACE",
    "SUSPENDED",
    "CANCELED",
    "EXPIRED",
]


class Ladder(Body):
    """How long an answer stays trustworthy without news, and what it becomes then."""

    fresh_for: Duration = Field(default="5s", description="Younger policy counts as fresh.")
    stale_ok_for: Duration = Field(default="24h", description="How much longer an older one may be used, marked stale.")
    on_too_stale: Literal["allow", "deny", "read_only", "last_value"] = "last_value"


class ProductBody(Body):
    """What is sold. One product is one feed."""

    name: Name
    contact: StrictStr = Field(default="", max_length=200, description="Whom a refused customer may ask.")
    ladder: Ladder | None = Field(default=None, description="For features that declare none.")
    state_access: dict[StateWord, AccessWord] | None = Field(
        default=None, description="Access that a subscription's state gives, where it differs from the usual."
    )


class FeaturePromotion(Body):
    """A time-limited extra for a cohort."""

    id: Id
    value: Value | None = None
    from_: From = None
    until: Until = None
    when: Condition | None = None


class FeatureBody(Body):
    """A feature: a switch, or a configured value."""

    name: Name | None = None
    kind: Literal["switch", "config"]
    type: Literal["bool", "int", "string", "list"] | None = Field(default=None, description="Of a config's value.")
    combine: Literal["max", "min", "sum", "union", "any"] | None = Field(
        default=None, description="How the values of several sources combine; numbers: max, else: any."
    )
    default: Value | None = Field(default=None, description="Value when the sources give none.")
    core: StrictBool = Field(default=False, description="Every existing customer has it, without a subscription.")
    requires: list[Id] = Field(default=[], max_length=64, description="Features that must be allowed, too.")
    available_when: Condition | None = Field(default=None, description="Where it is offered at all.")
    ladder: Ladder | None = None
    retired_at: Instant | None = None
    promotions: list[FeaturePromotion] = Field(default=[], max_length=100)


class PlanVersionBody(Body):
    """A published version of a plan or add-on; it never changes."""

    name: Name | None = None
    rank: Annotated[StrictInt, Field(ge=0, le=2_147_483_647, description="The vendor's order of plans.")] = 0
    entitlements: dict[Id, GuardedValue] = Field(
        max_length=2000,
        examples=[{"exports": True, "projects": 50, "seats": "unlimited"}],
        description="Feature to value; true for a switch.",
    )


class ProductForm(ProductBody):
    """A product as it is stored: without what says nothing."""

    key: Id
    name: Name | None = None  # type: ignore[assignment]  # a catalogue file may leave it out


class FeatureForm(FeatureBody):
    """A feature as it is stored."""

    key: Id


class OfferForm(PlanVersionBody):
    """A version of a plan or add-on as it is stored."""

    key: Id
    version: int


class ApplyBody(Body):
    """A whole catalogue document, as `entitlements apply` sends it."""

    document: Annotated[dict[str, object], Field(description="`version: 1`, `products`, `customers`.")]
    dry_run: StrictBool = Field(default=False, description="Only tell what would change.")
    plan: StrictStr | None = Field(
        default=None, max_length=100, description="`plan` of a dry run: apply only if it would still change the same."
    )


class ApplyChange(Reply):
    """One difference between the document and what is stored."""

    action: Literal["added", "changed", "removed"]
    kind: str
    id: str
    before: object | None = None
    after: object | None = None


class ApplyReply(Reply):
    """What an apply changed, or would change."""

    dry_run: bool
    changes: list[ApplyChange]
    plan: str = Field(description="Names exactly these changes.")
    unchanged: int = Field(description="How many things were as the document says already.")
    versions: dict[str, str] = Field(description="Product to version token that contains the changes.")
