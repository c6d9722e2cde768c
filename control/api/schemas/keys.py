"""Bodies of API keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from control.api.schemas.values import Body, Instant, Name, Reply

ScopeWord = Literal["admin", "publish", "write", "read", "sidecar"]


class NewKey(Body):
    """A key that is wanted."""

    name: Name
    scopes: list[ScopeWord] = Field(min_length=1, max_length=5)
    expires_at: Instant | None = Field(default=None, description="Never, when not given.")


class KeyForm(Reply):
    """What may be shown of a key."""

    kid: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class CreatedKey(Reply):
    """A new key."""

    key: str | None = Field(description="The key itself, shown this once; null in the repetition of a request.")
    resource: KeyForm


class RevokedKey(Reply):
    """The outcome of a revocation."""

    changed: bool
    resource: KeyForm


class KeyPage(Reply):
    """One page of keys."""

    items: list[KeyForm]
    next: str | None = None


class WhoAmI(Reply):
    """Who is calling."""

    kid: str
    name: str
    scopes: list[str] = Field(description="As granted.")
    may: list[str] = Field(description="With what they imply.")
