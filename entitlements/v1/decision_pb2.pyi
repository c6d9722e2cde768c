import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_UNSPECIFIED: _ClassVar[Code]
    CODE_POLICY_NOT_READY: _ClassVar[Code]
    CODE_POLICY_TOO_STALE: _ClassVar[Code]
    CODE_FALLBACK_ALLOW: _ClassVar[Code]
    CODE_FALLBACK_DENY: _ClassVar[Code]
    CODE_INTERNAL: _ClassVar[Code]
    CODE_CUSTOMER_UNKNOWN: _ClassVar[Code]
    CODE_CUSTOMER_ARCHIVED: _ClassVar[Code]
    CODE_RESOURCE_UNKNOWN: _ClassVar[Code]
    CODE_FEATURE_UNKNOWN: _ClassVar[Code]
    CODE_FEATURE_RETIRED: _ClassVar[Code]
    CODE_TYPE_MISMATCH: _ClassVar[Code]
    CODE_LICENSE_MISSING: _ClassVar[Code]
    CODE_LICENSE_INVALID: _ClassVar[Code]
    CODE_LICENSE_EXPIRED: _ClassVar[Code]
    CODE_LICENSE_NOT_YET_VALID: _ClassVar[Code]
    CODE_LICENSE_REVOKED: _ClassVar[Code]
    CODE_LICENSE_SUPERSEDED: _ClassVar[Code]
    CODE_LICENSE_NODE_MISMATCH: _ClassVar[Code]
    CODE_LICENSE_CLOCK_TAMPERED: _ClassVar[Code]
    CODE_LICENSE_CHECKIN_OVERDUE: _ClassVar[Code]
    CODE_NO_SUBSCRIPTION: _ClassVar[Code]
    CODE_SUBSCRIPTION_PENDING: _ClassVar[Code]
    CODE_SUBSCRIPTION_NOT_STARTED: _ClassVar[Code]
    CODE_SUBSCRIPTION_SUSPENDED: _ClassVar[Code]
    CODE_PAYMENT_REQUIRED: _ClassVar[Code]
    CODE_TRIAL_EXPIRED: _ClassVar[Code]
    CODE_SUBSCRIPTION_EXPIRED: _ClassVar[Code]
    CODE_SUBSCRIPTION_CANCELED: _ClassVar[Code]
    CODE_REVOKED: _ClassVar[Code]
    CODE_REGION_RESTRICTED: _ClassVar[Code]
    CODE_COMPLIANCE_BLOCKED: _ClassVar[Code]
    CODE_NOT_IN_PLAN: _ClassVar[Code]
    CODE_DEPENDENCY_MISSING: _ClassVar[Code]
    CODE_CONDITION_NOT_MET: _ClassVar[Code]
    CODE_VALUE_NOT_ALLOWED: _ClassVar[Code]
    CODE_SEAT_NOT_ASSIGNED: _ClassVar[Code]
    CODE_SEAT_LIMIT_REACHED: _ClassVar[Code]
    CODE_CONCURRENCY_LIMIT_REACHED: _ClassVar[Code]
    CODE_QUOTA_EXCEEDED: _ClassVar[Code]
    CODE_CREDITS_EXHAUSTED: _ClassVar[Code]
    CODE_BUDGET_EXCEEDED: _ClassVar[Code]
    CODE_RATE_LIMITED: _ClassVar[Code]
    CODE_ENTITLED: _ClassVar[Code]
    CODE_ENTITLED_CORE: _ClassVar[Code]
    CODE_ENTITLED_TRIAL: _ClassVar[Code]
    CODE_ENTITLED_OVERRIDE: _ClassVar[Code]
    CODE_ENTITLED_PROMOTION: _ClassVar[Code]
    CODE_ENTITLED_GRACE: _ClassVar[Code]
    CODE_ENTITLED_OVERAGE: _ClassVar[Code]

class AccessLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_LEVEL_UNSPECIFIED: _ClassVar[AccessLevel]
    ACCESS_LEVEL_NONE: _ClassVar[AccessLevel]
    ACCESS_LEVEL_READ_ONLY: _ClassVar[AccessLevel]
    ACCESS_LEVEL_GRACE: _ClassVar[AccessLevel]
    ACCESS_LEVEL_FULL: _ClassVar[AccessLevel]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_PLAN: _ClassVar[Source]
    SOURCE_ADDON: _ClassVar[Source]
    SOURCE_TRIAL: _ClassVar[Source]
    SOURCE_OVERRIDE: _ClassVar[Source]
    SOURCE_PROMOTION: _ClassVar[Source]
    SOURCE_CORE: _ClassVar[Source]
    SOURCE_LICENSE: _ClassVar[Source]
    SOURCE_DEFAULT: _ClassVar[Source]

class ServedFrom(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVED_FROM_UNSPECIFIED: _ClassVar[ServedFrom]
    SERVED_FROM_LIVE: _ClassVar[ServedFrom]
    SERVED_FROM_LAST_KNOWN_GOOD: _ClassVar[ServedFrom]
    SERVED_FROM_SIGNED_LICENSE: _ClassVar[ServedFrom]
    SERVED_FROM_STATIC_FALLBACK: _ClassVar[ServedFrom]
    SERVED_FROM_CALLER_FALLBACK: _ClassVar[ServedFrom]

class FreshnessState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRESHNESS_STATE_UNSPECIFIED: _ClassVar[FreshnessState]
    FRESHNESS_STATE_FRESH: _ClassVar[FreshnessState]
    FRESHNESS_STATE_STALE: _ClassVar[FreshnessState]
    FRESHNESS_STATE_TOO_STALE: _ClassVar[FreshnessState]

class Obligation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBLIGATION_UNSPECIFIED: _ClassVar[Obligation]
    OBLIGATION_WARN_NEAR_LIMIT: _ClassVar[Obligation]
    OBLIGATION_WARN_TRIAL_ENDING: _ClassVar[Obligation]
    OBLIGATION_WARN_LICENSE_EXPIRING: _ClassVar[Obligation]
    OBLIGATION_METER_USAGE: _ClassVar[Obligation]
    OBLIGATION_LOG_OVERAGE: _ClassVar[Obligation]
    OBLIGATION_READ_ONLY: _ClassVar[Obligation]
    OBLIGATION_VERSION_BEHIND: _ClassVar[Obligation]

class RemedyAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REMEDY_ACTION_UNSPECIFIED: _ClassVar[RemedyAction]
    REMEDY_ACTION_UPGRADE: _ClassVar[RemedyAction]
    REMEDY_ACTION_ADD_SEAT: _ClassVar[RemedyAction]
    REMEDY_ACTION_TOP_UP: _ClassVar[RemedyAction]
    REMEDY_ACTION_RENEW: _ClassVar[RemedyAction]
    REMEDY_ACTION_FIX_PAYMENT: _ClassVar[RemedyAction]
    REMEDY_ACTION_CONTACT_ADMIN: _ClassVar[RemedyAction]
    REMEDY_ACTION_WAIT_RESET: _ClassVar[RemedyAction]
    REMEDY_ACTION_RETRY: _ClassVar[RemedyAction]
    REMEDY_ACTION_FIX_CALLER: _ClassVar[RemedyAction]

class QuotaAccuracy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUOTA_ACCURACY_UNSPECIFIED: _ClassVar[QuotaAccuracy]
    QUOTA_ACCURACY_EXACT: _ClassVar[QuotaAccuracy]
    QUOTA_ACCURACY_BOUNDED: _ClassVar[QuotaAccuracy]
CODE_UNSPECIFIED: Code
CODE_POLICY_NOT_READY: Code
CODE_POLICY_TOO_STALE: Code
CODE_FALLBACK_ALLOW: Code
CODE_FALLBACK_DENY: Code
CODE_INTERNAL: Code
CODE_CUSTOMER_UNKNOWN: Code
CODE_CUSTOMER_ARCHIVED: Code
CODE_RESOURCE_UNKNOWN: Code
CODE_FEATURE_UNKNOWN: Code
CODE_FEATURE_RETIRED: Code
CODE_TYPE_MISMATCH: Code
CODE_LICENSE_MISSING: Code
CODE_LICENSE_INVALID: Code
CODE_LICENSE_EXPIRED: Code
CODE_LICENSE_NOT_YET_VALID: Code
CODE_LICENSE_REVOKED: Code
CODE_LICENSE_SUPERSEDED: Code
CODE_LICENSE_NODE_MISMATCH: Code
CODE_LICENSE_CLOCK_TAMPERED: Code
CODE_LICENSE_CHECKIN_OVERDUE: Code
CODE_NO_SUBSCRIPTION: Code
CODE_SUBSCRIPTION_PENDING: Code
CODE_SUBSCRIPTION_NOT_STARTED: Code
CODE_SUBSCRIPTION_SUSPENDED: Code
CODE_PAYMENT_REQUIRED: Code
CODE_TRIAL_EXPIRED: Code
CODE_SUBSCRIPTION_EXPIRED: Code
CODE_SUBSCRIPTION_CANCELED: Code
CODE_REVOKED: Code
CODE_REGION_RESTRICTED: Code
CODE_COMPLIANCE_BLOCKED: Code
CODE_NOT_IN_PLAN: Code
CODE_DEPENDENCY_MISSING: Code
CODE_CONDITION_NOT_MET: Code
CODE_VALUE_NOT_ALLOWED: Code
CODE_SEAT_NOT_ASSIGNED: Code
CODE_SEAT_LIMIT_REACHED: Code
CODE_CONCURRENCY_LIMIT_REACHED: Code
CODE_QUOTA_EXCEEDED: Code
CODE_CREDITS_EXHAUSTED: Code
CODE_BUDGET_EXCEEDED: Code
CODE_RATE_LIMITED: Code
CODE_ENTITLED: Code
CODE_ENTITLED_CORE: Code
CODE_ENTITLED_TRIAL: Code
CODE_ENTITLED_OVERRIDE: Code
CODE_ENTITLED_PROMOTION: Code
CODE_ENTITLED_GRACE: Code
CODE_ENTITLED_OVERAGE: Code
ACCESS_LEVEL_UNSPECIFIED: AccessLevel
ACCESS_LEVEL_NONE: AccessLevel
ACCESS_LEVEL_READ_ONLY: AccessLevel
ACCESS_LEVEL_GRACE: AccessLevel
ACCESS_LEVEL_FULL: AccessLevel
SOURCE_UNSPECIFIED: Source
SOURCE_PLAN: Source
SOURCE_ADDON: Source
SOURCE_TRIAL: Source
SOURCE_OVERRIDE: Source
SOURCE_PROMOTION: Source
SOURCE_CORE: Source
SOURCE_LICENSE: Source
SOURCE_DEFAULT: Source
SERVED_FROM_UNSPECIFIED: ServedFrom
SERVED_FROM_LIVE: ServedFrom
SERVED_FROM_LAST_KNOWN_GOOD: ServedFrom
SERVED_FROM_SIGNED_LICENSE: ServedFrom
SERVED_FROM_STATIC_FALLBACK: ServedFrom
SERVED_FROM_CALLER_FALLBACK: ServedFrom
FRESHNESS_STATE_UNSPECIFIED: FreshnessState
FRESHNESS_STATE_FRESH: FreshnessState
FRESHNESS_STATE_STALE: FreshnessState
FRESHNESS_STATE_TOO_STALE: FreshnessState
OBLIGATION_UNSPECIFIED: Obligation
OBLIGATION_WARN_NEAR_LIMIT: Obligation
OBLIGATION_WARN_TRIAL_ENDING: Obligation
OBLIGATION_WARN_LICENSE_EXPIRING: Obligation
OBLIGATION_METER_USAGE: Obligation
OBLIGATION_LOG_OVERAGE: Obligation
OBLIGATION_READ_ONLY: Obligation
OBLIGATION_VERSION_BEHIND: Obligation
REMEDY_ACTION_UNSPECIFIED: RemedyAction
REMEDY_ACTION_UPGRADE: RemedyAction
REMEDY_ACTION_ADD_SEAT: RemedyAction
REMEDY_ACTION_TOP_UP: RemedyAction
REMEDY_ACTION_RENEW: RemedyAction
REMEDY_ACTION_FIX_PAYMENT: RemedyAction
REMEDY_ACTION_CONTACT_ADMIN: RemedyAction
REMEDY_ACTION_WAIT_RESET: RemedyAction
REMEDY_ACTION_RETRY: RemedyAction
REMEDY_ACTION_FIX_CALLER: RemedyAction
QUOTA_ACCURACY_UNSPECIFIED: QuotaAccuracy
QUOTA_ACCURACY_EXACT: QuotaAccuracy
QUOTA_ACCURACY_BOUNDED: QuotaAccuracy

class StringList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("bool_value", "int_value", "string_value", "list_value", "unlimited")
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    UNLIMITED_FIELD_NUMBER: _ClassVar[int]
    bool_value: bool
    int_value: int
    string_value: str
    list_value: StringList
    unlimited: bool
    def __init__(self, bool_value: bool = ..., int_value: _Optional[int] = ..., string_value: _Optional[str] = ..., list_value: _Optional[_Union[StringList, _Mapping]] = ..., unlimited: bool = ...) -> None: ...

class Freshness(_message.Message):
    __slots__ = ("state", "epoch", "seq", "age_ms")
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    state: FreshnessState
    epoch: int
    seq: int
    age_ms: int
    def __init__(self, state: _Optional[_Union[FreshnessState, str]] = ..., epoch: _Optional[int] = ..., seq: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Quota(_message.Message):
    __slots__ = ("limit", "unlimited", "used", "reserved", "remaining", "soft", "period", "reset_at", "accuracy")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    UNLIMITED_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    SOFT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    RESET_AT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    limit: int
    unlimited: bool
    used: int
    reserved: int
    remaining: int
    soft: bool
    period: str
    reset_at: _timestamp_pb2.Timestamp
    accuracy: QuotaAccuracy
    def __init__(self, limit: _Optional[int] = ..., unlimited: bool = ..., used: _Optional[int] = ..., reserved: _Optional[int] = ..., remaining: _Optional[int] = ..., soft: bool = ..., period: _Optional[str] = ..., reset_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accuracy: _Optional[_Union[QuotaAccuracy, str]] = ...) -> None: ...

class Remedy(_message.Message):
    __slots__ = ("action", "plan_ids", "contact")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PLAN_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    action: RemedyAction
    plan_ids: _containers.RepeatedScalarFieldContainer[str]
    contact: str
    def __init__(self, action: _Optional[_Union[RemedyAction, str]] = ..., plan_ids: _Optional[_Iterable[str]] = ..., contact: _Optional[str] = ...) -> None: ...

class ConsideredSource(_message.Message):
    __slots__ = ("source", "id", "subscription_id", "counted", "note", "value")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    source: Source
    id: str
    subscription_id: str
    counted: bool
    note: str
    value: Value
    def __init__(self, source: _Optional[_Union[Source, str]] = ..., id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., counted: bool = ..., note: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class Explain(_message.Message):
    __slots__ = ("user_message", "engineer_message", "rules", "considered", "failed_conditions", "suspension_cause")
    USER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ENGINEER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    FAILED_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    SUSPENSION_CAUSE_FIELD_NUMBER: _ClassVar[int]
    user_message: str
    engineer_message: str
    rules: _containers.RepeatedScalarFieldContainer[str]
    considered: _containers.RepeatedCompositeFieldContainer[ConsideredSource]
    failed_conditions: _containers.RepeatedScalarFieldContainer[str]
    suspension_cause: str
    def __init__(self, user_message: _Optional[str] = ..., engineer_message: _Optional[str] = ..., rules: _Optional[_Iterable[str]] = ..., considered: _Optional[_Iterable[_Union[ConsideredSource, _Mapping]]] = ..., failed_conditions: _Optional[_Iterable[str]] = ..., suspension_cause: _Optional[str] = ...) -> None: ...
