"""Bodies of customers, subscriptions and their actions, overrides, suspensions, promotions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from control.api.schemas.catalogue import StateWord
from control.api.schemas.values import Attributes, Body, Condition, From, Id, Instant, Name, Reason, Until, Value

PlanVersionRef = Annotated[
    StrictStr, Field(max_length=140, examples=["pro@3"], description="PLAN@VERSION of a plan or add-on.")
]
Cause = Literal["non_payment", "abuse", "security", "compliance", "export", "legal_hold", "other"]
Quantity = Annotated[StrictInt, Field(ge=1, le=1_000_000, description="How many.")]


class CustomerBody(Body):
    """An account."""

    name: Name | None = None
    attributes: Attributes = Field(default={}, description="Read in conditions as `customer.NAME`.")
    archived: StrictBool = Field(default=False, description="An archived customer is denied everything.")


class Item(Body):
    """A plan or add-on version that a subscription holds."""

    ref: PlanVersionRef
    quantity: Quantity = 1
    from_: From = None
    until: Until = None


class Span(Body):
    """One state of a subscription with its dates."""

    state: StateWord
    cause: Cause | None = Field(default=None, description="Only of SUSPENDED.")
    from_: From = None
    until: Until = None


class SubscriptionBody(Body):
    """A customer on pinned plan versions, with the dated states past and planned."""

    product: Id
    items: list[Item] = Field(min_length=1, max_length=200)
    timeline: list[Span] = Field(min_length=1, max_length=200, description="In order, without overlaps.")
    cancel_at: Instant | None = Field(default=None, description="Cuts the timeline there; see cancel and uncancel.")


class OverrideBody(Body):
    """The vendor's decision about one customer and one feature."""

    product: Id
    feature: Id
    effect: Literal["allow", "deny"]
    value: Value | None = Field(default=None, description="Replaces the combined value, also when smaller.")
    from_: From = None
    until: Until = None
    reason: Reason


class SuspensionBody(Body):
    """A reversible restriction."""

    scope: Literal["customer", "subscription", "feature"]
    product: Id | None = Field(default=None, description="Needed for the scope feature.")
    target: Id | None = Field(default=None, description="Subscription id or feature key; none for the customer.")
    cause: Cause
    access: Literal["none", "read_only", "grace"]
    from_: From = None
    until: Until = None
    reason: Reason | None = None


class PromotionBody(Body):
    """A time-limited extra for one customer."""

    product: Id
    feature: Id
    value: Value | None = None
    from_: From = None
    until: Until = None
    when: Condition | None = None


class At(Body):
    """When an action takes effect."""

    at: Instant | None = Field(default=None, description="Now, when not given.")


NOW: Final = At()


class Start(Body):
    """A subscription that begins: SCHEDULED before `at`, then TRIALING or ACTIVE."""

    product: Id
    plan: PlanVersionRef
    quantity: Quantity = 1
    addons: dict[PlanVersionRef, Quantity] = Field(default={}, max_length=100, description="Version to quantity.")
    at: Instant | None = Field(default=None, description="When; now, when not given.")
    trial_until: Instant | None = Field(default=None, description="End of a trial that it begins with.")
    converts: StrictBool = Field(default=False, description="The trial becomes active by itself at its end.")
    until: Instant | None = Field(default=None, description="End of the term; open, when not given.")
    grace_until: Instant | None = Field(default=None, description="Access in grace after the term.")
    pending: Literal["PENDING_APPROVAL", "PENDING_PAYMENT"] | None = Field(
        default=None, description="Nothing starts before activate."
    )


class ChangePlan(Body):
    """Move to another plan version; add-ons stay."""

    plan: PlanVersionRef
    at: Instant | None = Field(default=None, description="When; now, when not given.")
    quantity: Quantity | None = Field(default=None, description="How many; as before, when not given.")


class ExtendTrial(Body):
    """Move a trial's end."""

    until: Instant


class PastDue(Body):
    """A payment failed: access in grace, until it ends."""

    grace_until: Instant
    at: Instant | None = Field(default=None, description="When; now, when not given.")


class Suspend(Body):
    """Restrict one subscription without losing its plan."""

    cause: Cause
    access: Literal["none", "read_only", "grace"] = "none"
    from_: From = None
    until: Until = None
    reason: Reason | None = None


class AddAddon(Body):
    """Add an add-on to a subscription."""

    ref: PlanVersionRef
    quantity: Quantity = 1
    from_: From = None
    until: Until = None


class Term(Body):
    """A term that begins."""

    at: Instant | None = Field(default=None, description="When; now, when not given.")
    until: Instant | None = Field(default=None, description="End of the term; open, when not given.")


OPEN_TERM: Final = Term()


class CustomerForm(CustomerBody):
    """A customer as it is stored."""

    id: Id


class SubscriptionForm(SubscriptionBody):
    """A subscription as it is stored."""

    id: Id


class OverrideForm(OverrideBody):
    """An override as it is stored."""

    id: Id
    reason: Reason | None = None  # type: ignore[assignment]  # a catalogue file may leave it out


class SuspensionForm(SuspensionBody):
    """A suspension as it is stored."""

    id: Id


class PromotionForm(PromotionBody):
    """A promotion as it is stored."""

    id: Id


class CustomerDocument(CustomerForm):
    """A customer with everything that belongs to it, as a catalogue document holds it."""

    subscriptions: list[SubscriptionForm] = Field(default=[])
    overrides: list[OverrideForm] = Field(default=[])
    suspensions: list[SuspensionForm] = Field(default=[])
    promotions: list[PromotionForm] = Field(default=[])
