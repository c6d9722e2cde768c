"""A control plane's REST application over its own SQLite file, called in the same process, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from control.api import rest_metrics
from control.api.auth import Authenticator
from control.api.credentials import Scope, generate_key, key_hash
from control.api.key_directory import StoredKeys
from control.api.rest import RestParts, create_rest
from control.api.routers import ROUTERS
from control.app import open_store
from control.handlers.keys import add_key
from control.store.api_keys import ApiKeyRow
from control.store.unit_of_work import Store
from entitlements.runtime.clock import ManualClock
from entitlements.runtime.metrics import Meters

PEPPER = b"p" * 32


@dataclass
class ControlRest:
    """The application with what a test needs beside it."""

    store: Store
    clock: ManualClock
    client: TestClient
    keys: dict[Scope, str] = field(default_factory=dict)

    def key(self, *scopes: Scope, expires_at_ms: int | None = None) -> str:
        """Make a key in the database and return it."""
        made = generate_key()
        words = tuple(scope.value for scope in scopes)
        row = ApiKeyRow(made.kid, "-".join(words), words, key_hash(PEPPER, made), self.clock.now_ms(), expires_at_ms)
        with self.store.begin("test") as uow:
            add_key(uow, row)
        return made.text.reveal()

    def call(self, method: str, path: str, body: Any = None, scope: Scope = Scope.ADMIN, **headers: str) -> Any:
        """Send one request below /api/v1 with a key of a scope; header names are written with underscores."""
        if scope not in self.keys:
            self.keys[scope] = self.key(scope)
        sent = {"Authorization": f"Bearer {self.keys[scope]}"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self.client.request(method, f"/api/v1{path}", json=body, headers=sent)

    def done(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request that must succeed and return its JSON."""
        answer = self.call(method, path, body, Scope.ADMIN, **headers)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()


@contextmanager
def control_rest(folder: Path, now_ms: int) -> Iterator[ControlRest]:
    """Make one; the database lies in `folder`."""
    clock = ManualClock(now_ms)
    store = open_store(f"sqlite:///{folder / 'control.db'}", clock)
    meters = Meters(rest_metrics.DECLARED)
    parts = RestParts(
        store=store,
        authenticator=Authenticator(StoredKeys(store), PEPPER, clock),
        pepper=PEPPER,
        clock=clock,
        metrics=rest_metrics.RestMetrics(meters),
        readiness=dict,
        exposition=meters.exposition,
    )
    with TestClient(create_rest(parts, ROUTERS), raise_server_exceptions=False) as client:
        yield ControlRest(store, clock, client)
    store.engine.dispose()
