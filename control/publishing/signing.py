"""Signing what the feed carries, with the right key for the moment.

Ed25519 is deterministic and the key is chosen by the message's own time, so every publisher makes the same bytes from
the same outbox row, also after a rotation.
"""

from __future__ import annotations

from collections.abc import Callable

from control.publishing.key_files import KeyBundle, KeyFiles
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import Clock
from entitlements.wire.envelope import KeyRing, KeyRole, SigningKeyPair, sign


class NoSigningKeyError(Exception):
    """No key of a role may sign now."""


class Signer:
    """The online keys of one control plane, and the ring that verifies what they signed."""

    def __init__(self, load: Callable[[], KeyBundle], changed_at_ns: Callable[[], int], clock: Clock) -> None:
        """Read the keys; `changed_at_ns` tells cheaply when they are to be read again."""
        self._load = load
        self._changed_at_ns = changed_at_ns
        self._clock = clock
        self._stamp = changed_at_ns()
        self._bundle = load()
        self._ring = _ring(self._bundle)
        for role in (KeyRole.POLICY, KeyRole.HEARTBEAT):
            self._key(role, Millis(clock.now_ms()))

    @classmethod
    def of_directory(cls, files: KeyFiles, clock: Clock) -> Signer:
        """Sign with the keys of a directory; KeyFileError when they cannot be read, NoSigningKeyError when a role lacks one."""
        return cls(files.load, files.changed_at_ns, clock)

    @property
    def key_set(self) -> bytes:
        """Return the root-signed key set for sidecars."""
        return self._bundle.key_set

    @property
    def version(self) -> int:
        """Return the version of the key set."""
        return self._bundle.version

    @property
    def ring(self) -> KeyRing:
        """Return a ring that verifies with the present key set."""
        return self._ring

    def refresh(self) -> bool:
        """Read the keys again when the directory changed; returns whether it did. Errors leave the present keys."""
        stamp = self._changed_at_ns()
        if stamp == self._stamp:
            return False
        bundle = self._load()
        self._ring = _ring(bundle)
        self._bundle, self._stamp = bundle, stamp
        return True

    def sign_policy(self, body: bytes, issued_at_ms: Millis) -> bytes:
        """Return the envelope of a delta or manifest; NoSigningKeyError when no policy key may sign."""
        return sign(body, self._key(KeyRole.POLICY, issued_at_ms))

    def sign_heartbeat(self, body: bytes, issued_at_ms: Millis) -> bytes:
        """Return the envelope of a heartbeat or nudge; NoSigningKeyError when no heartbeat key may sign."""
        return sign(body, self._key(KeyRole.HEARTBEAT, issued_at_ms))

    def _key(self, role: KeyRole, issued_at_ms: Millis) -> SigningKeyPair:
        """Return the newest key that counted when the message was issued and still does, else the newest that does now."""
        bundle, now_ms = self._bundle, self._clock.now_ms()
        fit = [
            grant
            for grant in bundle.grants
            if grant.role is role and grant.kid in bundle.pairs and grant.window.contains(Millis(now_ms))
        ]
        then = [grant for grant in fit if grant.window.contains(issued_at_ms)]
        if not fit:
            raise NoSigningKeyError(
                f"no {role.name.lower()} key may sign now; make one with `entitlements keys rotate --role {role.name.lower()}`"
            )
        return bundle.pairs[(then or fit)[-1].kid]

    def __repr__(self) -> str:
        """Show the key set's version."""
        return f"<Signer [key set {self._bundle.version} | {len(self._bundle.pairs)} private keys]>"


def _ring(bundle: KeyBundle) -> KeyRing:
    ring = KeyRing(bundle.roots)
    ring.install(bundle.key_set)
    return ring
