"""The keys that a reader trusts: pinned root keys, and the root-signed key set that says who may sign what.

Roles and the rule that key sets never go back follow The Update Framework. Verification comes before parsing: of unverified bytes only the
envelope's three fields are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError

from entitlements.policy.model import ALWAYS, Window
from entitlements.v1 import policy_pb2
from entitlements.wire.errors import Refusal, Refused
from entitlements.wire.feed_messages import (
    FeedCatalogue,
    FeedCustomer,
    FeedDelta,
    FeedHeartbeat,
    FeedManifest,
    FeedMessage,
    FeedNudge,
    read_body,
)
from entitlements.wire.keys import SigningKeyPair, kid_of, trusted_public_key
from entitlements.wire.literals import Misshapen, member_of, members, number_of, window_into, window_of

MAX_ENVELOPE_BYTES: Final = 64 * 1024 * 1024
FEED_DOMAIN: Final = b"ent/feed/1\0"
KEYS_DOMAIN: Final = b"ent/keys/1\0"


class KeyRole(IntEnum):
    """What a key may sign. Numbers equal the protobuf enum."""

    ROOT = 1
    POLICY = 2
    HEARTBEAT = 3


_ROLES: Final = members(KeyRole)
_SIGNERS: Final[dict[type, frozenset[KeyRole]]] = {
    FeedDelta: frozenset({KeyRole.POLICY}),
    FeedManifest: frozenset({KeyRole.POLICY}),
    FeedCustomer: frozenset({KeyRole.POLICY}),
    FeedCatalogue: frozenset({KeyRole.POLICY}),
    FeedHeartbeat: frozenset({KeyRole.HEARTBEAT}),
    FeedNudge: frozenset({KeyRole.POLICY, KeyRole.HEARTBEAT}),
}


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """A public key and its rights; no feeds means all feeds."""

    public_key: bytes
    role: KeyRole
    feeds: tuple[str, ...] = ()
    window: Window = ALWAYS
    revoked: bool = False

    @property
    def kid(self) -> str:
        """Return the short name of the key."""
        return kid_of(self.public_key)


@dataclass(frozen=True, slots=True)
class _Trusted:
    grant: KeyGrant
    verifier: Ed25519PublicKey


def sign_key_set(version: int, keys: Iterable[KeyGrant], root_key: SigningKeyPair) -> bytes:
    """Return a serialized SignedKeySet; Refused when a key is unfit or listed twice, as a reader would say."""
    key_set = policy_pb2.KeySet(version=version)
    for grant in keys:
        message = key_set.keys.add(
            kid=grant.kid,
            public_key=grant.public_key,
            role=number_of(grant.role),
            feeds=sorted(set(grant.feeds)),
            revoked=grant.revoked,
        )
        try:
            window_into(message.window, grant.window)
        except Misshapen as error:
            raise Refused(Refusal.MALFORMED, f"key {grant.kid}: {error}") from error
    body = key_set.SerializeToString(deterministic=True)
    _read_key_set(body)
    return policy_pb2.SignedKeySet(
        root_kid=root_key.kid, sig=root_key.sign(KEYS_DOMAIN + body), body=body
    ).SerializeToString(deterministic=True)


def sign(body: bytes, key: SigningKeyPair) -> bytes:
    """Return a serialized Envelope around a FeedMessage body."""
    return policy_pb2.Envelope(kid=key.kid, sig=key.sign(FEED_DOMAIN + body), body=body).SerializeToString(
        deterministic=True
    )


def open_envelope(envelope: bytes) -> policy_pb2.Envelope:
    """Return the three fields of an envelope, nothing verified; Refused (malformed) when it is none."""
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise Refused(Refusal.MALFORMED, f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes")
    try:
        return policy_pb2.Envelope.FromString(envelope)
    except DecodeError as error:
        raise Refused(Refusal.MALFORMED, f"envelope: {error}") from error


class KeyRing:
    """Verifies envelopes against the newest installed key set. ``min_version`` is the floor that a restart remembers."""

    __slots__ = ("_keys", "_min_version", "_roots", "_signed", "_version")

    def __init__(self, root_public_keys: Iterable[bytes], min_version: int = 0) -> None:
        self._roots = {kid_of(key): trusted_public_key(key) for key in root_public_keys}
        if not self._roots:
            raise ValueError("a key ring needs at least one root public key")
        self._keys: dict[str, _Trusted] = {}
        self._version = 0
        self._min_version = min_version
        self._signed: bytes | None = None

    @property
    def version(self) -> int:
        """Return the version of the installed key set, 0 when there is none."""
        return self._version

    @property
    def signed_key_set(self) -> bytes | None:
        """Return the exact bytes of the installed key set, to be stored beside the records that it vouches for."""
        return self._signed

    def install(self, signed_key_set: bytes) -> bool:
        """Install a root-signed key set and return whether it is newer than the present one; Refused leaves the ring as it was."""
        if len(signed_key_set) > MAX_ENVELOPE_BYTES:
            raise Refused(Refusal.MALFORMED, "the key set is too large")
        try:
            signed = policy_pb2.SignedKeySet.FromString(signed_key_set)
        except DecodeError as error:
            raise Refused(Refusal.MALFORMED, f"key set: {error}") from error
        root = self._roots.get(signed.root_kid)
        if root is None:
            raise Refused(Refusal.UNKNOWN_KID, f"root key {signed.root_kid[:16]!r}")
        _check_signature(root, signed.sig, KEYS_DOMAIN + signed.body)
        version, keys = _read_key_set(signed.body)
        if version < max(self._version, self._min_version):
            raise Refused(Refusal.ROLLED_BACK, f"version {version} after {max(self._version, self._min_version)}")
        if version == self._version:
            if self._signed is not None and policy_pb2.SignedKeySet.FromString(self._signed).body != signed.body:
                raise Refused(Refusal.ROLLED_BACK, f"version {version} again with another content")
            return False
        self._version, self._keys, self._signed = version, keys, signed_key_set
        return True

    def verify(self, envelope: bytes, feed: str, now_ms: int) -> FeedMessage:
        """Return the message of a genuine envelope for this feed; Refused, with its reason, otherwise."""
        opened = open_envelope(envelope)
        trusted = self._keys.get(opened.kid)
        if trusted is None:
            raise Refused(Refusal.UNKNOWN_KID, f"key {opened.kid[:16]!r}")
        _check_grant(trusted.grant, now_ms)
        _check_signature(trusted.verifier, opened.sig, FEED_DOMAIN + opened.body)
        message = read_body(opened.body, opened.kid)
        if message.feed != feed or (trusted.grant.feeds and feed not in trusted.grant.feeds):
            raise Refused(Refusal.WRONG_FEED, f"signed for {message.feed[:64]!r}, wanted {feed!r}")
        if trusted.grant.role not in _SIGNERS[type(message)]:
            raise Refused(Refusal.WRONG_ROLE, f"a {trusted.grant.role.name} key signed a {type(message).__name__}")
        if isinstance(message, FeedHeartbeat) and now_ms > message.not_after_ms:
            raise Refused(Refusal.EXPIRED, "the heartbeat is past its end")
        return message

    def __repr__(self) -> str:
        return f"<KeyRing [version {self._version} | {len(self._keys)} keys | {len(self._roots)} roots]>"


def _check_signature(verifier: Ed25519PublicKey, signature: bytes, data: bytes) -> None:
    try:
        verifier.verify(signature, data)
    except InvalidSignature as error:
        raise Refused(Refusal.BAD_SIGNATURE) from error


def _check_grant(grant: KeyGrant, now_ms: int) -> None:
    if grant.revoked:
        raise Refused(Refusal.REVOKED, f"key {grant.kid}")
    if grant.window.from_ms is not None and now_ms < grant.window.from_ms:
        raise Refused(Refusal.NOT_YET_VALID, f"key {grant.kid}")
    if not grant.window.contains(now_ms):
        raise Refused(Refusal.EXPIRED, f"key {grant.kid}")


def _read_key_set(body: bytes) -> tuple[int, dict[str, _Trusted]]:
    try:
        key_set = policy_pb2.KeySet.FromString(body)
    except DecodeError as error:
        raise Refused(Refusal.MALFORMED, f"key set body: {error}") from error
    if key_set.version < 1:
        raise Refused(Refusal.MALFORMED, "a key set has version 1 or greater")
    keys: dict[str, _Trusted] = {}
    for message in key_set.keys:
        verifier = trusted_public_key(message.public_key)
        try:
            role = member_of(_ROLES, message.role, "role")
            window = window_of(message.window, "window")
        except Misshapen as error:
            raise Refused(Refusal.MALFORMED, f"key {message.kid}: {error}") from error
        grant = KeyGrant(message.public_key, role, tuple(message.feeds), window, message.revoked)
        if message.kid != grant.kid:
            raise Refused(Refusal.MALFORMED, f"key {grant.kid} is listed as {message.kid}")
        if grant.kid in keys:
            raise Refused(Refusal.MALFORMED, f"key {grant.kid} is listed twice")
        keys[grant.kid] = _Trusted(grant, verifier)
    return key_set.version, keys
