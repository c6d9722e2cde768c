"""API keys as authentication looks them up."""

from __future__ import annotations

from control.api.auth import StoredKey
from control.api.credentials import Scope
from control.store import api_keys
from control.store.unit_of_work import Store


class StoredKeys:
    """The keys of a database; read on every request, so that a revocation counts at once."""

    def __init__(self, store: Store) -> None:
        """Look up in a store."""
        self._store = store

    def find_key(self, kid: str) -> StoredKey | None:
        """Return a key or None."""
        with self._store.reading() as connection:
            row = api_keys.find(connection, kid)
        if row is None:
            return None
        scopes = frozenset(Scope(word) for word in row.scopes)
        return StoredKey(row.kid, row.name, scopes, row.hash, row.created_at_ms, row.expires_at_ms, row.revoked_at_ms)
