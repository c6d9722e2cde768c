"""Policy records to and from bytes: deterministic one way, strict the other.

The same record always gives the same bytes with one version of the protobuf runtime (maps and sets are sorted), so an unchanged record
creates no delta. What is written has been read back once, so nothing can be published that a sidecar would refuse. Unknown *fields* are
ignored, so that a newer control plane may add some; anything else that is not as declared raises MalformedRecord.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, assert_never

from google.protobuf.message import DecodeError, EncodeError, Message

from entitlements.policy.ids import (
    MAX_ID_BYTES,
    RecordKey,
    customer_record_key,
    feature_record_key,
    plan_record_key,
)
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.v1 import policy_pb2
from entitlements.wire.customer_record import customer_message, customer_of
from entitlements.wire.errors import MalformedRecord
from entitlements.wire.feature_record import feature_message, feature_of
from entitlements.wire.literals import Misshapen
from entitlements.wire.plan_record import plan_message, plan_of

SCHEMA_MAJOR: Final = 1
"""Major version of the record schema, carried by snapshots; readers refuse any other."""

MAX_RECORD_KEY_BYTES: Final = MAX_ID_BYTES + 16
"""Prefix, id and, for plans, ``@`` and a version number."""

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""A larger record cannot be published."""

Record = Feature | PlanVersion | Customer
_Model = TypeVar("_Model", Feature, PlanVersion, Customer)
_Wire = TypeVar("_Wire", policy_pb2.FeatureRecord, policy_pb2.PlanVersionRecord, policy_pb2.CustomerRecord)


def record_key(record: Record) -> RecordKey:
    """Return the key under which a record is kept."""
    match record:
        case Feature():
            return feature_record_key(record.key)
        case PlanVersion():
            return plan_record_key(record.ref)
        case Customer():
            return customer_record_key(record.id)
        case _:
            assert_never(record)


def record_to_bytes(record: Record) -> bytes:
    """Return the body of any record."""
    match record:
        case Feature():
            return feature_to_bytes(record)
        case PlanVersion():
            return plan_to_bytes(record)
        case Customer():
            return customer_to_bytes(record)
        case _:
            assert_never(record)


def feature_to_bytes(feature: Feature) -> bytes:
    """Return the body of a feature record."""
    return _written(feature, feature_message, feature_from_bytes)


def plan_to_bytes(plan: PlanVersion) -> bytes:
    """Return the body of a plan-version record."""
    return _written(plan, plan_message, plan_from_bytes)


def customer_to_bytes(customer: Customer) -> bytes:
    """Return the body of a customer record."""
    return _written(customer, customer_message, customer_from_bytes)


def feature_from_bytes(body: bytes, key: str | None = None) -> Feature:
    """Return the feature; MalformedRecord when it is not one, or not the one that ``key`` (when given) names."""
    return _read(body, key, policy_pb2.FeatureRecord.FromString, feature_of)


def plan_from_bytes(body: bytes, key: str | None = None) -> PlanVersion:
    """Return the plan version; MalformedRecord as for features."""
    return _read(body, key, policy_pb2.PlanVersionRecord.FromString, plan_of)


def customer_from_bytes(body: bytes, key: str | None = None) -> Customer:
    """Return the customer; MalformedRecord as for features."""
    return _read(body, key, policy_pb2.CustomerRecord.FromString, customer_of)


def record_from_bytes(key: str, body: bytes) -> Record:
    """Return any record by the prefix of its key; MalformedRecord for an unknown prefix."""
    match key[:2]:
        case "f/":
            return feature_from_bytes(body, key)
        case "p/":
            return plan_from_bytes(body, key)
        case "c/":
            return customer_from_bytes(body, key)
        case _:
            raise MalformedRecord(key, "key", "must start with f/, p/ or c/")


def _written(record: _Model, build: Callable[[_Model], Message], read: Callable[[bytes, str], _Model]) -> bytes:
    key = record_key(record)
    try:
        body = build(record).SerializeToString(deterministic=True)
    except Misshapen as error:
        raise MalformedRecord(key, error.field, error.problem) from None
    except (
        ValueError,
        TypeError,
        EncodeError,
    ) as error:  # a number beyond 64 bits, text that is not Unicode, a wrong type
        raise MalformedRecord(key, "", f"cannot be written: {error}") from error
    if len(body) > MAX_RECORD_BYTES:
        raise MalformedRecord(key, "", f"has {len(body)} bytes, at most {MAX_RECORD_BYTES} can be published")
    read(body, key)
    return body


def _read(body: bytes, key: str | None, parse: Callable[[bytes], _Wire], shape: Callable[[_Wire], _Model]) -> _Model:
    try:
        record = shape(parse(body))
    except Misshapen as error:
        raise MalformedRecord(key or "?", error.field, error.problem) from None
    except DecodeError as error:
        raise MalformedRecord(key or "?", "", f"is not a protobuf message: {error}") from error
    if key is not None and key != record_key(record):
        raise MalformedRecord(key, "", f"belongs to the record {record_key(record)}")
    return record
