"""The admin pages of a sidecar: probes for Kubernetes, metrics for Prometheus, a status for people. They answer no checks."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from entitlements.runtime.metrics import CONTENT_TYPE


class Observed(Protocol):
    """What the pages ask the sidecar."""

    def started(self) -> bool:
        """Return whether the start is over: checks are answered, by records or by fallbacks."""

    def not_ready(self) -> list[str]:
        """Return why no traffic should come here, in words; empty when it may."""

    async def metrics(self) -> bytes:
        """Return the metrics of all processes; a dead one is left out and never waited for."""

    async def status(self) -> dict[str, Any]:
        """Return everything that a person at three in the morning wants to know."""


class Pages(uvicorn.Server):
    """uvicorn inside a process that has signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def build_admin(observed: Observed) -> Starlette:
    """Return the application."""

    def probe(problems: Callable[[], list[str]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(_request: Request) -> Response:
            found = problems()
            return PlainTextResponse("\n".join(found) + "\n" if found else "ok\n", 503 if found else 200)

        return answer

    async def metrics(_request: Request) -> Response:
        return Response(await observed.metrics(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def status(_request: Request) -> Response:
        return JSONResponse(await observed.status())

    return Starlette(
        routes=[
            Route("/livez", probe(list)),
            Route("/startupz", probe(lambda: [] if observed.started() else ["starting"])),
            Route("/readyz", probe(observed.not_ready)),
            Route("/metrics", metrics),
            Route("/statusz", status),
        ]
    )
