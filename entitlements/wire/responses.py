"""Answers to bytes, in two parts: the body of a decision, which may be kept, and the tail, which is made anew each time.

Protobuf merges concatenated messages, so body + tail is one CheckResponse; batches and lists are assembled from answers that are already
encoded, without parsing them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from entitlements.policy.model import AccessLevel, Decision, Explanation, Obligation, Remedy, Source, Value
from entitlements.policy.reasons import Code
from entitlements.v1 import check_service_pb2, decision_pb2
from entitlements.wire.errors import FieldError
from entitlements.wire.literals import number_of, value_into
from entitlements.wire.varint import SHORT, field, varint

_ALLOWED: Final = b"\x08\x01"
_STATE: Final = b"\x08"
_EPOCH: Final = b"\x10"
_SEQ: Final = b"\x18"
_AGE: Final = b"\x20"
_FRESHNESS: Final = b"\x42"
_VALID_UNTIL: Final = b"\x4a"
_VERSION_BEHIND: Final = b"\x52\x01\x07"
_DECISION_ID: Final = b"\x6a"
_SECONDS: Final = b"\x08"
_NANOS: Final = (b"", *(b"\x10" + varint(millis * 1_000_000) for millis in range(1, 1000)))
"""The field of the nanoseconds, by milliseconds."""
_FIRST: Final = b"\x0a"
"""Tag of a length-delimited field number 1: items of a batch, decision of an item, entries of a list."""
_SECOND: Final = b"\x12"


def encode_decision(decision: Decision, served_from: int, as_of_ms: int | None = None) -> bytes:
    """Return the body of an answer: everything but freshness, valid_until and decision_id. ``served_from`` is a ServedFrom.

    An ordinary body is put together from parts that were encoded before, in the order of their field numbers, as the protobuf runtime
    does: a third of the instructions that a message object takes.
    """
    (
        feature,
        allowed,
        code,
        access,
        source,
        value,
        _,
        obligations,
        remedy,
        retry_after_ms,
        _,
        _,
        underlying,
        explanation,
    ) = decision
    if retry_after_ms is not None or underlying is not None or explanation is not None or as_of_ms is not None:
        return whole_body(decision, served_from, as_of_ms)
    body = _opening(allowed, code, access)
    if value is not None:
        body += _value(value)
    body += _origin(source, served_from)
    if obligations:
        body += _obligations(obligations)
    if remedy is not None:
        body += _remedy(remedy)
    return body + _feature(feature)


@lru_cache(maxsize=512)
def _opening(allowed: bool, code: Code, access: AccessLevel) -> bytes:  # noqa: FBT001 - fields in their order
    message = check_service_pb2.CheckResponse(allowed=allowed, code=number_of(code), access_level=number_of(access))
    return message.SerializeToString()


@lru_cache(maxsize=256, typed=True)
def _value(value: Value) -> bytes:
    message = check_service_pb2.CheckResponse()
    value_into(message.value, value)
    return message.SerializeToString()


@lru_cache(maxsize=64)
def _origin(source: Source, served_from: int) -> bytes:
    message = check_service_pb2.CheckResponse(source=number_of(source))
    message.served_from = served_from  # type: ignore[assignment]  # the runtime takes any number
    return message.SerializeToString()


@lru_cache(maxsize=64)
def _obligations(obligations: tuple[Obligation, ...]) -> bytes:
    return check_service_pb2.CheckResponse(obligations=obligations).SerializeToString()  # type: ignore[arg-type]  # as above


@lru_cache(maxsize=1024)
def _remedy(remedy: Remedy) -> bytes:
    message = check_service_pb2.CheckResponse()
    message.remedy.action = number_of(remedy.action)
    message.remedy.plan_ids.extend(remedy.plan_ids)
    message.remedy.contact = remedy.contact
    message.remedy.SetInParent()
    return message.SerializeToString()


@lru_cache(maxsize=4096)
def _feature(feature: str) -> bytes:
    return check_service_pb2.CheckResponse(feature=feature).SerializeToString()


def whole_body(decision: Decision, served_from: int, as_of_ms: int | None) -> bytes:
    """Return any body by way of a message object."""
    message = check_service_pb2.CheckResponse(
        allowed=decision.allowed,
        code=number_of(decision.code),
        access_level=number_of(decision.access_level),
        source=number_of(decision.source),
        served_from=served_from,  # type: ignore[arg-type]
        feature=decision.feature,
        obligations=decision.obligations,  # type: ignore[arg-type]
    )
    if decision.value is not None:
        value_into(message.value, decision.value)
    if decision.remedy is not None:
        message.MergeFromString(_remedy(decision.remedy))
    if decision.retry_after_ms is not None:
        message.retry_after.seconds, rest = divmod(decision.retry_after_ms, 1000)
        message.retry_after.nanos = rest * 1_000_000
        message.retry_after.SetInParent()
    if decision.underlying_code is not None:
        message.underlying_code = number_of(decision.underlying_code)
    if as_of_ms is not None:
        message.as_of.seconds, rest = divmod(as_of_ms, 1000)
        message.as_of.nanos = rest * 1_000_000
        message.as_of.SetInParent()
    if decision.explanation is not None:
        _explanation_into(message.explain, decision.explanation)
    return message.SerializeToString()


def encode_tail(
    state: int,
    epoch: int,
    seq: int,
    age_ms: int,
    valid_until_ms: int | None,
    decision_id: str,
    *,
    version_behind: bool = False,
) -> bytes:
    """Return freshness, valid_until and decision_id, to be appended to a body.

    ``state`` is a FreshnessState, 0 when no policy was involved; a negative age counts as 0. ``version_behind`` adds that obligation.
    """
    tail = encode_standing(state, epoch, seq, age_ms, valid_until_ms)
    if version_behind:
        tail += _VERSION_BEHIND
    return tail + field(_DECISION_ID, decision_id.encode()) if decision_id else tail


def encode_standing(state: int, epoch: int, seq: int, age_ms: int, valid_until_ms: int | None) -> bytes:
    """Return freshness and valid_until: what answers given at one instant under one ladder have in common."""
    freshness = _position(state, epoch, seq) if age_ms <= 0 else _position(state, epoch, seq) + _AGE + varint(age_ms)
    if valid_until_ms is None:
        return field(_FRESHNESS, freshness)
    seconds, millis = divmod(valid_until_ms, 1000)
    instant = _seconds(seconds) + _NANOS[millis]
    return b"".join((_FRESHNESS, SHORT[len(freshness)], freshness, _VALID_UNTIL, SHORT[len(instant)], instant))


def encode_id_prefix(prefix: bytes, digits: int) -> bytes:
    """Return the beginning of a decision id's field whose id is a prefix and that many more bytes, which have to follow."""
    return _DECISION_ID + varint(len(prefix) + digits) + prefix


