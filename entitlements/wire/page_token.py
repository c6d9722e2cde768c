"""Page tokens: where a list goes on, bound to the question that it belongs to. Opaque to callers, stateless for us."""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import Final

from entitlements.policy.ids import id_problem
from entitlements.wire.errors import FieldError, FieldReason

_VERSION: Final = b"\x01"
_BINDING_BYTES: Final = 8
_MAX_CHARACTERS: Final = 256


def token_after(feature: str, binding: tuple[str, ...]) -> str:
    """Return the token of the page that begins after ``feature``; ``binding`` is what must be asked again unchanged."""
    raw = _VERSION + _hash_of(binding) + feature.encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def feature_of(token: str, binding: tuple[str, ...]) -> str:
    """Return the feature after which the page begins, empty for the first page; FieldError when the token is none of this question."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        feature = raw[1 + _BINDING_BYTES :].decode()
    except (binascii.Error, ValueError):
        raise _foreign("is not a page token") from None
    if len(token) > _MAX_CHARACTERS or raw[:1] != _VERSION or id_problem(feature) is not None:
        raise _foreign("is not a page token")
    if raw[1 : 1 + _BINDING_BYTES] != _hash_of(binding):
        raise _foreign("belongs to another question")
    return feature


def _hash_of(binding: tuple[str, ...]) -> bytes:
    parts = [part.encode() for part in binding]
    return blake2b(b"".join(len(part).to_bytes(4, "big") + part for part in parts), digest_size=_BINDING_BYTES).digest()


def _foreign(problem: str) -> FieldError:
    return FieldError(
        "page_token",
        problem,
        "send next_page_token of the page before with the same customer, product and filters, or start again without one",
        FieldReason.FIELD_INVALID,
    )
