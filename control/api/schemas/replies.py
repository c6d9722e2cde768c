"""What reads and writes of stored things answer: the thing, its revision, the versions that contain it, pages."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from control.api.schemas.values import Reply

Thing = TypeVar("Thing")


class Stored(Reply, Generic[Thing]):
    """One stored thing, as a read answers it; the header ETag holds the revision too."""

    id: str = Field(description="Its id or key; plan versions: KEY@VERSION.")
    revision: int = Field(description="Counts its changes from 1; send it as If-Match.")
    resource: Thing


class Written(Reply, Generic[Thing]):
    """The outcome of a write."""

    id: str
    revision: int
    changed: bool = Field(description="False when the same was stored already; then no version was made.")
    resource: Thing
    versions: dict[str, str] = Field(
        description="Product to version token that contains the write; send one as `min_version` to read it."
    )


class Page(Reply, Generic[Thing]):
    """One page of a list, sorted by id."""

    items: list[Thing]
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last.")


class Deleted(Reply):
    """The outcome of a deletion."""

    id: str
    versions: dict[str, str] = Field(description="Product to version token that contains the write.")
