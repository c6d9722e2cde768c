import datetime

from entitlements.v1 import decision_pb2 as _decision_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPLAIN_LEVEL_UNSPECIFIED: _ClassVar[ExplainLevel]
    EXPLAIN_LEVEL_SUMMARY: _ClassVar[ExplainLevel]
    EXPLAIN_LEVEL_FULL: _ClassVar[ExplainLevel]
EXPLAIN_LEVEL_UNSPECIFIED: ExplainLevel
EXPLAIN_LEVEL_SUMMARY: ExplainLevel
EXPLAIN_LEVEL_FULL: ExplainLevel

class AttributeValue(_message.Message):
    __slots__ = ("string_value", "int_value", "bool_value", "timestamp_value", "list_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_VALUE_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    int_value: int
    bool_value: bool
    timestamp_value: _timestamp_pb2.Timestamp
    list_value: _decision_pb2.StringList
    def __init__(self, string_value: _Optional[str] = ..., int_value: _Optional[int] = ..., bool_value: bool = ..., timestamp_value: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., list_value: _Optional[_Union[_decision_pb2.StringList, _Mapping]] = ...) -> None: ...

class Fallback(_message.Message):
    __slots__ = ("allowed", "value")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    value: _decision_pb2.Value
    def __init__(self, allowed: bool = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("customer_id", "feature", "product", "subject_id", "resource_id", "quantity", "requested_value", "attributes", "min_version", "as_of", "explain", "fallback")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttributeValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttributeValue, _Mapping]] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_VALUE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    feature: str
    product: str
    subject_id: str
    resource_id: str
    quantity: int
    requested_value: _decision_pb2.Value
    attributes: _containers.MessageMap[str, AttributeValue]
    min_version: str
    as_of: _timestamp_pb2.Timestamp
    explain: ExplainLevel
    fallback: Fallback
    def __init__(self, customer_id: _Optional[str] = ..., feature: _Optional[str] = ..., product: _Optional[str] = ..., subject_id: _Optional[str] = ..., resource_id: _Optional[str] = ..., quantity: _Optional[int] = ..., requested_value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., attributes: _Optional[_Mapping[str, AttributeValue]] = ..., min_version: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., explain: _Optional[_Union[ExplainLevel, str]] = ..., fallback: _Optional[_Union[Fallback, _Mapping]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("allowed", "code", "access_level", "value", "quota", "source", "served_from", "freshness", "valid_until", "obligations", "remedy", "retry_after", "decision_id", "explain", "underlying_code", "feature", "as_of")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LEVEL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SERVED_FROM_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    UNDERLYING_CODE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    code: _decision_pb2.Code
    access_level: _decision_pb2.AccessLevel
    value: _decision_pb2.Value
    quota: _decision_pb2.Quota
    source: _decision_pb2.Source
    served_from: _decision_pb2.ServedFrom
    freshness: _decision_pb2.Freshness
    valid_until: _timestamp_pb2.Timestamp
    obligations: _containers.RepeatedScalarFieldContainer[_decision_pb2.Obligation]
    remedy: _decision_pb2.Remedy
    retry_after: _duration_pb2.Duration
    decision_id: str
    explain: _decision_pb2.Explain
    underlying_code: _decision_pb2.Code
    feature: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, allowed: bool = ..., code: _Optional[_Union[_decision_pb2.Code, str]] = ..., access_level: _Optional[_Union[_decision_pb2.AccessLevel, str]] = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., quota: _Optional[_Union[_decision_pb2.Quota, _Mapping]] = ..., source: _Optional[_Union[_decision_pb2.Source, str]] = ..., served_from: _Optional[_Union[_decision_pb2.ServedFrom, str]] = ..., freshness: _Optional[_Union[_decision_pb2.Freshness, _Mapping]] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., obligations: _Optional[_Iterable[_Union[_decision_pb2.Obligation, str]]] = ..., remedy: _Optional[_Union[_decision_pb2.Remedy, _Mapping]] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_id: _Optional[str] = ..., explain: _Optional[_Union[_decision_pb2.Explain, _Mapping]] = ..., underlying_code: _Optional[_Union[_decision_pb2.Code, str]] = ..., feature: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BatchCheckRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CheckRequest]
    def __init__(self, items: _Optional[_Iterable[_Union[CheckRequest, _Mapping]]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("status", "reason", "field", "message")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: int
    reason: str
    field: str
    message: str
    def __init__(self, status: _Optional[int] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class BatchCheckItem(_message.Message):
    __slots__ = ("decision", "error")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    decision: CheckResponse
    error: ItemError
    def __init__(self, decision: _Optional[_Union[CheckResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class BatchCheckResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BatchCheckItem]
    def __init__(self, items: _Optional[_Iterable[_Union[BatchCheckItem, _Mapping]]] = ...) -> None: ...

class ListEntitlementsRequest(_message.Message):
    __slots__ = ("customer_id", "product", "feature_prefix", "allowed_only", "page_size", "page_token", "attributes", "subject_id", "resource_id", "as_of", "explain", "min_version")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttributeValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttributeValue, _Mapping]] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    product: str
    feature_prefix: str
    allowed_only: bool
    page_size: int
    page_token: str
    attributes: _containers.MessageMap[str, AttributeValue]
    subject_id: str
    resource_id: str
    as_of: _timestamp_pb2.Timestamp
    explain: ExplainLevel
    min_version: str
    def __init__(self, customer_id: _Optional[str] = ..., product: _Optional[str] = ..., feature_prefix: _Optional[str] = ..., allowed_only: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., attributes: _Optional[_Mapping[str, AttributeValue]] = ..., subject_id: _Optional[str] = ..., resource_id: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., explain: _Optional[_Union[ExplainLevel, str]] = ..., min_version: _Optional[str] = ...) -> None: ...

class ListEntitlementsResponse(_message.Message):
    __slots__ = ("entitlements", "next_page_token")
    ENTITLEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entitlements: _containers.RepeatedCompositeFieldContainer[CheckResponse]
    next_page_token: str
    def __init__(self, entitlements: _Optional[_Iterable[_Union[CheckResponse, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
