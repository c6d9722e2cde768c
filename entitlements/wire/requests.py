"""Requests from bytes: parsed inside the handler, so that garbage is a caller's bug with a name and not an unknown error.

Every failure is a FieldError that names field, problem and remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from entitlements.policy.freshness import CallerFallback
from entitlements.policy.ids import MAX_ID_BYTES, CustomerId, FeatureKey, Millis, ProductId
from entitlements.policy.model import EMPTY, Attribute, ExplainLevel, Query
from entitlements.v1 import check_service_pb2
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.literals import is_plain_id
from entitlements.wire.page_token import feature_of, token_after
from entitlements.wire.request_fields import (
    as_of_of,
    attributes_of,
    explain_of,
    fallback_of,
    invalid,
    min_version_of,
    optional_id,
    required_id,
    too_long,
    value_in,
)
from entitlements.wire.varint import field, varint

MAX_CHECK_BYTES: Final = 64 * 1024
MAX_ITEMS: Final = 500
DEFAULT_PAGE_SIZE: Final = 100
_CUSTOMER: Final = 0x0A
_FEATURE: Final = 0x12
_PRODUCT: Final = 0x1A
"""Tags of the first three fields of a CheckRequest, all length-delimited."""
_CUSTOMER_TAG: Final = bytes([_CUSTOMER])
_FEATURE_TAG: Final = bytes([_FEATURE])
_PRODUCT_TAG: Final = bytes([_PRODUCT])
_PLAIN: Final = ("", "", EMPTY, ExplainLevel.NONE)
"""Subject, resource, attributes and explain of a question that has none of them."""
SHORTEST: Final = 6
"""Bytes of the shortest plain question: two tags, two lengths, two letters."""
_new: Final = tuple.__new__
_Wire = TypeVar("_Wire", bound=Message)


class CheckCall(NamedTuple):
    """One valid Check: the question, the other instant asked about, the version to wait for, the caller's own fallback."""

    query: Query
    as_of_ms: Millis | None
    min_version: tuple[int, int] | None
    fallback: CallerFallback | None


class ListCall(NamedTuple):
    """One valid ListEntitlements; ``after`` is the feature key after which this page begins."""

    customer_id: CustomerId
    product: ProductId
    subject_id: str
    resource_id: str
    attributes: Mapping[str, Attribute]
    explain: ExplainLevel
    feature_prefix: str
    allowed_only: bool
    page_size: int
    after: str
    as_of_ms: Millis | None
    min_version: tuple[int, int] | None

    def query(self, feature: str) -> Query:
        """Return the question about one feature of the list."""
        subject_id, resource_id, attributes, explain = self[2:6]
        # As in `plain_check`: constructors and NewTypes would cost more than the tuple.
        return _new(
            Query, (self.customer_id, feature, self.product, subject_id, resource_id, None, attributes, explain)
        )

    def about(self, feature: str) -> CheckCall:
        """Return the question about one feature of the list, as a call."""
        return _new(CheckCall, (self.query(feature), self.as_of_ms, self.min_version, None))

    def as_checks(self, default_product: ProductId) -> Callable[[str], bytes] | None:
        """Return what gives the bytes of a Check that asks the same about one feature; None when the list asks more than a plain Check."""
        if self[2:6] != _PLAIN or self.as_of_ms is not None or self.min_version is not None:
            return None
        before = field(_CUSTOMER_TAG, self.customer_id.encode()) + _FEATURE_TAG
        after = b"" if self.product == default_product else field(_PRODUCT_TAG, self.product.encode())

        def check(feature: str) -> bytes:
            key = feature.encode()
            return before + varint(len(key)) + key + after

        return check

    def token_after(self, feature: str) -> str:
        """Return the token of the page that begins after a feature."""
        return token_after(feature, _binding(self.customer_id, self.product, self.feature_prefix, self.allowed_only))


def decode_check(
    raw: bytes | check_service_pb2.CheckRequest,
    default_product: ProductId,
    now_ms: int,
    served: Collection[str] | None = None,
) -> CheckCall:
    """Return a valid Check or raise FieldError; ``served`` are the products of this sidecar, None for any."""
    if isinstance(raw, bytes):
        plain = plain_check(raw, default_product, served)
        if plain is not None:
            return plain
        message = parsed(raw, check_service_pb2.CheckRequest.FromString, MAX_CHECK_BYTES)
    else:
        message = raw
    quantity = message.quantity
    if quantity not in (0, 1):
        raise _bad_quantity(quantity)
    customer_id = required_id(message.customer_id, "customer_id")
    feature = required_id(message.feature, "feature")
    query = Query(
        CustomerId(customer_id),
        FeatureKey(feature),
        _product(message.product, default_product, served),
        optional_id(message.subject_id, "subject_id"),
        optional_id(message.resource_id, "resource_id"),
        value_in(message.requested_value, "requested_value") if message.HasField("requested_value") else None,
        attributes_of(message.attributes),
        explain_of(message.explain),
    )
    return CheckCall(
        query,
        as_of_of(message.as_of, now_ms) if message.HasField("as_of") else None,
        min_version_of(message.min_version),
        fallback_of(message.fallback) if message.HasField("fallback") else None,
    )


