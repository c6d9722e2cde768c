"""A batch taken apart: each question as the bytes it would have as a Check of its own.

So a question of a batch is the same key of the decision cache as a single one, and one whose answer is remembered is not parsed at all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from entitlements.policy.ids import ProductId
from entitlements.v1 import check_service_pb2
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.requests import MAX_ITEMS, CheckCall, decode_check, parsed, too_large

MAX_BATCH_BYTES: Final = 1024 * 1024
_ITEMS: Final = 0x0A
"""Tag of the one field of a batch."""
_MORE: Final = 0x80


def split_batch(raw: bytes) -> list[bytes]:
    """Return the bytes of each question in order; FieldError when the batch itself is bad: too large, no message, none or too many in it.

    The questions themselves are not looked at. A message with anything but questions in it is left to the protobuf runtime.
    """
    if len(raw) > MAX_BATCH_BYTES:
        raise too_large(MAX_BATCH_BYTES)
    items = _walk(raw)
    if items is None:
        message = parsed(raw, check_service_pb2.BatchCheckRequest.FromString, MAX_BATCH_BYTES)
        items = [item.SerializeToString() for item in message.items]
    if not items:
        raise FieldError("items", "is empty", f"ask 1-{MAX_ITEMS} questions", FieldReason.FIELD_REQUIRED)
    if len(items) > MAX_ITEMS:
        raise FieldError(
            "items",
            f"has {len(items)} questions",
            f"ask at most {MAX_ITEMS} in one batch",
            FieldReason.TOO_MANY_ITEMS,
        )
    return items


def _walk(raw: bytes) -> list[bytes] | None:
    """Step from length to length; None as soon as something is not a whole question."""
    items: list[bytes] = []
    at, size = 0, len(raw)
    try:
        while at < size:
            if raw[at] != _ITEMS:
                return None
            length = raw[at + 1]
            at += 2
            if length >= _MORE:  # 14 or 21 bits reach beyond the limit of a batch
                more = raw[at]
                at += 1
                length += (more - 1) << 7
                if more >= _MORE:
                    more = raw[at]
                    at += 1
                    length += (more - 1) << 14
                    if more >= _MORE:
                        return None
            end = at + length
            items.append(raw[at:end])
            at = end
    except IndexError:
        return None
    return items if at == size else None


def decode_item(
    raw: bytes, index: int, default_product: ProductId, now_ms: int, served: Collection[str] | None = None
) -> CheckCall | FieldError:
    """Return the question of one item, or its error with the item's place: a bad item fails alone (semantics G1)."""
    try:
        return decode_check(raw, default_product, now_ms, served)
    except FieldError as error:
        return error.within(f"items[{index}]")
