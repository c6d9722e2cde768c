"""Optimistic concurrency: If-Match and If-None-Match against a resource's revision (RFC 9110, section 13).

An ETag is the revision in quotes. A condition that does not hold ends the request with 412 before anything is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header

from control.api.problems import MALFORMED, STALE_REVISION, ProblemError, field_problem

_ETAG: Final = re.compile(r'"(\d{1,18})"')


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must be true of a resource before it is written; without any, everything is."""

    revision: int | None = None
    must_exist: bool = False
    must_not_exist: bool = False

    def check(self, current: int | None) -> None:
        """Compare with the stored revision, None when there is no such resource; end with 412 when it differs."""
        if self.must_not_exist and current is not None:
            raise _stale("If-None-Match", f"it exists, at revision {current}", "Read it; to change it, send If-Match.")
        if (self.must_exist or self.revision is not None) and current is None:
            raise _stale("If-Match", "it does not exist", "Leave If-Match out to create it.")
        if self.revision is not None and self.revision != current:
            problem = f"the stored revision is {current}, not {self.revision}"
            raise _stale("If-Match", problem, "Read it again, repeat your change on what you find, and send its ETag.")


def etag(revision: int) -> str:
    """Return a revision as an ETag."""
    return f'"{revision}"'


def read_precondition(
    if_match: Annotated[
        str | None, Header(description='Only if the stored revision is this, such as `"7"`; `*`: only if it exists.')
    ] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only if it does not exist yet.")] = None,
) -> Precondition:
    """Return the condition of the two headers; 400 when one cannot be read."""
    if if_none_match is not None and if_none_match.strip() != "*":
        raise _unreadable("If-None-Match", "Send `*`, or leave it out.")
    must_not_exist = if_none_match is not None
    if if_match is None:
        return Precondition(must_not_exist=must_not_exist)
    if must_not_exist:
        raise _unreadable("If-None-Match", "Send only one of If-Match and If-None-Match.")
    if if_match.strip() == "*":
        return Precondition(must_exist=True)
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise _unreadable("If-Match", 'Send the ETag of the last read, such as "7", or `*`.')
    return Precondition(revision=int(match[1]))


Condition = Annotated[Precondition, Depends(read_precondition)]


def _stale(header: str, problem: str, remedy: str) -> ProblemError:
    detail = f"The condition does not hold: {problem}. Nothing was written."
    return ProblemError(STALE_REVISION, detail, [field_problem(header, problem, remedy)])


def _unreadable(header: str, remedy: str) -> ProblemError:
    return ProblemError(MALFORMED, f"{header} cannot be read.", [field_problem(header, "cannot be read", remedy)])