@lru_cache(maxsize=64)
def _position(state: int, epoch: int, seq: int) -> bytes:
    return b"".join(tag + varint(number) for tag, number in ((_STATE, state), (_EPOCH, epoch), (_SEQ, seq)) if number)


@lru_cache(maxsize=256)
def _seconds(seconds: int) -> bytes:
    return _SECONDS + varint(seconds & 0xFFFF_FFFF_FFFF_FFFF) if seconds else b""


def encode_batch(answers: Iterable[bytes | FieldError]) -> bytes:
    """Return a BatchCheckResponse of encoded CheckResponses and of errors, in order."""
    parts: list[bytes] = []
    for answer in answers:
        if isinstance(answer, bytes):
            parts += (_item_head(len(answer)), answer)
        else:
            parts.append(field(_FIRST, field(_SECOND, _item_error(answer))))
    return b"".join(parts)


def encode_list(answers: Iterable[bytes], next_page_token: str = "") -> bytes:
    """Return a ListEntitlementsResponse of encoded CheckResponses."""
    parts: list[bytes] = []
    for answer in answers:
        parts += (_FIRST, varint(len(answer)), answer)
    if next_page_token:
        parts.append(field(_SECOND, next_page_token.encode()))
    return b"".join(parts)


def says_allowed(answer: bytes) -> bool:
    """Return the verdict of an encoded CheckResponse: its first field, left out when it is false."""
    return answer.startswith(_ALLOWED)


@lru_cache(maxsize=1024)
def _item_head(length: int) -> bytes:
    """Return what stands before the decision of an item: the item's tag and length, the decision's tag and length."""
    head = _FIRST + varint(length)
    return _FIRST + varint(len(head) + length) + head


def _item_error(error: FieldError) -> bytes:
    return check_service_pb2.ItemError(
        status=error.status_number, reason=error.reason.value, field=error.field, message=str(error)
    ).SerializeToString()


def _explanation_into(message: decision_pb2.Explain, explanation: Explanation) -> None:
    message.SetInParent()
    message.user_message = explanation.user_message
    message.engineer_message = explanation.engineer_message
    message.rules.extend(explanation.rules)
    message.failed_conditions.extend(explanation.failed_conditions)
    message.suspension_cause = explanation.suspension_cause
    for source in explanation.considered:
        part = message.considered.add(
            source=number_of(source.source),
            id=source.id,
            subscription_id=source.subscription_id,
            counted=source.counted,
            note=source.note,
        )
        if source.value is not None:
            value_into(part.value, source.value)
