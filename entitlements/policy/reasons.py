"""The closed table of reason codes: family, messages, remedy, retryable, HTTP hint (semantics D1-D5).

The order of the table is the order of precedence among denies. Numbers equal ``entitlements.v1.Code``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

from entitlements.policy.reason_texts import SENTENCES


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


@dataclass(frozen=True, slots=True)
class Reason:
    """What everyone needs to know about one code (semantics D5); ``http_status`` is a hint for REST and gateways."""

    code: Code
    family: Family
    user_message: str
    engineer_message: str
    retryable: bool
    remedy: RemedyAction
    http_status: int


_RETRYABLE: Final = True
_TABLE: Final = (
    (Code.POLICY_NOT_READY, Family.SYSTEM, _RETRYABLE, RemedyAction.RETRY, 503),
    (Code.POLICY_TOO_STALE, Family.SYSTEM, _RETRYABLE, RemedyAction.RETRY, 503),
    (Code.FALLBACK_ALLOW, Family.SYSTEM, _RETRYABLE, RemedyAction.NOTHING, 200),
    (Code.FALLBACK_DENY, Family.SYSTEM, _RETRYABLE, RemedyAction.RETRY, 503),
    (Code.INTERNAL, Family.SYSTEM, _RETRYABLE, RemedyAction.RETRY, 500),
    (Code.CUSTOMER_UNKNOWN, Family.LOOKUP, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.CUSTOMER_ARCHIVED, Family.LOOKUP, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.RESOURCE_UNKNOWN, Family.LOOKUP, False, RemedyAction.FIX_CALLER, 403),
    (Code.FEATURE_UNKNOWN, Family.LOOKUP, False, RemedyAction.FIX_CALLER, 404),
    (Code.FEATURE_RETIRED, Family.LOOKUP, False, RemedyAction.FIX_CALLER, 410),
    (Code.TYPE_MISMATCH, Family.LOOKUP, False, RemedyAction.FIX_CALLER, 400),
    (Code.LICENSE_MISSING, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_INVALID, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_EXPIRED, Family.LICENSE, False, RemedyAction.RENEW, 403),
    (Code.LICENSE_NOT_YET_VALID, Family.LICENSE, False, RemedyAction.WAIT_RESET, 403),
    (Code.LICENSE_REVOKED, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_SUPERSEDED, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_NODE_MISMATCH, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_CLOCK_TAMPERED, Family.LICENSE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.LICENSE_CHECKIN_OVERDUE, Family.LICENSE, _RETRYABLE, RemedyAction.CONTACT_ADMIN, 403),
    (Code.NO_SUBSCRIPTION, Family.COMMERCIAL, False, RemedyAction.UPGRADE, 402),
    (Code.SUBSCRIPTION_PENDING, Family.COMMERCIAL, _RETRYABLE, RemedyAction.CONTACT_ADMIN, 402),
    (Code.SUBSCRIPTION_NOT_STARTED, Family.COMMERCIAL, _RETRYABLE, RemedyAction.WAIT_RESET, 403),
    (Code.SUBSCRIPTION_SUSPENDED, Family.COMMERCIAL, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.PAYMENT_REQUIRED, Family.COMMERCIAL, False, RemedyAction.FIX_PAYMENT, 402),
    (Code.TRIAL_EXPIRED, Family.COMMERCIAL, False, RemedyAction.UPGRADE, 402),
    (Code.SUBSCRIPTION_EXPIRED, Family.COMMERCIAL, False, RemedyAction.RENEW, 402),
    (Code.SUBSCRIPTION_CANCELED, Family.COMMERCIAL, False, RemedyAction.RENEW, 402),
    (Code.REVOKED, Family.SCOPE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.REGION_RESTRICTED, Family.SCOPE, False, RemedyAction.CONTACT_ADMIN, 451),
    (Code.COMPLIANCE_BLOCKED, Family.SCOPE, False, RemedyAction.CONTACT_ADMIN, 451),
    (Code.NOT_IN_PLAN, Family.SCOPE, False, RemedyAction.UPGRADE, 403),
    (Code.DEPENDENCY_MISSING, Family.SCOPE, False, RemedyAction.UPGRADE, 403),
    (Code.CONDITION_NOT_MET, Family.SCOPE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.VALUE_NOT_ALLOWED, Family.SCOPE, False, RemedyAction.UPGRADE, 403),
    (Code.SEAT_NOT_ASSIGNED, Family.SCOPE, False, RemedyAction.CONTACT_ADMIN, 403),
    (Code.SEAT_LIMIT_REACHED, Family.QUANTITY, False, RemedyAction.ADD_SEAT, 409),
    (Code.CONCURRENCY_LIMIT_REACHED, Family.QUANTITY, _RETRYABLE, RemedyAction.RETRY, 409),
    (Code.QUOTA_EXCEEDED, Family.QUANTITY, _RETRYABLE, RemedyAction.WAIT_RESET, 429),
    (Code.CREDITS_EXHAUSTED, Family.QUANTITY, False, RemedyAction.TOP_UP, 402),
    (Code.BUDGET_EXCEEDED, Family.QUANTITY, False, RemedyAction.CONTACT_ADMIN, 402),
    (Code.RATE_LIMITED, Family.QUANTITY, _RETRYABLE, RemedyAction.RETRY, 429),
    (Code.ENTITLED, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_CORE, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_TRIAL, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_OVERRIDE, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_PROMOTION, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_GRACE, Family.ALLOW, False, RemedyAction.NOTHING, 200),
    (Code.ENTITLED_OVERAGE, Family.ALLOW, False, RemedyAction.NOTHING, 200),
)

REASONS: Final[Mapping[Code, Reason]] = MappingProxyType(
    {
        code: Reason(code, family, *SENTENCES[code.name], retryable, remedy, http_status)
        for code, family, retryable, remedy, http_status in _TABLE
    }
)
"""Every code, in order of precedence."""

PRECEDENCE: Final[Mapping[Code, int]] = MappingProxyType({code: rank for rank, code in enumerate(REASONS)})
"""Among several denies the code with the smallest number is reported (semantics D1)."""

NOT_PRODUCED: Final = frozenset(
    {
        Code.RESOURCE_UNKNOWN,
        Code.LICENSE_MISSING,
        Code.LICENSE_INVALID,
        Code.LICENSE_EXPIRED,
        Code.LICENSE_NOT_YET_VALID,
        Code.LICENSE_REVOKED,
        Code.LICENSE_SUPERSEDED,
        Code.LICENSE_NODE_MISMATCH,
        Code.LICENSE_CLOCK_TAMPERED,
        Code.LICENSE_CHECKIN_OVERDUE,
        Code.SEAT_NOT_ASSIGNED,
        Code.SEAT_LIMIT_REACHED,
        Code.CONCURRENCY_LIMIT_REACHED,
        Code.QUOTA_EXCEEDED,
        Code.CREDITS_EXHAUSTED,
        Code.BUDGET_EXCEEDED,
        Code.RATE_LIMITED,
        Code.ENTITLED_OVERAGE,
    }
)
"""Codes that belong to the closed table and that this version never answers: they come with resources, licences, seats, quotas."""
