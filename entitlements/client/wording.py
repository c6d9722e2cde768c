"""A question in the form in which its answer is remembered, and in the form in which it is decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeGuard

from entitlements.client.question import AttributeInput, BadQuestion, Question, request_of
from entitlements.policy.ids import CustomerId, FeatureKey, ProductId
from entitlements.policy.model import EMPTY, UNLIMITED, Attribute, ExplainLevel, Query, Unlimited
from entitlements.wire.errors import FieldError
from entitlements.wire.literals import is_plain_id
from entitlements.wire.request_fields import RESERVED
from entitlements.wire.requests import MAX_CHECK_BYTES, CheckCall, decode_check

Key: TypeAlias = tuple[Any, ...]
"""Customer and feature for a question that has no other fields, else all fields that have a say."""

MAX_KEPT_BYTES: Final = 1024
"""Answers to larger questions are not remembered: a few callers could fill the memory with them."""
ORDINARY_ATTRIBUTES: Final = 4
ORDINARY_NAME: Final = 32
ORDINARY_TEXT: Final = 64
"""A question within these limits has less than MAX_KEPT_BYTES, whatever its ids are."""
_NUMBERS: Final = range(-(1 << 63), 1 << 63)
_RESERVED: Final = frozenset(name.removeprefix("request.") for name in RESERVED)
_SCALARS: Final = frozenset({str, int, bool})


class TooLarge(Exception):  # noqa: N818 - names what is wrong with a question
    """The question is larger than a sidecar takes."""


def key_of(question: Question) -> Key | None:
    """Return what a question's answer is remembered by; None when it is not.

    The caller's fallback has no part in it, because no fallback is remembered. Types have, where values of two types are equal in Python
    and not in a condition: True and 1.
    """
    asked = question
    if asked.as_of is not None:
        return None
    wanted, attributes = asked.requested_value, asked.attributes
    rest = (asked.product, asked.subject_id, asked.resource_id, asked.quantity, asked.min_version, asked.explain)
    if rest == _PLAIN and wanted is None and not attributes:
        return (asked.customer_id, asked.feature)
    words: list[object] = [asked.customer_id, asked.feature, *rest]
    for name, value in attributes.items():
        word = (type(value), value) if type(value) in _SCALARS else _word(value)
        if word is None:
            return None
        words += (name, word)
    if wanted is not None:
        word = _word(wanted)
        if word is None:
            return None
        words.append(word)
    return tuple(words)


_PLAIN: Final = ("", "", "", 1, "", 0)


def _word(value: object) -> tuple[object, ...] | None:
    """Return a value with its type, in a form that differs when its meaning does; None when no such form is known."""
    if type(value) in _SCALARS:
        return (type(value), value)
    if isinstance(value, tuple | list):
        return (tuple, *value) if all(type(part) is str for part in value) else None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (datetime, value.timestamp())  # equality of datetimes ignores `fold`
    return (Unlimited, value) if value is UNLIMITED else None


def call_of(question: Question, product: ProductId, now_ms: int) -> tuple[CheckCall, bool]:
    """Return a question as it is decided, and whether it is small enough to be remembered.

    It goes through the message that a sidecar would have read, so what is refused there is refused here, in the same words: FieldError, or
    BadQuestion for what cannot be a message at all.
    """
    message = request_of(question)
    size = message.ByteSize()
    if size > MAX_CHECK_BYTES:
        raise TooLarge
    return decode_check(message, product, now_ms), size <= MAX_KEPT_BYTES


def _is_plain(id_: object) -> bool:
    """Return whether this is certainly an id; an application may have passed anything."""
    return type(id_) is str and is_plain_id(id_)


def plain_query(customer_id: str, feature: str, product: ProductId) -> Query | None:
    """Return a question without other fields as it is decided, by the short way; None when its ids need a closer look."""
    if type(customer_id) is str and type(feature) is str and is_plain_id(customer_id) and is_plain_id(feature):
        return Query(CustomerId(customer_id), FeatureKey(feature), product)
    return None


def ordinary_query(question: Question, product: ProductId) -> Query | None:
    """Return a question about now as it is decided, without making a message of it; None when something about it is out of the ordinary.

    What this returns is what `call_of` returns, and nothing that `call_of` refuses gets through.
    """
    asked, fallback = question, question.fallback
    explain: object = asked.explain  # an application may have passed anything
    allowed: object = fallback is None or fallback.allowed
    if (
        asked.as_of is not None
        or asked.requested_value is not None
        or asked.min_version != ""
        or asked.quantity != 1
        or not isinstance(explain, ExplainLevel)
        or type(allowed) is not bool
        or (fallback is not None and fallback.value is not None)
    ):
        return None
    if not (_is_plain(asked.customer_id) and _is_plain(asked.feature)):
        return None
    for id_ in (asked.product, asked.subject_id, asked.resource_id):
        if id_ != "" and not _is_plain(id_):
            return None
    attributes = _ordinary_attributes(asked.attributes) if asked.attributes else EMPTY
    if attributes is None:
        return None
    return Query(
        CustomerId(asked.customer_id),
        FeatureKey(asked.feature),
        ProductId(asked.product) if asked.product else product,
        asked.subject_id,
        asked.resource_id,
        None,
        attributes,
        explain,
    )


def _is_ordinary(value: object) -> TypeGuard[bool | int | str]:
    if type(value) is str:
        return len(value) <= ORDINARY_TEXT and value.isascii()
    return type(value) is bool or (type(value) is int and value in _NUMBERS)


def _ordinary_attributes(given: Mapping[str, AttributeInput]) -> Mapping[str, Attribute] | None:
    """Return attributes under their full names; None unless all are short texts, small numbers or truth values under plain names."""
    if len(given) > ORDINARY_ATTRIBUTES:
        return None
    attributes: dict[str, Attribute] = {}
    for name, value in given.items():
        if type(name) is not str or len(name) > ORDINARY_NAME or not (name.isascii() and name.isidentifier()):
            return None
        if name in _RESERVED or not _is_ordinary(value):
            return None
        attributes["request." + name] = value
    return attributes


def refusal(error: FieldError) -> BadQuestion:
    """Return a caller's bug as the client raises it."""
    return BadQuestion(str(error), error.field)
