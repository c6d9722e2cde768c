"""The fields that requests share: ids, attributes, values, instants, version tokens; each check names field, problem and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from entitlements.policy.freshness import CallerFallback
from entitlements.policy.ids import MAX_ID_BYTES, Millis, id_problem
from entitlements.policy.model import EMPTY, UNLIMITED, Attribute, ExplainLevel, Instant, Value
from entitlements.v1 import check_service_pb2, decision_pb2
from entitlements.wire import names
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.literals import canonical_set, is_plain_id, members

MAX_ATTRIBUTES: Final = 32
MAX_ATTRIBUTE_BYTES: Final = 256
MAX_VALUE_BYTES: Final = 1024
MAX_LIST_ITEMS: Final = 64
MAX_AS_OF_DISTANCE_MS: Final = 400 * 86_400_000
RESERVED: Final = frozenset({"request.time", "request.product", "subject.id", "resource.id"})
"""Attributes that the engine sets itself."""
_OPEN_PREFIXES: Final = ("request.", "subject.", "resource.")
_LEVELS: Final = members(ExplainLevel)
_ID_RULE: Final = f"send 1-{MAX_ID_BYTES} bytes of UTF-8 without control characters or outer white space"


def invalid(field: str, problem: str, remedy: str) -> FieldError:
    """Return the error of a field that is there, but wrong."""
    return FieldError(field, problem, remedy, FieldReason.FIELD_INVALID)


def too_long(field: str, limit: int) -> FieldError:
    """Return the error of a text that is too long."""
    return FieldError(field, f"is longer than {limit} bytes", "shorten it", FieldReason.FIELD_TOO_LONG)


def required_id(value: str, field: str) -> str:
    """Return an id that must be there (semantics A1)."""
    if not is_plain_id(value):
        if not value:
            raise FieldError(field, "is missing", _ID_RULE, FieldReason.FIELD_REQUIRED)
        _check_odd_id(value, field)
    return value


def optional_id(value: str, field: str) -> str:
    """Return an id that may be empty."""
    if value and not is_plain_id(value):
        _check_odd_id(value, field)
    return value


def _check_odd_id(value: str, field: str) -> None:
    problem = id_problem(value)
    if problem is not None:
        reason = FieldReason.FIELD_TOO_LONG if len(value.encode()) > MAX_ID_BYTES else FieldReason.FIELD_INVALID
        raise FieldError(field, problem, _ID_RULE, reason)


def explain_of(number: int) -> ExplainLevel:
    """Return the wanted depth of explanation."""
    level = _LEVELS.get(number)
    if level is None:
        raise invalid(
            "explain", f"has the unknown enum number {number}", "send UNSPECIFIED (0), SUMMARY (1) or FULL (2)"
        )
    return level


def min_version_of(token: str) -> tuple[int, int] | None:
    """Return (epoch, seq) of a version token, None for an empty one."""
    if not token:
        return None
    try:
        return names.position_of(token)
    except ValueError:
        raise invalid(
            "min_version",
            "is not a version token",
            "send the token of a write as it was returned, such as 1750000000-42",
        ) from None


def instant_of(message: Timestamp, field: str) -> Millis:
    """Return a timestamp in UTC milliseconds, its fraction cut off."""
    if not (-62_135_596_800 <= message.seconds <= 253_402_300_799 and 0 <= message.nanos <= 999_999_999):
        raise invalid(field, "is outside the years 1 to 9999", "send seconds since 1970 and nanoseconds below 10^9")
    return Millis(message.seconds * 1000 + message.nanos // 1_000_000)


def as_of_of(message: Timestamp, now_ms: int) -> Millis:
    """Return the other instant that is asked about (semantics E3)."""
    instant = instant_of(message, "as_of")
    if abs(instant - now_ms) > MAX_AS_OF_DISTANCE_MS:
        raise invalid(
            "as_of", "is more than 400 days away", "ask about an instant at most 400 days before or after now"
        )
    return instant


def value_in(message: decision_pb2.Value, field: str) -> Value:
    """Return a value that a caller sent; a list becomes a set."""
    kind = message.WhichOneof("kind")
    if kind == "bool_value":
        return message.bool_value
    if kind == "int_value":
        return message.int_value
    if kind == "string_value":
        return _short(message.string_value, field, MAX_VALUE_BYTES)
    if kind == "list_value":
        return _short_set(message.list_value, field, MAX_VALUE_BYTES)
    if kind == "unlimited" and message.unlimited:
        return UNLIMITED
    raise invalid(field, "has no value set", "set exactly one of its fields (unlimited only to true), or leave it out")


def fallback_of(message: check_service_pb2.Fallback) -> CallerFallback:
    """Return the caller's own answer for the case that records cannot give one."""
    value = value_in(message.value, "fallback.value") if message.HasField("value") else None
    return CallerFallback(message.allowed, value)


def attributes_of(sent: Any) -> Mapping[str, Attribute]:
    """Return attributes under their full names (semantics C2); ``sent`` is the map field of a request."""
    if not sent:
        return EMPTY
    if len(sent) > MAX_ATTRIBUTES:
        raise FieldError(
            "attributes", f"has {len(sent)} entries", f"send at most {MAX_ATTRIBUTES}", FieldReason.TOO_MANY_ITEMS
        )
    attributes: dict[str, Attribute] = {}
    for name, message in sent.items():
        field = f"attributes[{name[:MAX_ID_BYTES]}]"
        full = _full_name(name, field)
        if full in attributes:
            raise invalid(field, f"is {full} a second time", "send each attribute under one name")
        attributes[full] = _attribute(message, field)
    return attributes


def _full_name(name: str, field: str) -> str:
    required_id(name, field)
    full = name if "." in name else f"request.{name}"
    if full in RESERVED:
        raise invalid(field, "is set by the service itself", f"leave out {full}")
    if not full.startswith(_OPEN_PREFIXES) or full.endswith("."):
        raise invalid(
            field,
            "has a name outside request., subject. and resource.",
            "use a name without a dot (meaning request.NAME) or one of these prefixes; customer attributes come from the records",
        )
    return full


def _attribute(message: check_service_pb2.AttributeValue, field: str) -> Attribute:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return _short(message.string_value, field, MAX_ATTRIBUTE_BYTES)
    if kind == "int_value":
        return message.int_value
    if kind == "bool_value":
        return message.bool_value
    if kind == "timestamp_value":
        return Instant(instant_of(message.timestamp_value, field))
    if kind == "list_value":
        return _short_set(message.list_value, field, MAX_ATTRIBUTE_BYTES)
    raise invalid(field, "has no value set", "set exactly one of its fields, or leave the attribute out")


def _short(text: str, field: str, limit: int) -> str:
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise too_long(field, limit)
    return text


def _short_set(message: decision_pb2.StringList, field: str, limit: int) -> tuple[str, ...]:
    if len(message.values) > MAX_LIST_ITEMS:
        raise FieldError(
            field, f"has {len(message.values)} elements", f"send at most {MAX_LIST_ITEMS}", FieldReason.TOO_MANY_ITEMS
        )
    return canonical_set(_short(text, field, limit) for text in message.values)
