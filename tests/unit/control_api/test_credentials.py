"""API keys: form, hash, scopes, pepper, and that no text shows them."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from control.api.auth import Authenticator, RefusedCredentialError, StoredKey
from control.api.credentials import (
    IMPLIED,
    PresentedKey,
    Principal,
    Scope,
    expand,
    generate_key,
    hash_matches,
    key_hash,
    load_pepper,
    parse_key,
)
from entitlements.runtime.clock import ManualClock

PEPPER = b"p" * 32


class Directory:
    """Keys in a dictionary."""

    def __init__(self, *keys: StoredKey) -> None:
        self.keys = {key.kid: key for key in keys}

    def find_key(self, kid: str) -> StoredKey | None:
        """Return a key or None."""
        return self.keys.get(kid)


def stored(key: PresentedKey, **changes: int) -> StoredKey:
    """Return the row of a key that may read."""
    row = StoredKey(key.kid, "ci", frozenset({Scope.READ}), key_hash(PEPPER, key), created_at_ms=0)
    return replace(row, **changes)  # type: ignore[arg-type]


def test_a_generated_key_is_parsed_back() -> None:
    """The text has the documented form and two keys never equal each other."""
    key, other = generate_key(), generate_key()
    assert key.text.reveal().startswith(f"ent_{key.kid}_")
    parsed = parse_key(key.text.reveal())
    assert parsed is not None
    assert key.kid == parsed.kid
    assert hash_matches(PEPPER, parsed, key_hash(PEPPER, key))
    assert key.text.reveal() != other.text.reveal()


@pytest.mark.parametrize(
    "text",
    ["", "ent", "ent__", "ent_abc_def", "xyz_" + "a" * 12 + "_" + "b" * 43, "ent_" + "a" * 12 + "_" + "é" * 43],
)
def test_what_is_no_key_is_not_parsed(text: str) -> None:
    """Prefix, lengths and alphabet must fit."""
    assert parse_key(text) is None


def test_another_pepper_or_secret_does_not_match() -> None:
    """A stolen table is useless without the pepper."""
    key = generate_key()
    assert not hash_matches(b"q" * 32, key, key_hash(PEPPER, key))
    assert not hash_matches(PEPPER, generate_key(), key_hash(PEPPER, key))


def test_no_text_shows_a_secret() -> None:
    """Neither repr nor str nor formatting of a key shows it."""
    key = generate_key()
    secret = key.text.reveal()
    shown = f"{key} {key!r} {key.text} {key.text!r} {stored(key)!r}"
    assert secret not in shown
    assert secret[-43:] not in shown
    assert key_hash(PEPPER, key).hex() not in shown


def test_scopes_imply_what_the_table_says() -> None:
    """Admin may everything; a sidecar's key may not read customers."""
    assert frozenset(Scope) == expand([Scope.ADMIN])
    assert frozenset({Scope.SIDECAR}) == expand([Scope.SIDECAR])
    assert Scope.READ in expand([Scope.WRITE])
    assert Scope.WRITE not in expand([Scope.PUBLISH])
    assert set(IMPLIED) == set(Scope)
    assert not Principal("k", "n", frozenset({Scope.READ})).may(Scope.WRITE)


def test_a_valid_key_becomes_its_principal() -> None:
    """The principal carries kid, name and scopes; the actor is the kid."""
    key = generate_key()
    authenticator = Authenticator(Directory(stored(key)), PEPPER, ManualClock(1_000))
    principal = authenticator.authenticate(f"Bearer {key.text.reveal()}")
    assert Principal(key.kid, "ci", frozenset({Scope.READ})) == principal
    assert f"key:{key.kid}" == principal.actor


def test_expired_revoked_and_foreign_keys_are_refused() -> None:
    """Each refusal says why, without telling whether a kid exists."""
    key = generate_key()
    forged = f"Bearer ent_{key.kid}_{generate_key().text.reveal()[-43:]}"
    clock = ManualClock(1_000)
    valid = f"Bearer {key.text.reveal()}"

    def refusal(row: StoredKey, header: str | None) -> str:
        with pytest.raises(RefusedCredentialError) as refused:
            Authenticator(Directory(row), PEPPER, clock).authenticate(header)
        return str(refused.value)

    assert "expired" in refusal(stored(key, expires_at_ms=1_000), valid)
    assert "revoked" in refusal(stored(key, revoked_at_ms=1_000), valid)
    unknown = refusal(stored(generate_key()), valid)
    assert unknown == refusal(stored(key), forged)
    assert "No API key" in refusal(stored(key), None)
    assert "holds no API key" in refusal(stored(key), "Basic abc")


def test_a_key_is_valid_until_its_very_expiry() -> None:
    """Expiry is exclusive, as every window's end is."""
    key = generate_key()
    clock = ManualClock(999)
    authenticator = Authenticator(Directory(stored(key, expires_at_ms=1_000)), PEPPER, clock)
    assert authenticator.authenticate(f"bearer {key.text.reveal()}").name == "ci"
    clock.advance(1)
    with pytest.raises(RefusedCredentialError):
        authenticator.authenticate(f"bearer {key.text.reveal()}")


def test_the_pepper_is_made_once_and_private(tmp_path: Path) -> None:
    """First use creates the file for its owner alone; later uses read the same bytes."""
    path = tmp_path / "pepper"
    first = load_pepper(path)
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first == load_pepper(path)
    assert [path] == list(tmp_path.iterdir())


def test_a_damaged_pepper_is_refused(tmp_path: Path) -> None:
    """A new one would silently invalidate every key."""
    path = tmp_path / "pepper"
    path.write_text("not hex")
    with pytest.raises(ValueError, match="restore the pepper"):
        load_pepper(path)
