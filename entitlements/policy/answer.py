"""The question and the answer: Query and Decision; frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, ProductId
from entitlements.policy.reasons import Code, RemedyAction
from entitlements.policy.vocabulary import EMPTY, AccessLevel, Attribute, ExplainLevel, Obligation, Source, Value


class Query(NamedTuple):
    """One valid question. Attribute names are full: ``request.region``, ``subject.tier``, ``resource.kind``.

    A tuple, because one is made for every Check and a frozen dataclass of eight fields takes three times as long to make.
    """

    customer_id: CustomerId
    feature: FeatureKey
    product: ProductId
    subject_id: str = ""
    resource_id: str = ""
    requested_value: Value | None = None
    attributes: Mapping[str, Attribute] = EMPTY
    explain: ExplainLevel = ExplainLevel.NONE


class Remedy(NamedTuple):
    """What would repair a deny."""

    action: RemedyAction
    plan_ids: tuple[str, ...] = ()
    contact: str = ""


@dataclass(frozen=True, slots=True)
class ConsideredSource:
    """One source that was looked at, and why it counted or not."""

    source: Source
    id: str
    subscription_id: str
    counted: bool
    note: str
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a verdict came about; filled when asked for."""

    user_message: str
    engineer_message: str
    rules: tuple[str, ...] = ()
    considered: tuple[ConsideredSource, ...] = ()
    failed_conditions: tuple[str, ...] = ()
    suspension_cause: str = ""


class Decision(NamedTuple):
    """The answer of the records to one question at one instant; a tuple, because making one costs a third of a frozen dataclass.

    ``valid_until`` is the earliest later instant at which the records alone could answer differently (semantics E2);
    the freshness ladder's own edge is added where the age is known. ``explicit_deny`` marks denies that stay denies
    under every rung of the ladder (semantics F2), and ``access_cap`` is the highest level that suspensions leave, for a
    ladder that allows. ``underlying_code`` is set when a ladder or a fallback replaced what the records said.
    """

    feature: FeatureKey
    allowed: bool
    code: Code
    access_level: AccessLevel
    source: Source = Source.NOTHING
    value: Value | None = None
    valid_until: Millis | None = None
    obligations: tuple[Obligation, ...] = ()
    remedy: Remedy | None = None
    retry_after_ms: Millis | None = None
    explicit_deny: bool = False
    access_cap: AccessLevel = AccessLevel.FULL
    underlying_code: Code | None = None
    explanation: Explanation | None = None
