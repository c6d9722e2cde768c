"""Idempotency keys: one write for one key, whatever the network repeats.

The reply is kept in the transaction of the write itself, so there is no moment in which a write is done and its key
not known. A key belongs to the API key that sent it; the fingerprint covers everything that makes a request what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from control.api.problems import IDEMPOTENCY_MISMATCH, MALFORMED, ProblemError, field_problem

REPLAYED: Final = "Idempotent-Replayed"
_ACCEPTABLE: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Repetition:
    """A key and the fingerprint of the request that it was sent with."""

    key: str
    fingerprint: bytes

    def check(self, stored_fingerprint: bytes) -> None:
        """Let only the very same request pass; end with 422 otherwise."""
        if stored_fingerprint != self.fingerprint:
            remedy = "Use a new key for a new request; repeat a request unchanged."
            detail = "This Idempotency-Key came before with another request. Nothing was written."
            raise ProblemError(
                IDEMPOTENCY_MISMATCH, detail, [field_problem("Idempotency-Key", "belongs to another request", remedy)]
            )


def fingerprint(request: Request, body: bytes) -> bytes:
    """Return 32 bytes that differ for requests that differ in method, path, query, conditions or body."""
    scope = request.scope
    digest = sha256()
    parts = (
        request.method.encode(),
        scope.get("raw_path") or scope["path"].encode(),
        scope["query_string"],
        request.headers.get("if-match", "").encode(),
        request.headers.get("if-none-match", "").encode(),
        body,
    )
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


async def read_repetition(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="1 to 255 visible characters; a repetition with it gets the first reply and writes nothing."
        ),
    ] = None,
) -> Repetition | None:
    """Return the key of a write, None without one; 400 when it is no key."""
    if idempotency_key is None:
        return None
    if not _ACCEPTABLE.fullmatch(idempotency_key):
        remedy = "Send 1 to 255 visible ASCII characters, such as a UUID."
        raise ProblemError(
            MALFORMED,
            "Idempotency-Key cannot be read.",
            [field_problem("Idempotency-Key", "is no key", remedy)],
        )
    return Repetition(idempotency_key, fingerprint(request, await request.body()))


Repeated = Annotated[Repetition | None, Depends(read_repetition)]