def plain_check(raw: bytes, default_product: ProductId, served: Collection[str] | None) -> CheckCall | None:
    """Return the question of bytes that hold customer, feature and at most a product, each a plain id; None for all others.

    These are most of all questions, and reading them here takes a third of the instructions that a message object takes. Whatever looks
    in the least unusual is left to the protobuf runtime. Bytes that are all ASCII have lengths below 128, so each is one byte.
    """
    size = len(raw)
    if size < SHORTEST or raw[0] != _CUSTOMER or not raw.isascii():
        return None
    middle = raw[1] + 2
    if middle + 2 >= size or raw[middle] != _FEATURE:
        return None
    end = middle + 2 + raw[middle + 1]
    product = default_product
    if end != size:
        if end + 2 >= size or raw[end] != _PRODUCT or end + 2 + raw[end + 1] != size:
            return None
        product = ProductId(raw[end + 2 :].decode())
        if served is None or product not in served:
            return None
    customer_id, feature = raw[2:middle].decode(), _plain_feature(raw[middle + 2 : end])
    # Bytes below 128 and printable: nothing but a space could be outer white space, and no length is above 127.
    if not (customer_id and feature and customer_id.isprintable() and customer_id.strip() == customer_id):
        return None
    # The three named tuples' own constructors and the identity functions of NewType would cost as much as all of the above.
    query = _new(Query, (customer_id, feature, product, "", "", None, EMPTY, ExplainLevel.NONE))
    return _new(CheckCall, (query, None, None, None))


@lru_cache(maxsize=4096)
def _plain_feature(raw: bytes) -> str:
    """Return a feature key that is a plain id, else nothing: there are few, so each is examined once and is always the same object."""
    feature = raw.decode()
    return feature if is_plain_id(feature) else ""


def decode_list(raw: bytes, default_product: ProductId, now_ms: int, served: Collection[str] | None = None) -> ListCall:
    """Return a valid ListEntitlements or raise FieldError."""
    message = parsed(raw, check_service_pb2.ListEntitlementsRequest.FromString, MAX_CHECK_BYTES)
    if not 0 <= message.page_size <= MAX_ITEMS:
        raise invalid("page_size", f"is {message.page_size}", f"send 1-{MAX_ITEMS}, or 0 for {DEFAULT_PAGE_SIZE}")
    customer_id = CustomerId(required_id(message.customer_id, "customer_id"))
    product = _product(message.product, default_product, served)
    prefix = message.feature_prefix
    if len(prefix.encode()) > MAX_ID_BYTES:
        raise too_long("feature_prefix", MAX_ID_BYTES)
    return ListCall(
        customer_id=customer_id,
        product=product,
        subject_id=optional_id(message.subject_id, "subject_id"),
        resource_id=optional_id(message.resource_id, "resource_id"),
        attributes=attributes_of(message.attributes),
        explain=explain_of(message.explain),
        feature_prefix=prefix,
        allowed_only=message.allowed_only,
        page_size=message.page_size or DEFAULT_PAGE_SIZE,
        after=feature_of(message.page_token, _binding(customer_id, product, prefix, message.allowed_only)),
        as_of_ms=as_of_of(message.as_of, now_ms) if message.HasField("as_of") else None,
        min_version=min_version_of(message.min_version),
    )


def parsed(raw: bytes, parse: Callable[[bytes], _Wire], limit: int) -> _Wire:
    """Return the message of bytes; FieldError when they are too many or no such message."""
    if len(raw) > limit:
        raise too_large(limit)
    try:
        return parse(raw)
    except DecodeError:
        raise FieldError(
            "",
            "is not a message of this method",
            "send a serialized protobuf message of package entitlements.v1, texts in UTF-8",
            FieldReason.MALFORMED,
        ) from None


def _product(product: str, default: ProductId, served: Collection[str] | None) -> ProductId:
    if not product:
        return default
    required_id(product, "product")
    if served is not None and product not in served:
        raise FieldError(
            "product",
            "is not served by this sidecar",
            f"ask a sidecar that serves it, or one of: {', '.join(sorted(served))}",
            FieldReason.PRODUCT_NOT_SERVED,
        )
    return ProductId(product)


def _bad_quantity(quantity: int) -> FieldError:
    if quantity < 0:
        return invalid("quantity", "is negative", "send 1, or leave it out")
    return FieldError(
        "quantity",
        f"is {quantity}, but switch and config features are not counted",
        "send 1, or leave it out",
        FieldReason.UNSUPPORTED,
    )


def too_large(limit: int) -> FieldError:
    """Return the error of a message that has too many bytes."""
    return FieldError("", f"is larger than {limit} bytes", "send less, or split it", FieldReason.MESSAGE_TOO_LARGE)


def _binding(customer_id: str, product: str, prefix: str, allowed_only: bool) -> tuple[str, ...]:  # noqa: FBT001
    return customer_id, product, prefix, "allowed" if allowed_only else "all"
