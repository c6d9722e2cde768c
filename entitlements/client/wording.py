"""A question in the form in which its answer is remembered, and in the form in which it is decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeAlias

from entitlements.client.question import BadQuestion, Question, request_of
from entitlements.policy.ids import CustomerId, FeatureKey, ProductId
from entitlements.policy.model import UNLIMITED, Query, Unlimited
from entitlements.wire.errors import FieldError
from entitlements.wire.literals import is_plain_id
from entitlements.wire.requests import MAX_CHECK_BYTES, CheckCall, decode_check

Key: TypeAlias = tuple[Any, ...]
"""Customer and feature for a question that has no other fields, else all fields that have a say."""

MAX_KEPT_BYTES: Final = 1024
"""Answers to larger questions are not remembered: a few callers could fill the memory with them."""
PLAIN_WORDS: Final = 2
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
    rest = (
        asked.product,
        asked.subject_id,
        asked.resource_id,
        asked.quantity,
        asked.min_version,
        asked.explain,
    )
    if rest == _PLAIN and asked.requested_value is None and not asked.attributes:
        return (asked.customer_id, asked.feature)
    words: list[object] = [asked.customer_id, asked.feature, *rest]
    for name, value in (("", asked.requested_value), *asked.attributes.items()):
        word = _word(value)
        if word is None and value is not None:
            return None
        words += (name, word)
    return tuple(words)


_PLAIN: Final = ("", "", "", 1, "", 0)


def is_plain(key: Key | None) -> bool:
    """Return whether a key is that of a question without other fields than customer and feature."""
    return key is not None and len(key) == PLAIN_WORDS


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


def plain_query(customer_id: str, feature: str, product: ProductId) -> Query | None:
    """Return a question without other fields as it is decided, by the short way; None when its ids need a closer look."""
    if type(customer_id) is str and type(feature) is str and is_plain_id(customer_id) and is_plain_id(feature):
        return Query(CustomerId(customer_id), FeatureKey(feature), product)
    return None


def refusal(error: FieldError) -> BadQuestion:
    """Return a caller's bug as the client raises it."""
    return BadQuestion(str(error), error.field)
