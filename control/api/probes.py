"""What an orchestrator and Prometheus ask: /livez, /readyz, /metrics. Without a key, without anything of a customer."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from entitlements.runtime.metrics import CONTENT_TYPE

Readiness = Callable[[], dict[str, str]]
"""Returns part -> problem for every part that is not ready; empty when all are."""


def probes(readiness: Readiness, exposition: Callable[[], bytes]) -> APIRouter:
    """Return the router."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", response_class=PlainTextResponse, summary="Is the process alive?")
    def livez() -> str:
        return "ok"

    @router.get(
        "/readyz",
        summary="Can it take writes and serve the feed?",
        response_model=dict[str, str],
        responses={503: {"description": "Not ready: part to problem.", "model": dict[str, str]}},
    )
    def readyz() -> Response:
        missing = readiness()
        return JSONResponse(missing or {"status": "ready"}, status_code=503 if missing else 200)

    @router.get("/metrics", response_class=PlainTextResponse, summary="Prometheus text format.")
    def metrics() -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    return router
