"""The closed words of the domain: enumerations, value types, windows. Numbers equal the protobuf enums."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from entitlements.policy.ids import Millis


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
