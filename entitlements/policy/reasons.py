"""The closed table of reason codes: family, messages, remedy, retryable, HTTP hint (semantics D1-D5).

The order of the table is the order of precedence among denies. Numbers equal ``entitlements.v1.Code``.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Code(IntEnum):
    """The one reason of an answer, set on allow and on deny."""

    POLICY_NOT_READY = 1
    POLICY_TOO_STALE = 2
    FALLBACK_ALLOW = 3
    FALLBACK_DENY = 4
    INTERNAL = 5
    CUSTOMER_UNKNOWN = 20
    CUSTOMER_ARCHIVED = 21
    RESOURCE_UNKNOWN = 22
    FEATURE_UNKNOWN = 23
    FEATURE_RETIRED = 24
    TYPE_MISMATCH = 25
    LICENSE_MISSING = 40
    LICENSE_INVALID = 41
    LICENSE_EXPIRED = 42
    LICENSE_NOT_YET_VALID = 43
    LICENSE_REVOKED = 44
    LICENSE_SUPERSEDED = 45
    LICENSE_NODE_MISMATCH = 46
    LICENSE_CLOCK_TAMPERED = 47
    LICENSE_CHECKIN_OVERDUE = 48
    NO_SUBSCRIPTION = 60
    SUBSCRIPTION_PENDING = 61
    SUBSCRIPTION_NOT_STARTED = 62
    SUBSCRIPTION_SUSPENDED = 63
    PAYMENT_REQUIRED = 64
    TRIAL_EXPIRED = 65
    SUBSCRIPTION_EXPIRED = 66
    SUBSCRIPTION_CANCELED = 67
    REVOKED = 80
    REGION_RESTRICTED = 81
    COMPLIANCE_BLOCKED = 82
    NOT_IN_PLAN = 83
    DEPENDENCY_MISSING = 84
    CONDITION_NOT_MET = 85
    VALUE_NOT_ALLOWED = 86
    SEAT_NOT_ASSIGNED = 87
    SEAT_LIMIT_REACHED = 100
    CONCURRENCY_LIMIT_REACHED = 101
    QUOTA_EXCEEDED = 102
    CREDITS_EXHAUSTED = 103
    BUDGET_EXCEEDED = 104
    RATE_LIMITED = 105
    ENTITLED = 120
    ENTITLED_CORE = 121
    ENTITLED_TRIAL = 122
    ENTITLED_OVERRIDE = 123
    ENTITLED_PROMOTION = 124
    ENTITLED_GRACE = 125
    ENTITLED_OVERAGE = 126


class Family(Enum):
    """Families of codes, in order of precedence."""

    SYSTEM = "system"
    LOOKUP = "lookup"
    LICENSE = "license"
    COMMERCIAL = "commercial"
    SCOPE = "scope"
    QUANTITY = "quantity"
    ALLOW = "allow"


class RemedyAction(IntEnum):
    """The repair that would turn a deny into an allow. Numbers equal the protobuf enum."""

    NOTHING = 0
    UPGRADE = 1
    ADD_SEAT = 2
    TOP_UP = 3
    RENEW = 4
    FIX_PAYMENT = 5
    CONTACT_ADMIN = 6
    WAIT_RESET = 7
    RETRY = 8
    FIX_CALLER = 9
