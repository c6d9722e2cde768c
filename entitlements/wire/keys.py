"""Ed25519 keys: pairs that sign, public keys that are fit to be trusted, and their short names.

The signing library accepts public keys of small order, for which signatures can be made without any secret; they are refused here.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from entitlements.wire.errors import Refusal, Refused

PUBLIC_KEY_BYTES: Final = 32
_FIELD: Final = 2**255 - 19
_Y_OF_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _FIELD - 1, _Y_OF_ORDER_8, _FIELD - _Y_OF_ORDER_8})
"""The y coordinates of the eight points whose order divides 8; x and -x share one y."""


def kid_of(public_key: bytes) -> str:
    """Return the short name of a public key: the first 8 hex digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:8]


def trusted_public_key(public_key: bytes) -> Ed25519PublicKey:
    """Return a key that can verify, or raise Refused when the bytes are no key (malformed) or a small-order point (weak_key)."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise Refused(Refusal.MALFORMED, f"a public key has {PUBLIC_KEY_BYTES} bytes, got {len(public_key)}")
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    if y >= _FIELD:
        raise Refused(Refusal.MALFORMED, "the public key is not in canonical form")
    if y in _SMALL_ORDER_Y:
        raise Refused(Refusal.WEAK_KEY, "the public key is a point of small order")
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise Refused(Refusal.MALFORMED, "the public key cannot be read") from error


class SigningKeyPair:
    """A private key with its public half. The private bytes never show in ``repr``."""

    __slots__ = ("_private", "kid", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: Final = private.public_key().public_bytes_raw()
        self.kid: Final = kid_of(self.public)

    @classmethod
    def generate(cls) -> SigningKeyPair:
        """Return a fresh pair from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, private: bytes) -> SigningKeyPair:
        """Return the pair of 32 private bytes; ValueError when the length differs."""
        return cls(Ed25519PrivateKey.from_private_bytes(private))

    def private_bytes(self) -> bytes:
        """Return the 32 private bytes, for a key file."""
        return self._private.private_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature; the same data always gets the same one."""
        return self._private.sign(data)

    def __repr__(self) -> str:
        return f"<SigningKeyPair {self.kid}>"
