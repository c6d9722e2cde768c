"""Bodies of decisions: the question and the answer in the field names of CheckRequest and CheckResponse.

Enumerations are written without their prefix (`ENTITLED`, not `CODE_ENTITLED`), instants in ISO 8601, lengths of time
as `1s`, values as in the catalogue document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from control.api.schemas.values import AttributeValue, Body, Duration, Id, Instant, Reply, Value, WantedValue

ExplainWord = Literal["NONE", "SUMMARY", "FULL"]


class Question(Body):
    """May this customer use this feature? As CheckRequest, now or at another instant."""

    customer_id: Id
    feature: Id
    product: Id
    subject_id: Annotated[StrictStr, Field(max_length=128, description="Readable in conditions as `subject.id`.")] = ""
    resource_id: Annotated[StrictStr, Field(max_length=128, description="Readable as `resource.id`.")] = ""
    quantity: Annotated[StrictInt, Field(description="Amount wanted; switch and config features accept 0 and 1.")] = 0
    requested_value: WantedValue | None = Field(
        default=None,
        description='Value wanted of a config feature; "unlimited" is a text to a feature of texts, {"unlimited": true} never.',
    )
    attributes: dict[str, AttributeValue] = Field(
        default={}, max_length=32, description="NAME means request.NAME; also request., subject. and resource."
    )
    as_of: Instant | None = Field(default=None, description="Another instant, at most 400 days away.")
    explain: ExplainWord = "FULL"
    policy_age: Duration | None = Field(
        default=None, description="Answer as a sidecar whose policy has this age; without it the policy is fresh."
    )
    document: dict[str, object] | None = Field(
        default=None, description="Decide on this catalogue document instead of what is stored; nothing is kept."
    )


class RemedyReply(Reply):
    """What would repair a deny."""

    action: str = Field(description="A RemedyAction, such as UPGRADE.")
    plan_ids: list[str] = Field(description="Plans that include the feature.")
    contact: str


class FreshnessReply(Reply):
    """Position and age of the records that answered."""

    state: str = Field(description="FRESH, STALE or TOO_STALE.")
    epoch: int
    seq: int
    age_ms: int


class ConsideredReply(Reply):
    """One source that was looked at."""

    source: str
    id: str
    subscription_id: str
    counted: bool
    note: str
    value: Value | None = None


class ExplainReply(Reply):
    """How the verdict came about."""

    user_message: str
    engineer_message: str
    rules: list[str] = Field(description="Rules of docs/semantics.md in the order they were walked.")
    considered: list[ConsideredReply]
    failed_conditions: list[str]
    suspension_cause: str


class DecisionReply(Reply):
    """The answer, as CheckResponse. Absent fields are null."""

    feature: str
    allowed: bool
    code: str = Field(description="The one reason; docs/reference/reasons.md lists them.")
    access_level: str = Field(description="NONE, READ_ONLY, GRACE or FULL.")
    value: Value | None = Field(default=None, description="Of a config feature.")
    source: str | None = Field(default=None, description="PLAN, ADDON, TRIAL, OVERRIDE, PROMOTION, CORE or DEFAULT.")
    served_from: str = Field(description="LIVE: the control plane's own records.")
    freshness: FreshnessReply
    valid_until: str | None = Field(default=None, description="Earliest later instant at which this can change.")
    obligations: list[str]
    remedy: RemedyReply | None = None
    retry_after: str | None = None
    underlying_code: str | None = None
    explain: ExplainReply | None = None
    as_of: str | None = Field(default=None, description="Set when the answer is for another instant than now.")


class EntitlementsReply(Reply):
    """Every feature of a product for one customer."""

    customer_id: str
    product: str
    version: str = Field(description="Version token of the records that answered.")
    entitlements: list[DecisionReply]
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last.")
