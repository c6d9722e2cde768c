from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeedState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEED_STATE_UNSPECIFIED: _ClassVar[FeedState]
    FEED_STATE_UNLOADED: _ClassVar[FeedState]
    FEED_STATE_LIVE: _ClassVar[FeedState]
    FEED_STATE_BEHIND: _ClassVar[FeedState]
    FEED_STATE_FORKED: _ClassVar[FeedState]
FEED_STATE_UNSPECIFIED: FeedState
FEED_STATE_UNLOADED: FeedState
FEED_STATE_LIVE: FeedState
FEED_STATE_BEHIND: FeedState
FEED_STATE_FORKED: FeedState

class GetHeartbeatRequest(_message.Message):
    __slots__ = ("feed",)
    FEED_FIELD_NUMBER: _ClassVar[int]
    feed: str
    def __init__(self, feed: _Optional[str] = ...) -> None: ...

class GetHeartbeatResponse(_message.Message):
    __slots__ = ("envelope",)
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class GetRangeRequest(_message.Message):
    __slots__ = ("feed", "epoch", "after_seq", "limit")
    FEED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    feed: str
    epoch: int
    after_seq: int
    limit: int
    def __init__(self, feed: _Optional[str] = ..., epoch: _Optional[int] = ..., after_seq: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class GetRangeResponse(_message.Message):
    __slots__ = ("envelopes",)
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, envelopes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetSnapshotRequest(_message.Message):
    __slots__ = ("feed", "catalogue_only")
    FEED_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_ONLY_FIELD_NUMBER: _ClassVar[int]
    feed: str
    catalogue_only: bool
    def __init__(self, feed: _Optional[str] = ..., catalogue_only: bool = ...) -> None: ...

class GetSnapshotResponse(_message.Message):
    __slots__ = ("manifest", "chunk")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    manifest: bytes
    chunk: bytes
    def __init__(self, manifest: _Optional[bytes] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class GetCustomersRequest(_message.Message):
    __slots__ = ("feed", "customers")
    FEED_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    feed: str
    customers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, feed: _Optional[str] = ..., customers: _Optional[_Iterable[str]] = ...) -> None: ...

class GetCustomersResponse(_message.Message):
    __slots__ = ("envelopes",)
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, envelopes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetKeySetRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetKeySetResponse(_message.Message):
    __slots__ = ("key_set",)
    KEY_SET_FIELD_NUMBER: _ClassVar[int]
    key_set: bytes
    def __init__(self, key_set: _Optional[bytes] = ...) -> None: ...

class AckRequest(_message.Message):
    __slots__ = ("feed", "sidecar_id", "boot_id", "epoch", "seq", "chain", "state", "digest_ok", "software", "age_ms")
    FEED_FIELD_NUMBER: _ClassVar[int]
    SIDECAR_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_OK_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    feed: str
    sidecar_id: str
    boot_id: str
    epoch: int
    seq: int
    chain: bytes
    state: FeedState
    digest_ok: bool
    software: str
    age_ms: int
    def __init__(self, feed: _Optional[str] = ..., sidecar_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., epoch: _Optional[int] = ..., seq: _Optional[int] = ..., chain: _Optional[bytes] = ..., state: _Optional[_Union[FeedState, str]] = ..., digest_ok: bool = ..., software: _Optional[str] = ..., age_ms: _Optional[int] = ...) -> None: ...

class AckResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
