"""Who is calling: from an Authorization header to a principal, and which scope a route asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from control.api.credentials import Principal, Scope, hash_matches, parse_key
from control.api.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError, field_problem
from entitlements.runtime.clock import Clock

BEARER: Final = HTTPBearer(
    bearerFormat="ent_<kid>_<secret>",
    description="An API key, made with `entitlements control create-key` or POST /api/v1/keys.",
    auto_error=False,
)
_REMEDY: Final = "Send `Authorization: Bearer ent_...` with a key from `entitlements control create-key`."


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key; instants in UTC milliseconds."""

    kid: str
    name: str
    scopes: frozenset[Scope]
    hash: bytes = field(repr=False)
    created_at_ms: int
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None


class KeyDirectory(Protocol):
    """Where keys are kept."""

    def find_key(self, kid: str) -> StoredKey | None:
        """Return a key or None."""


class RefusedCredentialError(Exception):
    """No principal: the message is fit for the caller and tells an attacker nothing about other keys."""


class Authenticator:
    """Turns an Authorization header into a principal; used by REST and by the feed's gRPC service alike."""

    def __init__(self, directory: KeyDirectory, pepper: bytes, clock: Clock) -> None:
        """Take where keys are kept, the pepper and a clock."""
        self._directory = directory
        self._pepper = pepper
        self._clock = clock

    def authenticate(self, authorization: str | None) -> Principal:
        """Return the principal of ``Bearer ent_...``; raise RefusedCredentialError with the reason."""
        scheme, _, text = (authorization or "").partition(" ")
        if not authorization:
            raise RefusedCredentialError("No API key was sent")
        key = parse_key(text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise RefusedCredentialError("The Authorization header holds no API key")
        stored = self._directory.find_key(key.kid)
        if stored is None or not hash_matches(self._pepper, key, stored.hash):
            raise RefusedCredentialError("The API key is unknown")
        now = self._clock.now_ms()
        if stored.revoked_at_ms is not None and stored.revoked_at_ms <= now:
            raise RefusedCredentialError("The API key was revoked")
        if stored.expires_at_ms is not None and stored.expires_at_ms <= now:
            raise RefusedCredentialError("The API key has expired")
        return Principal(stored.kid, stored.name, stored.scopes)


def authenticate_request(authenticator: Authenticator, request: Request) -> Principal:
    """Return the principal of a REST request; end it with 401 when there is none."""
    try:
        return authenticator.authenticate(request.headers.get("authorization"))
    except RefusedCredentialError as error:
        raise ProblemError(
            UNAUTHENTICATED,
            f"{error}.",
            [field_problem("Authorization", str(error).lower(), _REMEDY)],
            {"WWW-Authenticate": "Bearer"},
        ) from None


def principal_of(request: Request) -> Principal:
    """Return the principal that the route's handler authenticated before it read the body."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(principal_of)]


def require(principal: Principal, scope: Scope) -> None:
    """Let only a principal with a scope pass; end the request with 403 otherwise."""
    if principal.may(scope):
        return
    held = ", ".join(sorted(each.value for each in principal.scopes))
    remedy = f"Use a key with the scope {scope.value} (or admin)."
    raise ProblemError(
        FORBIDDEN,
        f"This needs the scope {scope.value}; the key {principal.name!r} has {held}.",
        [field_problem("Authorization", f"lacks the scope {scope.value}", remedy)],
    )


def needs(scope: Scope) -> Callable[[Request], None]:
    """Return a dependency that lets only principals with a scope pass."""

    def check(request: Request) -> None:
        require(principal_of(request), scope)

    check.scope = scope  # type: ignore[attr-defined]  # read by the reference page and the authorization tests
    return check
