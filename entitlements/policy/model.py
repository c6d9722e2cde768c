"""What a decision is made of: frozen records, the question, the answer. No behaviour beyond window tests.

Records mirror ``proto/entitlements/v1/policy.proto``; the codec in ``entitlements.wire`` translates. Instants are
UTC milliseconds; a window is half-open, and an end of None is open (semantics B2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

from entitlements.policy.ids import CustomerId, FeatureKey, Millis, PlanRef, ProductId
from entitlements.policy.reasons import Code, RemedyAction


class Unlimited(Enum):
    """The one value that is greater than every number (semantics B5)."""

    UNLIMITED = "unlimited"


UNLIMITED: Final = Unlimited.UNLIMITED

Value: TypeAlias = bool | int | str | tuple[str, ...] | Unlimited
"""A config value; a tuple is a set of texts, sorted and without duplicates."""


class Instant(NamedTuple):
    """A timestamp attribute or operand, distinct from a whole number."""

    ms: int


Attribute: TypeAlias = bool | int | str | tuple[str, ...] | Instant
EMPTY: Final[Mapping[str, Attribute]] = MappingProxyType({})


class AccessLevel(IntEnum):
    """Graded access; the order is the order of restriction (semantics B6). Numbers equal the protobuf enum."""

    NONE = 1
    READ_ONLY = 2
    GRACE = 3
    FULL = 4


class Source(IntEnum):
    """Which source of entitlement decided. Numbers equal the protobuf enum."""

    NOTHING = 0
    PLAN = 1
    ADDON = 2
    TRIAL = 3
    OVERRIDE = 4
    PROMOTION = 5
    CORE = 6
    LICENSE = 7
    DEFAULT = 8


class FeatureKind(IntEnum):
    """Kind of a feature. Numbers equal the protobuf enum."""

    SWITCH = 1
    CONFIG = 2


class ValueType(IntEnum):
    """Type of a config feature's value. Numbers equal the protobuf enum."""

    BOOL = 1
    INT = 2
    STRING = 3
    LIST = 4


class CombineRule(IntEnum):
    """How values of several sources combine (semantics B5). Numbers equal the protobuf enum."""

    MAX = 1
    MIN = 2
    SUM = 3
    UNION = 4
    ANY = 5


class OnTooStale(IntEnum):
    """The last rung of a freshness ladder (semantics F1). Numbers equal the protobuf enum."""

    LAST_VALUE = 1
    ALLOW = 2
    DENY = 3
    READ_ONLY = 4


class Operator(IntEnum):
    """Comparison operators (semantics C1). Numbers equal the protobuf enum."""

    EQ = 1
    NE = 2
    IN = 3
    NOT_IN = 4
    PREFIX = 5
    LT = 6
    LE = 7
    GT = 8
    GE = 9
    EXISTS = 10


class SubscriptionState(IntEnum):
    """State of a subscription during a span. Numbers equal the protobuf enum."""

    PENDING_APPROVAL = 1
    PENDING_PAYMENT = 2
    SCHEDULED = 3
    TRIALING = 4
    ACTIVE = 5
    PAST_DUE = 6
    GRACE = 7
    SUSPENDED = 8
    CANCELED = 9
    EXPIRED = 10


class OverrideEffect(IntEnum):
    """Effect of an override. Numbers equal the protobuf enum."""

    ALLOW = 1
    DENY = 2


class SuspensionScope(IntEnum):
    """What a suspension covers. Numbers equal the protobuf enum."""

    CUSTOMER = 1
    SUBSCRIPTION = 2
    FEATURE = 3


class ExplainLevel(IntEnum):
    """How much explanation an answer carries. Numbers equal the protobuf enum."""

    NONE = 0
    SUMMARY = 1
    FULL = 2


class Obligation(IntEnum):
    """What the caller should do beside obeying. Numbers equal the protobuf enum."""

    WARN_NEAR_LIMIT = 1
    WARN_TRIAL_ENDING = 2
    WARN_LICENSE_EXPIRING = 3
    METER_USAGE = 4
    LOG_OVERAGE = 5
    READ_ONLY = 6
    VERSION_BEHIND = 7


class Window(NamedTuple):
    """A half-open window [from_ms, until_ms); None is open on that side."""

    from_ms: Millis | None = None
    until_ms: Millis | None = None

    def contains(self, now: int) -> bool:
        """Return whether the instant lies inside."""
        return (self.from_ms is None or self.from_ms <= now) and (self.until_ms is None or now < self.until_ms)


