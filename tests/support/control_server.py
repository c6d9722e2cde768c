"""A whole control plane of this process, served by uvicorn on a free port in a thread, without Redis."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import structlog

from control.api.credentials import Scope, generate_key, key_hash
from control.app import ControlPlane, read_pepper
from control.handlers.keys import add_key
from control.publishing.key_files import KeyFiles
from control.settings import load_settings
from control.store.api_keys import ApiKeyRow
from control.store.database import open_engine
from control.store.schema import migrate
from control.store.sidecars import positions
from entitlements.runtime.clock import SystemClock
from entitlements.runtime.logs import configure
from entitlements.wire.names import stream_id
from tests.support.openapi import OpenApi
from tests.support.processes import wait_until


@dataclass
class ControlServer:
    """The running control plane, and a client that checks every reply against the description."""

    plane: ControlPlane
    folder: Path
    url: str
    client: httpx2.Client
    openapi: OpenApi
    log: io.StringIO
    keys: dict[tuple[Scope, ...], str] = field(default_factory=dict)

    def key(self, *scopes: Scope) -> str:
        """Return a key with exactly these scopes, made in the database on first use."""
        if scopes not in self.keys:
            made = generate_key()
            words = tuple(scope.value for scope in scopes)
            hashed = key_hash(read_pepper(self.folder / "pepper"), made)
            with self.plane.store.begin("test") as uow:
                add_key(uow, ApiKeyRow(made.kid, "+".join(words), words, hashed, uow.now_ms))
            self.keys[scopes] = made.text.reveal()
        return self.keys[scopes]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> httpx2.Response:
        """Send one request below /api/v1, as admin unless told otherwise."""
        sent = {"Authorization": f"Bearer {key or self.key(Scope.ADMIN)}", **(headers or {})}
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
            answer = self.client.request(method, f"/api/v1{path}", content=raw, headers=sent)
        else:
            answer = self.client.request(method, f"/api/v1{path}", json=body, headers=sent)
        self.openapi.check(method, f"/api/v1{path}", answer.status_code, answer.json())
        return answer

    def done(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send one request that must succeed and return its JSON."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> list[str]:
        """Send one request that must be refused, changing nothing; return the fields that it names, each with a remedy."""
        before = self.state()
        answer = self.call(method, path, body, **options)
        problem = answer.json()
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert all(error["problem"] and error["remedy"] for error in problem["errors"])
        assert self.state() == before, "something was half-applied"
        return [error["field"] for error in problem["errors"]]

    def state(self) -> tuple[dict[str, str], int]:
        """Return the version of every feed, and the number of audit events."""
        with self.plane.store.reading() as connection:
            heads = positions(connection)
            events = connection.exec_driver_sql("SELECT count(*) FROM audit").scalar()
        return {product: stream_id(*position) for product, position in heads.items()}, int(events or 0)


@contextmanager
def control_server(folder: Path, database: str | None = None) -> Iterator[ControlServer]:
    """Run one; everything lies in `folder`, but for a PostgreSQL database given by its address."""
    log = io.StringIO()
    configure("info", "json", process="control", stream=log)
    KeyFiles(folder / "keys").initialise()
    settings = load_settings(
        {
            "ENTITLEMENTS_CONTROL_DATABASE": database or f"sqlite:///{folder / 'control.db'}",
            "ENTITLEMENTS_CONTROL_HTTP": "127.0.0.1:0",
            "ENTITLEMENTS_CONTROL_GRPC": "127.0.0.1:0",
            "ENTITLEMENTS_CONTROL_PEPPER_FILE": str(folder / "pepper"),
            "ENTITLEMENTS_CONTROL_SIGNING_KEYS": str(folder / "keys"),
            "ENTITLEMENTS_CONTROL_DRAIN": "2s",
        }
    )
    if database is not None:
        engine = open_engine(settings.database_url)
        migrate(engine)
        engine.dispose()
    plane = ControlPlane(settings, SystemClock())
    thread = threading.Thread(target=plane.run, name="control")
    thread.start()
    url = f"http://127.0.0.1:{plane.http_port}"
    try:
        with httpx2.Client(base_url=url, timeout=20.0) as client:
            wait_until(lambda: _ready(client), 20, "readiness")
            openapi = OpenApi(client.get("/openapi.json").json())
            yield ControlServer(plane, folder, url, client, openapi, log)
    finally:
        plane.stop()
        thread.join(20)
        structlog.reset_defaults()
    assert not thread.is_alive(), "the control plane did not end"


def _ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False
