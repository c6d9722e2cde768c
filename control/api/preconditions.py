"""Optimistic concurrency: If-Match and If-None-Match against a resource's revision (RFC 9110, section 13).

An ETag is the revision in quotes. A condition that does not hold ends the request with 412 before anything is written.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from control.api.problems import invalid


def etag(revision: int) -> str:
    """Return a revision as an ETag."""
    return f'"{revision}"'


def read_expected(
    if_match: Annotated[
        str | None, Header(description='Only if the stored revision is this, such as `"7"`.', pattern=r'^"\d{1,18}"$')
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="`*`: only if it does not exist yet.", pattern=r"^\*$")
    ] = None,
) -> int | None:
    """Return the revision that must be stored: 0 for none at all, None when it does not matter."""
    if if_match is None:
        return 0 if if_none_match is not None else None
    if if_none_match is not None:
        remedy = "Send only one of If-Match and If-None-Match."
        raise invalid("If-None-Match", "stands beside If-Match", remedy)
    return int(if_match.strip('"'))


Expected = Annotated[int | None, Depends(read_expected)]