ALWAYS: Final = Window()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause of a condition; ``operand`` is None exactly for EXISTS."""

    attribute: str
    operator: Operator
    operand: Attribute | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


Condition: TypeAlias = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long an answer stays trustworthy without news (semantics F1). Defaults are the product-wide ones."""

    fresh_for_ms: Millis = Millis(5_000)
    stale_ok_for_ms: Millis = Millis(86_400_000)
    on_too_stale: OnTooStale = OnTooStale.LAST_VALUE


DEFAULT_LADDER: Final = Ladder()


@dataclass(frozen=True, slots=True)
class Promotion:
    """A time-limited extra grant, of a cohort (in a feature) or of one customer."""

    id: str
    feature: FeatureKey
    value: Value | None = None
    window: Window = ALWAYS
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a product. ``combine`` and ``value_type`` are None exactly for switches."""

    key: FeatureKey
    product: ProductId
    kind: FeatureKind
    core: bool = False
    value_type: ValueType | None = None
    combine: CombineRule | None = None
    default_value: Value | None = None
    ladder: Ladder = DEFAULT_LADDER
    available_when: Condition | None = None
    requires: tuple[FeatureKey, ...] = ()
    retired_at_ms: Millis | None = None
    sold_in_plans: tuple[str, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    contact: str = ""


@dataclass(frozen=True, slots=True)
class PlanEntitlement:
    """What a plan or add-on version grants for one feature."""

    feature: FeatureKey
    value: Value | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """An immutable version of a plan or add-on."""

    plan: str
    version: int
    product: ProductId
    addon: bool = False
    entitlements: Mapping[FeatureKey, PlanEntitlement] = field(default_factory=dict)

    @property
    def ref(self) -> PlanRef:
        """Return ``PLAN@VERSION``."""
        return PlanRef(f"{self.plan}@{self.version}")


class Span(NamedTuple):
    """One state of a subscription's timeline with the access that the product maps it to."""

    state: SubscriptionState
    access: AccessLevel
    window: Window


class SubscriptionItem(NamedTuple):
    """A plan or add-on version held by a subscription."""

    ref: PlanRef
    quantity: int = 1
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's subscription; spans are sorted and do not overlap."""

    id: str
    items: tuple[SubscriptionItem, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """The vendor's decision about one customer and one feature."""

    id: str
    feature: FeatureKey
    effect: OverrideEffect
    value: Value | None = None
    window: Window = ALWAYS


SUSPENSION_CAUSES: Final = ("non_payment", "abuse", "security", "compliance", "export", "legal_hold", "other")
COMPLIANCE_CAUSES: Final = frozenset({"compliance", "export", "legal_hold"})
"""Causes whose deny is COMPLIANCE_BLOCKED rather than SUBSCRIPTION_SUSPENDED."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A reversible restriction; ``target`` is a subscription id or a feature key, empty for the whole customer."""

    id: str
    scope: SuspensionScope
    access: AccessLevel
    cause: str
    target: str = ""
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Customer:
    """What deciding needs of one customer for one product. Attribute names carry no ``customer.`` prefix."""

    id: CustomerId
    archived: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: EMPTY)
    subscriptions: tuple[Subscription, ...] = ()
    overrides: tuple[Override, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    promotions: tuple[Promotion, ...] = ()


class Records(Protocol):
    """One consistent version of a product's policy set."""

    @property
    def complete(self) -> bool:
        """Return whether a whole policy set is loaded; until then nothing is unknown (semantics A4)."""

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""


@dataclass(frozen=True, slots=True)
class Query:
    """One valid question. Attribute names are full: ``request.region``, ``subject.tier``, ``resource.kind``."""

    customer_id: CustomerId
    feature: FeatureKey
    product: ProductId
    subject_id: str = ""
    resource_id: str = ""
    requested_value: Value | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: EMPTY)
    explain: ExplainLevel = ExplainLevel.NONE


@dataclass(frozen=True, slots=True)
class Remedy:
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the records to one question at one instant.

    ``valid_until`` is the earliest later instant at which the records alone could answer differently (semantics E2);
    the freshness ladder's own edge is added where the age is known. ``explicit_deny`` marks denies that stay denies
    under every rung of the ladder (semantics F2). ``underlying_code`` is set when a ladder or a fallback replaced
    what the records said.
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
    underlying_code: Code | None = None
    explanation: Explanation | None = None
