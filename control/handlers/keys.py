"""Commands on API keys; each is an event of the audit trail, which never holds a key or its hash."""

from __future__ import annotations

from typing import Any

from control.domain.errors import NotFound
from control.domain.forms import render_at
from control.store import api_keys
from control.store.api_keys import ApiKeyRow
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.ids import Millis


def add_key(uow: UnitOfWork, key: ApiKeyRow) -> None:
    """Add a key that was just made."""
    api_keys.insert(uow.connection, key)
    uow.note("key.create", f"key/{key.kid}", None, key_form(key))


def revoke_key(uow: UnitOfWork, kid: str) -> tuple[ApiKeyRow, bool]:
    """Revoke a key; returns it and whether this changed anything. Raises NotFound."""
    before = api_keys.find(uow.connection, kid)
    if before is None:
        raise NotFound("API key", kid)
    api_keys.revoke(uow.connection, kid, uow.now_ms)
    after = api_keys.find(uow.connection, kid)
    if after is None:  # nobody deletes keys
        raise AssertionError
    if after != before:
        uow.note("key.revoke", f"key/{kid}", key_form(before), key_form(after))
    return after, after != before


def key_form(key: ApiKeyRow) -> dict[str, Any]:
    """Return what may be shown of a key."""
    return {
        "kid": key.kid,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": render_at(Millis(key.created_at_ms)),
        "expires_at": None if key.expires_at_ms is None else render_at(Millis(key.expires_at_ms)),
        "revoked_at": None if key.revoked_at_ms is None else render_at(Millis(key.revoked_at_ms)),
    }
