"""API keys: how they look, what is stored of them, what they may do.

A key is `ent_<kid>_<secret>`: the kid (12 characters) finds the row, the secret has 32 random bytes. What is stored is
HMAC-SHA-256(pepper, key): with that much randomness a slow password hash adds nothing, and the pepper, which lies
outside the database, makes a stolen table useless. Comparison takes constant time.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KID_LENGTH: Final = 12
_SECRET_BYTES: Final = 32
_SECRET_LENGTH: Final = 43  # 62**43 > 256**32
PEPPER_BYTES: Final = 32
_PREFIX: Final = "ent"


class Scope(Enum):
    """What a key may do."""

    ADMIN = "admin"
    PUBLISH = "publish"
    WRITE = "write"
    READ = "read"
    SIDECAR = "sidecar"


IMPLIED: Final[Mapping[Scope, frozenset[Scope]]] = MappingProxyType(
    {
        Scope.ADMIN: frozenset(Scope),
        Scope.PUBLISH: frozenset({Scope.PUBLISH, Scope.READ}),
        Scope.WRITE: frozenset({Scope.WRITE, Scope.READ}),
        Scope.READ: frozenset({Scope.READ}),
        Scope.SIDECAR: frozenset({Scope.SIDECAR}),
    }
)
"""Scopes that come with a scope. PUBLISH changes the catalogue, WRITE changes customers, SIDECAR only follows feeds."""


def expand(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes with everything they imply."""
    return frozenset[Scope]().union(*(IMPLIED[scope] for scope in scopes))


class Secret:
    """Bytes or text that no log, trace or message may show."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hide a text."""
        self._value = value

    def reveal(self) -> str:
        """Return the text; call it only where it leaves on purpose."""
        return self._value

    def __repr__(self) -> str:
        """Show nothing."""
        return "<Secret ****>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a caller showed it: well-formed, not yet verified."""

    kid: str
    text: Secret


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling; `actor` is what the audit trail records."""

    kid: str
    name: str
    scopes: frozenset[Scope]

    @property
    def actor(self) -> str:
        """Return the name for the audit trail."""
        return f"key:{self.kid}"

    def may(self, scope: Scope) -> bool:
        """Return whether a scope is held or implied."""
        return scope in expand(self.scopes)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, remainder = divmod(number, 62)
        digits.append(_ALPHABET[remainder])
    return "".join(reversed(digits))


def generate_key() -> PresentedKey:
    """Return a new key from the operating system's randomness."""
    kid = "".join(secrets.choice(_ALPHABET) for _ in range(_KID_LENGTH))
    secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES), "big"), _SECRET_LENGTH)
    return PresentedKey(kid, Secret(f"{_PREFIX}_{kid}_{secret}"))


def parse_key(text: str) -> PresentedKey | None:
    """Return the key in a text, None when it does not look like one."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != _PREFIX:
        return None
    _, kid, secret = parts
    if len(kid) != _KID_LENGTH or len(secret) != _SECRET_LENGTH or not set(kid + secret) <= set(_ALPHABET):
        return None
    return PresentedKey(kid, Secret(text))


def key_hash(pepper: bytes, key: PresentedKey) -> bytes:
    """Return the 32 bytes that are stored of a key."""
    return hmac.new(pepper, key.text.reveal().encode("ascii"), sha256).digest()


def hash_matches(pepper: bytes, key: PresentedKey, stored: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(key_hash(pepper, key), stored)


def load_pepper(path: Path) -> bytes:
    """Return the pepper kept in a file, made with mode 0600 when absent; ValueError when the file is not a pepper.

    Losing the file makes every issued key invalid, so it is backed up with, but apart from, the database.
    """
    if not path.exists():
        _create_pepper(path)
    try:
        pepper = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        pepper = b""
    if len(pepper) != PEPPER_BYTES:
        raise ValueError(
            f"{path} does not hold {PEPPER_BYTES} bytes in hexadecimal; restore the pepper from its backup"
        )
    return pepper


def _create_pepper(path: Path) -> None:
    """Write a new pepper beside its place, then link it there: whoever reads the file finds all of it or none."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_hex(PEPPER_BYTES).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first; its pepper counts
            path.hardlink_to(draft)
    finally:
        draft.unlink()
