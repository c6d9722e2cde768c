"""Path segments keep their percent-encoded slashes, so that an id with a slash in it can be addressed.

Ids are opaque text and may hold a slash, which servers decode before they route. This middleware routes on the raw
path: a slash that came as %2F travels through routing as a control character, which no valid id contains, and
`PathId` puts it back.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from entitlements.policy.ids import id_problem

_STAND_IN: Final = "\x1f"
_FORGED: Final = "\x1e"


class SegmentMiddleware:
    """Routes on undecoded path segments."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace the path by one whose encoded slashes are no separators."""
        raw: bytes | None = scope.get("raw_path") if scope["type"] == "http" else None
        if raw is not None and b"%" in raw:
            segments = raw.partition(b"?")[0].decode("latin-1").split("/")
            scope["path"] = "/".join(map(_decoded, segments))  # in place: outer layers read the matched route here
        await self._app(scope, receive, send)


def _decoded(segment: str) -> str:
    plain = unquote(segment, errors="surrogateescape")
    return plain.replace(_STAND_IN, _FORGED).replace("/", _STAND_IN)


def _valid_id(segment: str) -> str:
    value = segment.replace(_STAND_IN, "/")
    problem = id_problem(value)
    if problem is not None:
        raise ValueError(
            f"{problem}|Use an id of 1 to 128 bytes of UTF-8, without control characters and outer blanks."
        )
    return value


PathId = Annotated[
    str,
    AfterValidator(_valid_id),
    Path(description="1 to 128 bytes of UTF-8, case-sensitive; percent-encode what a path segment cannot hold."),
]
"""An id in the path, checked and with its slashes."""
