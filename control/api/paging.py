"""Pages of lists: `limit` and `after`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Query

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class PageWanted:
    """At most `limit` entries whose id sorts after `after`."""

    after: str
    limit: int


def read_page(
    after: Annotated[str, Query(max_length=300, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="At most this many entries.")] = DEFAULT_LIMIT,
) -> PageWanted:
    """Return the wanted page."""
    return PageWanted(after, limit)


Wanted = Annotated[PageWanted, Depends(read_page)]
