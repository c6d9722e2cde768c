"""The question as an application writes it, and its translation into a request message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from entitlements.policy.model import UNLIMITED, ExplainLevel, Value
from entitlements.v1 import check_service_pb2, decision_pb2

AttributeInput: TypeAlias = str | int | bool | datetime | Sequence[str]
"""What an application may pass as an attribute; a datetime must carry its zone."""

_NO_ATTRIBUTES: Final[Mapping[str, AttributeInput]] = MappingProxyType({})


class BadQuestion(ValueError):  # noqa: N818 - a question is bad; "BadQuestionError" says nothing more
    """The question can never be answered as it is: a bug of the calling code, so it is raised, not answered.

    ``field`` names the offending field when known; the text carries the remedy.
    """

    def __init__(self, problem: str, field_name: str = "") -> None:
        super().__init__(problem)
        self.field = field_name


@dataclass(frozen=True, slots=True)
class Fallback:
    """The application's own answer for the case that nobody else can answer."""

    allowed: bool
    value: Value | None = None


class Question(NamedTuple):
    """May this customer use this feature now? Only the first two fields are required.

    A tuple, because making one costs a quarter of making a frozen dataclass.

    Attributes:
        customer_id: Who asks, 1-128 bytes.
        feature: What for, 1-128 bytes.
        product: Empty means the sidecar's default product.
        subject_id: User, seat or device.
        resource_id: Workspace or site.
        quantity: Amount wanted of a countable feature.
        requested_value: Value wanted of a config feature.
        attributes: Names within ``request.``, or with the prefix ``subject.`` or ``resource.``.
        min_version: Version token of a write, to read that write.
        as_of: Another instant than now, with its zone.
        explain: How much explanation to return.
        fallback: Answer when the sidecar cannot decide or cannot be reached; None means deny.
    """

    customer_id: str
    feature: str
    product: str = ""
    subject_id: str = ""
    resource_id: str = ""
    quantity: int = 1
    requested_value: Value | None = None
    attributes: Mapping[str, AttributeInput] = _NO_ATTRIBUTES
    min_version: str = ""
    as_of: datetime | None = None
    explain: ExplainLevel = ExplainLevel.NONE
    fallback: Fallback | None = None


def request_of(question: Question) -> check_service_pb2.CheckRequest:
    """Translate a question; raise BadQuestion for what cannot even be encoded."""
    try:
        request = check_service_pb2.CheckRequest(
            customer_id=question.customer_id,
            feature=question.feature,
            product=question.product,
            subject_id=question.subject_id,
            resource_id=question.resource_id,
            quantity=question.quantity,
            min_version=question.min_version,
            explain=int(question.explain),  # type: ignore[arg-type]  # IntEnum numbers equal the protobuf enum
        )
    except (TypeError, ValueError) as error:
        raise BadQuestion(f"the question cannot be encoded: {error}") from error
    if question.requested_value is not None:
        request.requested_value.CopyFrom(value_message(question.requested_value, "requested_value"))
    for name, attribute in question.attributes.items():
        value = _attribute_message(name, attribute)
        try:
            request.attributes[name].CopyFrom(value)
        except (TypeError, ValueError) as error:
            raise BadQuestion(f"attributes has a name that is no text: {error}", "attributes") from error
    if question.as_of is not None:
        request.as_of.FromDatetime(_zoned(question.as_of, "as_of"))
    if question.fallback is not None:
        request.fallback.allowed = question.fallback.allowed
        if question.fallback.value is not None:
            request.fallback.value.CopyFrom(value_message(question.fallback.value, "fallback.value"))
    return request


def value_message(value: Value, field_name: str) -> decision_pb2.Value:
    """Translate a config value; raise BadQuestion naming the field for any other type."""
    message = decision_pb2.Value()
    try:
        if value is UNLIMITED:
            message.unlimited = True
        elif isinstance(value, bool):
            message.bool_value = value
        elif isinstance(value, int):
            message.int_value = value
        elif isinstance(value, str):
            message.string_value = value
        else:
            message.list_value.values.extend(value)
    except (TypeError, ValueError) as error:
        raise BadQuestion(
            f"{field_name} must be a bool, 64-bit int, str, tuple of str or UNLIMITED: {error}", field_name
        ) from error
    return message


def _attribute_message(name: str, attribute: AttributeInput) -> check_service_pb2.AttributeValue:
    message = check_service_pb2.AttributeValue()
    field_name = f"attributes[{name}]"
    try:
        if isinstance(attribute, bool):
            message.bool_value = attribute
        elif isinstance(attribute, int):
            message.int_value = attribute
        elif isinstance(attribute, str):
            message.string_value = attribute
        elif isinstance(attribute, datetime):
            message.timestamp_value.FromDatetime(_zoned(attribute, field_name))
        else:
            message.list_value.values.extend(attribute)
    except (TypeError, ValueError) as error:
        if isinstance(error, BadQuestion):
            raise
        raise BadQuestion(
            f"{field_name} must be a str, 64-bit int, bool, datetime or sequence of str: {error}", field_name
        ) from error
    return message


def _zoned(instant: datetime, field_name: str) -> datetime:
    if instant.tzinfo is None:
        raise BadQuestion(f"{field_name} must carry a time zone; use datetime(..., tzinfo=UTC)", field_name)
    return instant.astimezone(UTC)
