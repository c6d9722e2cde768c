"""A caller of our own REST API for command lines: one request, one answer, no retries that nobody asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from control.api.credentials import Secret

TIMEOUT_S: Final = 60.0


class UnreachableError(Exception):
    """No answer: the message names the server and the reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: its status and its JSON."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Return whether the request succeeded."""
        return 200 <= self.status < 300


class RestClient:
    """Talks to one control plane with one key."""

    def __init__(self, server: str, key: Secret | None, timeout_s: float = TIMEOUT_S) -> None:
        """Take ``http://HOST:PORT`` or https; ValueError for anything else."""
        address = urlsplit(server)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError(f"{server!r} is not an address such as http://127.0.0.1:8480")
        self._address = address
        self._key = key
        self._timeout_s = timeout_s

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request to ``/api/v1`` + path; UnreachableError when no JSON comes back."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self._key is not None:
            sent["Authorization"] = f"Bearer {self._key.reveal()}"
        payload = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            payload = json.dumps(body, ensure_ascii=False).encode()
        place = f"{self._address.scheme}://{self._address.netloc}"
        connection = self._connection()
        try:
            connection.request(method, f"{self._address.path.rstrip('/')}/api/v1{path}", payload, sent)
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{place} does not answer: {str(error) or type(error).__name__}") from None
        finally:
            connection.close()
        try:
            return Answer(reply.status, json.loads(text))
        except ValueError:
            raise UnreachableError(f"{place} answered {reply.status} without JSON; is it a control plane?") from None

    def _connection(self) -> HTTPConnection:
        assert self._address.hostname is not None  # noqa: S101  checked at construction
        kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        return kind(self._address.hostname, self._address.port, timeout=self._timeout_s)
