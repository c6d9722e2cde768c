from entitlements.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeatureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_KIND_UNSPECIFIED: _ClassVar[FeatureKind]
    FEATURE_KIND_SWITCH: _ClassVar[FeatureKind]
    FEATURE_KIND_CONFIG: _ClassVar[FeatureKind]

class ValueType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUE_TYPE_UNSPECIFIED: _ClassVar[ValueType]
    VALUE_TYPE_BOOL: _ClassVar[ValueType]
    VALUE_TYPE_INT: _ClassVar[ValueType]
    VALUE_TYPE_STRING: _ClassVar[ValueType]
    VALUE_TYPE_LIST: _ClassVar[ValueType]

class CombineRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMBINE_RULE_UNSPECIFIED: _ClassVar[CombineRule]
    COMBINE_RULE_MAX: _ClassVar[CombineRule]
    COMBINE_RULE_MIN: _ClassVar[CombineRule]
    COMBINE_RULE_SUM: _ClassVar[CombineRule]
    COMBINE_RULE_UNION: _ClassVar[CombineRule]
    COMBINE_RULE_ANY: _ClassVar[CombineRule]

class OnTooStale(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_TOO_STALE_UNSPECIFIED: _ClassVar[OnTooStale]
    ON_TOO_STALE_LAST_VALUE: _ClassVar[OnTooStale]
    ON_TOO_STALE_ALLOW: _ClassVar[OnTooStale]
    ON_TOO_STALE_DENY: _ClassVar[OnTooStale]
    ON_TOO_STALE_READ_ONLY: _ClassVar[OnTooStale]

class Operator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATOR_UNSPECIFIED: _ClassVar[Operator]
    OPERATOR_EQ: _ClassVar[Operator]
    OPERATOR_NE: _ClassVar[Operator]
    OPERATOR_IN: _ClassVar[Operator]
    OPERATOR_NOT_IN: _ClassVar[Operator]
    OPERATOR_PREFIX: _ClassVar[Operator]
    OPERATOR_LT: _ClassVar[Operator]
    OPERATOR_LE: _ClassVar[Operator]
    OPERATOR_GT: _ClassVar[Operator]
    OPERATOR_GE: _ClassVar[Operator]
    OPERATOR_EXISTS: _ClassVar[Operator]

class SubscriptionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUBSCRIPTION_STATE_UNSPECIFIED: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_PENDING_APPROVAL: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_PENDING_PAYMENT: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_SCHEDULED: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_TRIALING: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_ACTIVE: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_PAST_DUE: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_GRACE: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_SUSPENDED: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_CANCELED: _ClassVar[SubscriptionState]
    SUBSCRIPTION_STATE_EXPIRED: _ClassVar[SubscriptionState]

class OverrideEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERRIDE_EFFECT_UNSPECIFIED: _ClassVar[OverrideEffect]
    OVERRIDE_EFFECT_ALLOW: _ClassVar[OverrideEffect]
    OVERRIDE_EFFECT_DENY: _ClassVar[OverrideEffect]

class SuspensionScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUSPENSION_SCOPE_UNSPECIFIED: _ClassVar[SuspensionScope]
    SUSPENSION_SCOPE_CUSTOMER: _ClassVar[SuspensionScope]
    SUSPENSION_SCOPE_SUBSCRIPTION: _ClassVar[SuspensionScope]
    SUSPENSION_SCOPE_FEATURE: _ClassVar[SuspensionScope]

class FeedKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEED_KIND_UNSPECIFIED: _ClassVar[FeedKind]
    FEED_KIND_DELTA: _ClassVar[FeedKind]
    FEED_KIND_HEARTBEAT: _ClassVar[FeedKind]
    FEED_KIND_MANIFEST: _ClassVar[FeedKind]
    FEED_KIND_NUDGE: _ClassVar[FeedKind]
    FEED_KIND_CUSTOMER: _ClassVar[FeedKind]
    FEED_KIND_CATALOGUE: _ClassVar[FeedKind]

class KeyRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY_ROLE_UNSPECIFIED: _ClassVar[KeyRole]
    KEY_ROLE_ROOT: _ClassVar[KeyRole]
    KEY_ROLE_POLICY: _ClassVar[KeyRole]
    KEY_ROLE_HEARTBEAT: _ClassVar[KeyRole]
FEATURE_KIND_UNSPECIFIED: FeatureKind
FEATURE_KIND_SWITCH: FeatureKind
FEATURE_KIND_CONFIG: FeatureKind
VALUE_TYPE_UNSPECIFIED: ValueType
VALUE_TYPE_BOOL: ValueType
VALUE_TYPE_INT: ValueType
VALUE_TYPE_STRING: ValueType
VALUE_TYPE_LIST: ValueType
COMBINE_RULE_UNSPECIFIED: CombineRule
COMBINE_RULE_MAX: CombineRule
COMBINE_RULE_MIN: CombineRule
COMBINE_RULE_SUM: CombineRule
COMBINE_RULE_UNION: CombineRule
COMBINE_RULE_ANY: CombineRule
ON_TOO_STALE_UNSPECIFIED: OnTooStale
ON_TOO_STALE_LAST_VALUE: OnTooStale
ON_TOO_STALE_ALLOW: OnTooStale
ON_TOO_STALE_DENY: OnTooStale
ON_TOO_STALE_READ_ONLY: OnTooStale
OPERATOR_UNSPECIFIED: Operator
OPERATOR_EQ: Operator
OPERATOR_NE: Operator
OPERATOR_IN: Operator
OPERATOR_NOT_IN: Operator
OPERATOR_PREFIX: Operator
OPERATOR_LT: Operator
OPERATOR_LE: Operator
OPERATOR_GT: Operator
OPERATOR_GE: Operator
OPERATOR_EXISTS: Operator
SUBSCRIPTION_STATE_UNSPECIFIED: SubscriptionState
SUBSCRIPTION_STATE_PENDING_APPROVAL: SubscriptionState
SUBSCRIPTION_STATE_PENDING_PAYMENT: SubscriptionState
SUBSCRIPTION_STATE_SCHEDULED: SubscriptionState
SUBSCRIPTION_STATE_TRIALING: SubscriptionState
SUBSCRIPTION_STATE_ACTIVE: SubscriptionState
SUBSCRIPTION_STATE_PAST_DUE: SubscriptionState
SUBSCRIPTION_STATE_GRACE: SubscriptionState
SUBSCRIPTION_STATE_SUSPENDED: SubscriptionState
SUBSCRIPTION_STATE_CANCELED: SubscriptionState
SUBSCRIPTION_STATE_EXPIRED: SubscriptionState
OVERRIDE_EFFECT_UNSPECIFIED: OverrideEffect
OVERRIDE_EFFECT_ALLOW: OverrideEffect
OVERRIDE_EFFECT_DENY: OverrideEffect
SUSPENSION_SCOPE_UNSPECIFIED: SuspensionScope
SUSPENSION_SCOPE_CUSTOMER: SuspensionScope
SUSPENSION_SCOPE_SUBSCRIPTION: SuspensionScope
SUSPENSION_SCOPE_FEATURE: SuspensionScope
FEED_KIND_UNSPECIFIED: FeedKind
FEED_KIND_DELTA: FeedKind
FEED_KIND_HEARTBEAT: FeedKind
FEED_KIND_MANIFEST: FeedKind
FEED_KIND_NUDGE: FeedKind
FEED_KIND_CUSTOMER: FeedKind
FEED_KIND_CATALOGUE: FeedKind
KEY_ROLE_UNSPECIFIED: KeyRole
KEY_ROLE_ROOT: KeyRole
KEY_ROLE_POLICY: KeyRole
KEY_ROLE_HEARTBEAT: KeyRole

class Literal(_message.Message):
    __slots__ = ("string_value", "int_value", "bool_value", "timestamp_ms", "list_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    int_value: int
    bool_value: bool
    timestamp_ms: int
    list_value: _decision_pb2.StringList
    def __init__(self, string_value: _Optional[str] = ..., int_value: _Optional[int] = ..., bool_value: bool = ..., timestamp_ms: _Optional[int] = ..., list_value: _Optional[_Union[_decision_pb2.StringList, _Mapping]] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("attribute", "operator", "operand")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    OPERAND_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    operator: Operator
    operand: Literal
    def __init__(self, attribute: _Optional[str] = ..., operator: _Optional[_Union[Operator, str]] = ..., operand: _Optional[_Union[Literal, _Mapping]] = ...) -> None: ...

class ConditionList(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("all_of", "any_of", "negation", "comparison")
    ALL_OF_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    NEGATION_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    all_of: ConditionList
    any_of: ConditionList
    negation: Condition
    comparison: Comparison
    def __init__(self, all_of: _Optional[_Union[ConditionList, _Mapping]] = ..., any_of: _Optional[_Union[ConditionList, _Mapping]] = ..., negation: _Optional[_Union[Condition, _Mapping]] = ..., comparison: _Optional[_Union[Comparison, _Mapping]] = ...) -> None: ...

class FreshnessLadder(_message.Message):
    __slots__ = ("fresh_for_ms", "stale_ok_for_ms", "on_too_stale")
    FRESH_FOR_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_OK_FOR_MS_FIELD_NUMBER: _ClassVar[int]
    ON_TOO_STALE_FIELD_NUMBER: _ClassVar[int]
    fresh_for_ms: int
    stale_ok_for_ms: int
    on_too_stale: OnTooStale
    def __init__(self, fresh_for_ms: _Optional[int] = ..., stale_ok_for_ms: _Optional[int] = ..., on_too_stale: _Optional[_Union[OnTooStale, str]] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("from_ms", "until_ms")
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    from_ms: int
    until_ms: int
    def __init__(self, from_ms: _Optional[int] = ..., until_ms: _Optional[int] = ...) -> None: ...

class Promotion(_message.Message):
    __slots__ = ("id", "feature", "value", "window", "condition")
    ID_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    id: str
    feature: str
    value: _decision_pb2.Value
    window: Window
    condition: Condition
    def __init__(self, id: _Optional[str] = ..., feature: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ...) -> None: ...

class FeatureRecord(_message.Message):
    __slots__ = ("key", "product", "kind", "core", "value_type", "combine", "default_value", "ladder", "available_when", "requires", "retired_at_ms", "sold_in_plans", "promotions", "contact")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CORE_FIELD_NUMBER: _ClassVar[int]
    VALUE_TYPE_FIELD_NUMBER: _ClassVar[int]
    COMBINE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    LADDER_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_WHEN_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_FIELD_NUMBER: _ClassVar[int]
    RETIRED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SOLD_IN_PLANS_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    key: str
    product: str
    kind: FeatureKind
    core: bool
    value_type: ValueType
    combine: CombineRule
    default_value: _decision_pb2.Value
    ladder: FreshnessLadder
    available_when: Condition
    requires: _containers.RepeatedScalarFieldContainer[str]
    retired_at_ms: int
    sold_in_plans: _containers.RepeatedScalarFieldContainer[str]
    promotions: _containers.RepeatedCompositeFieldContainer[Promotion]
    contact: str
    def __init__(self, key: _Optional[str] = ..., product: _Optional[str] = ..., kind: _Optional[_Union[FeatureKind, str]] = ..., core: bool = ..., value_type: _Optional[_Union[ValueType, str]] = ..., combine: _Optional[_Union[CombineRule, str]] = ..., default_value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., ladder: _Optional[_Union[FreshnessLadder, _Mapping]] = ..., available_when: _Optional[_Union[Condition, _Mapping]] = ..., requires: _Optional[_Iterable[str]] = ..., retired_at_ms: _Optional[int] = ..., sold_in_plans: _Optional[_Iterable[str]] = ..., promotions: _Optional[_Iterable[_Union[Promotion, _Mapping]]] = ..., contact: _Optional[str] = ...) -> None: ...

class PlanEntitlement(_message.Message):
    __slots__ = ("feature", "value", "condition")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: _decision_pb2.Value
    condition: Condition
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ...) -> None: ...

class PlanVersionRecord(_message.Message):
    __slots__ = ("plan", "version", "product", "addon", "entitlements")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    ADDON_FIELD_NUMBER: _ClassVar[int]
    ENTITLEMENTS_FIELD_NUMBER: _ClassVar[int]
    plan: str
    version: int
    product: str
    addon: bool
    entitlements: _containers.RepeatedCompositeFieldContainer[PlanEntitlement]
    def __init__(self, plan: _Optional[str] = ..., version: _Optional[int] = ..., product: _Optional[str] = ..., addon: bool = ..., entitlements: _Optional[_Iterable[_Union[PlanEntitlement, _Mapping]]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("state", "access", "window")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    state: SubscriptionState
    access: _decision_pb2.AccessLevel
    window: Window
    def __init__(self, state: _Optional[_Union[SubscriptionState, str]] = ..., access: _Optional[_Union[_decision_pb2.AccessLevel, str]] = ..., window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class SubscriptionItem(_message.Message):
    __slots__ = ("ref", "quantity", "window")
    REF_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ref: str
    quantity: int
    window: Window
    def __init__(self, ref: _Optional[str] = ..., quantity: _Optional[int] = ..., window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("id", "items", "spans")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    id: str
    items: _containers.RepeatedCompositeFieldContainer[SubscriptionItem]
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    def __init__(self, id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[SubscriptionItem, _Mapping]]] = ..., spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ...) -> None: ...

class Override(_message.Message):
    __slots__ = ("id", "feature", "effect", "value", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    feature: str
    effect: OverrideEffect
    value: _decision_pb2.Value
    window: Window
    def __init__(self, id: _Optional[str] = ..., feature: _Optional[str] = ..., effect: _Optional[_Union[OverrideEffect, str]] = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ..., window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class Suspension(_message.Message):
    __slots__ = ("id", "scope", "target", "cause", "access", "window")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    id: str
    scope: SuspensionScope
    target: str
    cause: str
    access: _decision_pb2.AccessLevel
    window: Window
    def __init__(self, id: _Optional[str] = ..., scope: _Optional[_Union[SuspensionScope, str]] = ..., target: _Optional[str] = ..., cause: _Optional[str] = ..., access: _Optional[_Union[_decision_pb2.AccessLevel, str]] = ..., window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class CustomerRecord(_message.Message):
    __slots__ = ("id", "archived", "attributes", "subscriptions", "overrides", "suspensions", "promotions")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Literal
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Literal, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    SUSPENSIONS_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    archived: bool
    attributes: _containers.MessageMap[str, Literal]
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    overrides: _containers.RepeatedCompositeFieldContainer[Override]
    suspensions: _containers.RepeatedCompositeFieldContainer[Suspension]
    promotions: _containers.RepeatedCompositeFieldContainer[Promotion]
    def __init__(self, id: _Optional[str] = ..., archived: bool = ..., attributes: _Optional[_Mapping[str, Literal]] = ..., subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping]]] = ..., overrides: _Optional[_Iterable[_Union[Override, _Mapping]]] = ..., suspensions: _Optional[_Iterable[_Union[Suspension, _Mapping]]] = ..., promotions: _Optional[_Iterable[_Union[Promotion, _Mapping]]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("kid", "sig", "body")
    KID_FIELD_NUMBER: _ClassVar[int]
    SIG_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    kid: str
    sig: bytes
    body: bytes
    def __init__(self, kid: _Optional[str] = ..., sig: _Optional[bytes] = ..., body: _Optional[bytes] = ...) -> None: ...

class FeedMessage(_message.Message):
    __slots__ = ("feed", "kind", "epoch", "seq", "issued_at_ms", "chain", "digest", "payload")
    FEED_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    feed: str
    kind: FeedKind
    epoch: int
    seq: int
    issued_at_ms: int
    chain: bytes
    digest: bytes
    payload: bytes
    def __init__(self, feed: _Optional[str] = ..., kind: _Optional[_Union[FeedKind, str]] = ..., epoch: _Optional[int] = ..., seq: _Optional[int] = ..., issued_at_ms: _Optional[int] = ..., chain: _Optional[bytes] = ..., digest: _Optional[bytes] = ..., payload: _Optional[bytes] = ...) -> None: ...

class RecordOp(_message.Message):
    __slots__ = ("key", "body", "deleted")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    key: str
    body: bytes
    deleted: bool
    def __init__(self, key: _Optional[str] = ..., body: _Optional[bytes] = ..., deleted: bool = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("prev", "ops")
    PREV_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    prev: bytes
    ops: _containers.RepeatedCompositeFieldContainer[RecordOp]
    def __init__(self, prev: _Optional[bytes] = ..., ops: _Optional[_Iterable[_Union[RecordOp, _Mapping]]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("min_replay_seq", "snapshot_seq", "not_after_ms")
    MIN_REPLAY_SEQ_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_SEQ_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    min_replay_seq: int
    snapshot_seq: int
    not_after_ms: int
    def __init__(self, min_replay_seq: _Optional[int] = ..., snapshot_seq: _Optional[int] = ..., not_after_ms: _Optional[int] = ...) -> None: ...

class Manifest(_message.Message):
    __slots__ = ("schema_major", "record_count", "chunk_sha256")
    SCHEMA_MAJOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SHA256_FIELD_NUMBER: _ClassVar[int]
    schema_major: int
    record_count: int
    chunk_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, schema_major: _Optional[int] = ..., record_count: _Optional[int] = ..., chunk_sha256: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CustomerProof(_message.Message):
    __slots__ = ("customer", "body", "absent")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    customer: str
    body: bytes
    absent: bool
    def __init__(self, customer: _Optional[str] = ..., body: _Optional[bytes] = ..., absent: bool = ...) -> None: ...

class Catalogue(_message.Message):
    __slots__ = ("schema_major", "record_count", "chunk_sha256", "part_digest")
    SCHEMA_MAJOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SHA256_FIELD_NUMBER: _ClassVar[int]
    PART_DIGEST_FIELD_NUMBER: _ClassVar[int]
    schema_major: int
    record_count: int
    chunk_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    part_digest: bytes
    def __init__(self, schema_major: _Optional[int] = ..., record_count: _Optional[int] = ..., chunk_sha256: _Optional[_Iterable[bytes]] = ..., part_digest: _Optional[bytes] = ...) -> None: ...

class SnapshotChunk(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[RecordOp]
    def __init__(self, records: _Optional[_Iterable[_Union[RecordOp, _Mapping]]] = ...) -> None: ...

class SigningKey(_message.Message):
    __slots__ = ("kid", "public_key", "role", "feeds", "window", "revoked")
    KID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    kid: str
    public_key: bytes
    role: KeyRole
    feeds: _containers.RepeatedScalarFieldContainer[str]
    window: Window
    revoked: bool
    def __init__(self, kid: _Optional[str] = ..., public_key: _Optional[bytes] = ..., role: _Optional[_Union[KeyRole, str]] = ..., feeds: _Optional[_Iterable[str]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., revoked: bool = ...) -> None: ...

class KeySet(_message.Message):
    __slots__ = ("version", "keys")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    version: int
    keys: _containers.RepeatedCompositeFieldContainer[SigningKey]
    def __init__(self, version: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[SigningKey, _Mapping]]] = ...) -> None: ...

class SignedKeySet(_message.Message):
    __slots__ = ("root_kid", "sig", "body")
    ROOT_KID_FIELD_NUMBER: _ClassVar[int]
    SIG_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    root_kid: str
    sig: bytes
    body: bytes
    def __init__(self, root_kid: _Optional[str] = ..., sig: _Optional[bytes] = ..., body: _Optional[bytes] = ...) -> None: ...
