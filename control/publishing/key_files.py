"""The directory with the keys that sign the feed.

    keys.json               public: version, root public keys, every key with its role and window
    key-set.bin             the same, signed by a root key: what sidecars receive
    online/ROLE-KID.pem     private keys that the control plane uses (PKCS8, mode 0600)
    root/root-KID.pem       the root's private key, needed only to change the key set; it belongs on another medium

Roles and the split between online keys and an offline root follow The Update Framework. Every file is replaced as a
whole, so a control plane that is running reads the old set or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from entitlements.policy.ids import Millis
from entitlements.policy.model import Window
from entitlements.wire.envelope import KeyGrant, KeyRole, SigningKeyPair, sign_key_set

ONLINE_ROLES: Final = (KeyRole.POLICY, KeyRole.HEARTBEAT)
CLOCK_SKEW_MS: Final = 300_000
"""A key that counts at once is dated back by this much, for sidecars whose clocks are behind."""
_OTHERS: Final = 0o007


class KeyFileError(Exception):
    """The key directory cannot be used: which file, what is wrong, what to do."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}; {remedy}")


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """All that a directory holds: the signed key set, who may sign, and the private keys that are there.

    `grants` are in the order of their making. `pairs` maps kid to pair and lacks what is revoked or kept elsewhere.
    """

    version: int
    roots: tuple[bytes, ...]
    grants: tuple[KeyGrant, ...]
    key_set: bytes
    pairs: dict[str, SigningKeyPair]


class KeyFiles:
    """One key directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def initialise(self, offline_root: Path | None = None) -> KeyBundle:
        """Make a root key, the two online keys and key set 1; refuses a directory that holds a key set.

        The root's private key goes to `offline_root` when given, else to `root/` in the directory.
        """
        if (self.directory / "keys.json").exists():
            raise KeyFileError(
                self.directory, "already holds keys", "use `entitlements keys rotate`, or another directory"
            )
        root = SigningKeyPair.generate()
        folder = self.directory / "root" if offline_root is None else offline_root
        _write_private(folder / f"root-{root.kid}.pem", root)
        grants = [self._new_key(role, Window()) for role in ONLINE_ROLES]
        self._write_set(1, (root.public,), grants, root)
        return self.load()

    def load(self) -> KeyBundle:
        """Read everything; KeyFileError names the file that is missing, readable by others, or wrong."""
        path = self.directory / "keys.json"
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            roots = tuple(bytes.fromhex(text) for text in described["root_public_keys"])
            grants = tuple(_grant(entry) for entry in described["keys"])
            version = int(described["version"])
            key_set = (self.directory / "key-set.bin").read_bytes()
        except FileNotFoundError:
            raise KeyFileError(path, "does not exist", "make keys with `entitlements keys init --dir DIR`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileError(path, f"is not a description of keys ({error})", "restore it from a backup") from error
        pairs = {}
        for grant in grants:
            file = self._online(grant)
            if not grant.revoked and file.exists():
                pairs[grant.kid] = read_private(file)
        return KeyBundle(version, roots, grants, key_set, pairs)

    def changed_at_ns(self) -> int:
        """Return when the key set was last replaced; 0 when there is none."""
        try:
            return (self.directory / "key-set.bin").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def rotate(
        self,
        role: KeyRole,
        now_ms: Millis,
        delay_ms: Millis,
        *,
        revoke_old: bool = False,
        root_file: Path | None = None,
    ) -> KeyBundle:
        """Add a key of a role that counts after `delay_ms`, raise the version, sign with the root.

        The delay gives every sidecar time to receive the set before the key is used; older keys stay accepted unless
        `revoke_old`, which is the answer to a stolen key and goes with no delay.
        """
        bundle = self.load()
        root = read_private(self._root_file(bundle) if root_file is None else root_file)
        if root.public not in bundle.roots:
            raise KeyFileError(
                self.directory, f"does not know the root key {root.kid}", "give the root key of this set"
            )
        if revoke_old and delay_ms:
            raise KeyFileError(
                self.directory, "would be left without a usable key", "revoke the old keys without a delay"
            )
        starts = Millis(now_ms + delay_ms if delay_ms else now_ms - CLOCK_SKEW_MS)
        kept = [replace(old, revoked=old.revoked or (revoke_old and old.role is role)) for old in bundle.grants]
        added = self._new_key(role, Window(from_ms=starts))
        self._write_set(bundle.version + 1, bundle.roots, [*kept, added], root)
        return self.load()

    def _new_key(self, role: KeyRole, window: Window) -> KeyGrant:
        pair = SigningKeyPair.generate()
        grant = KeyGrant(pair.public, role, window=window)
        _write_private(self._online(grant), pair)
        return grant

    def _online(self, grant: KeyGrant) -> Path:
        return self.directory / "online" / f"{grant.role.name.lower()}-{grant.kid}.pem"

    def _root_file(self, bundle: KeyBundle) -> Path:
        found = sorted((self.directory / "root").glob("root-*.pem"))
        if not found:
            known = ", ".join(key.hex()[:8] + "..." for key in bundle.roots)
            raise KeyFileError(
                self.directory / "root", f"holds no root key (roots: {known})", "name it with --root-key FILE"
            )
        return found[-1]

    def _write_set(
        self, version: int, roots: tuple[bytes, ...], grants: Iterable[KeyGrant], root: SigningKeyPair
    ) -> None:
        listed = list(grants)
        described = {
            "version": version,
            "root_public_keys": [key.hex() for key in roots],
            "keys": [_described(grant) for grant in listed],
        }
        text = json.dumps(described, indent=2) + "\n"
        _replace_file(self.directory / "keys.json", text.encode(), 0o644)
        # Last, because a change of this file is what a running control plane looks for.
        _replace_file(self.directory / "key-set.bin", sign_key_set(version, listed, root), 0o644)

    def __repr__(self) -> str:
        """Show where the keys lie."""
        return f"<KeyFiles [{self.directory}]>"


def read_private(path: Path) -> SigningKeyPair:
    """Read a private key; KeyFileError when it is missing, readable by everybody, or not Ed25519."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise KeyFileError(path, "can be read by every user", "take that right away: chmod o-rwx")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyFileError(path, f"cannot be read ({error.strerror})", "restore it, or rotate the key") from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(path, "is not a private key in PEM", "restore it, or rotate the key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(path, "is not an Ed25519 key", "restore it, or rotate the key")
    return SigningKeyPair.from_bytes(key.private_bytes_raw())


def _write_private(path: Path, pair: SigningKeyPair) -> None:
    key = Ed25519PrivateKey.from_private_bytes(pair.private_bytes())
    _replace_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)


def _replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file as a whole: readers find the old content or the new one, also after a power loss."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _described(grant: KeyGrant) -> dict[str, Any]:
    return {
        "kid": grant.kid,
        "role": grant.role.name.lower(),
        "public_key": grant.public_key.hex(),
        "from_ms": grant.window.from_ms,
        "until_ms": grant.window.until_ms,
        "revoked": grant.revoked,
    }


def _grant(entry: dict[str, Any]) -> KeyGrant:
    return KeyGrant(
        public_key=bytes.fromhex(entry["public_key"]),
        role=KeyRole[entry["role"].upper()],
        window=Window(from_ms=entry["from_ms"], until_ms=entry["until_ms"]),
        revoked=bool(entry["revoked"]),
    )
