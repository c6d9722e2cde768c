"""How every write runs: one transaction with its idempotency key, one reply with revision and versions.

Refused writes are not kept under their key: a repetition after a repair of the cause is judged anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import Response

from control.api.auth import Caller
from control.api.preconditions import Expected, etag
from control.api.repetition import REPLAYED, Repeated, Repetition
from control.handlers.result import Result
from control.store import replies
from control.store.unit_of_work import Store, UnitOfWork, Versions
from entitlements.wire.names import stream_id

VERSION_HEADER: Final = "Entitlements-Version"
JSON: Final = "application/json"
Answer = TypeVar("Answer")


def version_tokens(versions: Versions) -> dict[str, str]:
    """Return product -> ``epoch-seq``."""
    return {product: stream_id(epoch, seq) for product, (epoch, seq) in versions.items()}


def version_header(tokens: Mapping[str, str]) -> dict[str, str]:
    """Return the header that repeats the tokens; ids are percent-encoded."""
    listed = ",".join(f"{quote(product, safe='')}={token}" for product, token in tokens.items())
    return {VERSION_HEADER: listed} if listed else {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reply before it is sent: everything that a repetition must get again."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """Return the text that is kept."""
        return json.dumps([self.body, dict(self.headers)], ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, status: int, raw: bytes) -> Outcome:
        """Return what was kept."""
        body, headers = json.loads(raw)
        return cls(status, body, headers)

    def response(self, *, replayed: bool = False) -> Response:
        """Return the HTTP reply."""
        headers = {**self.headers, **({REPLAYED: "true"} if replayed else {})}
        content = json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()
        return Response(content, self.status, headers, media_type=JSON)


Command = Callable[[UnitOfWork], Result]


class Writer:
    """Runs the command of one request."""

    def __init__(self, store: Store, actor: str, expected: int | None, repetition: Repetition | None) -> None:
        """Take the store, who acts, the revision that must be stored, and the idempotency key."""
        self.expected: Final = expected
        self._store = store
        self._actor = actor
        self._repetition = repetition

    def save(self, identity: str, command: Command, *, creates: bool = True) -> Response:
        """Run a command on one resource; a new one is answered with 201 where the route creates."""

        def finish(result: Result) -> Outcome:
            tokens = version_tokens(result.versions)
            body = {
                "id": identity,
                "revision": result.revision,
                "changed": result.changed,
                "resource": result.entity,
                "versions": tokens,
            }
            new = creates and result.changed and result.revision == 1
            return Outcome(201 if new else 200, body, {"ETag": etag(result.revision), **version_header(tokens)})

        return self.run(command, finish)

    def run(
        self,
        command: Callable[[UnitOfWork], Answer],
        finish: Callable[[Answer], Outcome],
        reveal: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    ) -> Response:
        """Run any command; `finish` makes the reply that is kept, `reveal` adds what only this very reply may show."""
        repetition = self._repetition
        with self._store.begin(self._actor) as uow:
            if repetition is not None:
                known = replies.claim(uow.connection, self._actor, repetition.key, repetition.fingerprint, uow.now_ms)
                if known is not None:
                    repetition.check(known.request_hash)
                    return Outcome.from_bytes(known.status, known.body).response(replayed=True)
            outcome = finish(command(uow))
            if repetition is not None:
                replies.keep(uow.connection, self._actor, repetition.key, outcome.status, outcome.to_bytes())
        return reveal(outcome).response()


def writer_of(request: Request, caller: Caller, expected: Expected, repetition: Repeated) -> Writer:
    """Return the writer of a request."""
    return Writer(request.app.state.store, caller.actor, expected, repetition)


Write = Annotated[Writer, Depends(writer_of)]
