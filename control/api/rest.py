"""The REST application: routers, middleware, error shapes, /openapi.json. Swagger pages are off: they load from a CDN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI

from control.api.auth import Authenticator
from control.api.exchange import ExchangeMetrics, ExchangeMiddleware
from control.api.probes import Readiness, probes
from control.api.refusals import install_refusals
from control.api.segments import SegmentMiddleware
from entitlements.runtime.clock import Clock

VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True)
class RestParts:
    """What the composition root hands to the application."""

    authenticator: Authenticator
    clock: Clock
    metrics: ExchangeMetrics
    readiness: Readiness
    exposition: Callable[[], bytes]


def create_rest(parts: RestParts, routers: Sequence[APIRouter]) -> FastAPI:
    """Return the application with these routers, each made by `api_router`."""
    app = FastAPI(
        title="Entitlements control plane",
        version=VERSION,
        summary="Describe what is sold and who bought what; ask why a decision is as it is.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.authenticator = parts.authenticator
    install_refusals(app)
    app.add_middleware(SegmentMiddleware)
    app.add_middleware(ExchangeMiddleware, clock=parts.clock, metrics=parts.metrics)
    for router in routers:
        app.include_router(router)
    app.include_router(probes(parts.readiness, parts.exposition))
    return app
