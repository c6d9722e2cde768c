"""API keys and who is calling."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from control.api.auth import Caller
from control.api.credentials import PresentedKey, Scope, expand, generate_key, key_hash
from control.api.describing import reads, writes
from control.api.paging import Wanted
from control.api.problems import invalid
from control.api.reading import Reads, json_reply
from control.api.route import api_router
from control.api.schemas.keys import CreatedKey, KeyForm, KeyPage, NewKey, RevokedKey, WhoAmI
from control.api.writing import Outcome, Write
from control.domain.errors import NotFound
from control.handlers.keys import add_key, key_form, revoke_key
from control.store import api_keys
from control.store.api_keys import ApiKeyRow
from control.store.unit_of_work import UnitOfWork
from entitlements.policy.condition_json import parse_instant

Kid = Annotated[str, Path(pattern="^[0-9A-Za-z]{12}$", description="The part of a key between its underscores.")]
keys = api_router("keys")


def pepper_of(request: Request) -> bytes:
    """Return the pepper that the composition root gave to the application."""
    pepper: bytes = request.app.state.pepper
    return pepper


@keys.get("/whoami", response_model=WhoAmI, summary="Say who is calling")
def whoami(caller: Caller) -> Response:
    """Any valid key may ask."""
    return json_reply(
        {
            "kid": caller.kid,
            "name": caller.name,
            "scopes": sorted(scope.value for scope in caller.scopes),
            "may": sorted(scope.value for scope in expand(caller.scopes)),
        }
    )


@keys.get("/keys", response_model=KeyPage, summary="List API keys", **reads(Scope.ADMIN))
def list_keys(store: Reads, wanted: Wanted) -> Response:
    """Revoked and expired ones too; never the keys themselves."""
    with store.reading() as connection:
        found = api_keys.page(connection, wanted.after, wanted.limit + 1)
    shown = found[: wanted.limit]
    following = shown[-1].kid if len(found) > wanted.limit else None
    return json_reply({"items": [key_form(key) for key in shown], "next": following})


@keys.get("/keys/{kid}", response_model=KeyForm, summary="Read an API key's row", **reads(Scope.ADMIN))
def read_key(kid: Kid, store: Reads) -> Response:
    """Name, scopes and dates."""
    with store.reading() as connection:
        found = api_keys.find(connection, kid)
    if found is None:
        raise NotFound("API key", kid)
    return json_reply(key_form(found))


@keys.post("/keys", summary="Make an API key", **writes(Scope.ADMIN, CreatedKey, always=True))
def create_key(body: NewKey, write: Write, pepper: Annotated[bytes, Depends(pepper_of)]) -> Response:
    """The reply shows the key once; a repetition with the same Idempotency-Key shows its row alone."""
    made = generate_key()

    def add(uow: UnitOfWork) -> ApiKeyRow:
        row = new_row(made, pepper, body, uow.now_ms)
        add_key(uow, row)
        return row

    def finish(row: ApiKeyRow) -> Outcome:
        return Outcome(201, {"key": None, "resource": key_form(row)}, {"Cache-Control": "no-store"})

    def reveal(outcome: Outcome) -> Outcome:
        return replace(outcome, body={**outcome.body, "key": made.text.reveal()})

    return write.run(add, finish, reveal)


def new_row(made: PresentedKey, pepper: bytes, body: NewKey, now_ms: int) -> ApiKeyRow:
    """Return the row of a key that was just made; 422 when it would be expired already."""
    expires_at_ms = None
    if body.expires_at is not None:
        try:
            expires_at_ms = parse_instant(body.expires_at).ms
        except ValueError as error:
            raise invalid("expires_at", str(error), "Write ISO 8601 with an offset.") from None
        if expires_at_ms <= now_ms:
            raise invalid("expires_at", "is in the past", "Write an instant in the future, or leave it out.")
    scopes = tuple(dict.fromkeys(body.scopes))
    return ApiKeyRow(made.kid, body.name, scopes, key_hash(pepper, made), now_ms, expires_at_ms)


@keys.post("/keys/{kid}/revoke", summary="Revoke an API key", **writes(Scope.ADMIN, RevokedKey))
def revoke(kid: Kid, write: Write) -> Response:
    """It is refused from the next request on; a revoked key never comes back."""

    def finish(result: tuple[ApiKeyRow, bool]) -> Outcome:
        row, changed = result
        return Outcome(200, {"changed": changed, "resource": key_form(row)}, {})

    return write.run(lambda uow: revoke_key(uow, kid), finish)
