"""The REST application: routers, middleware, error shapes, /openapi.json. Swagger pages are off: they load from a CDN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fastapi import APIRouter, FastAPI

from control.api.auth import Authenticator
from control.api.exchange import ExchangeMetrics, ExchangeMiddleware
from control.api.probes import Readiness, probes
from control.api.refusals import install_refusals
from control.api.segments import SegmentMiddleware
from control.store.unit_of_work import Store
from entitlements.runtime.clock import Clock

VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True)
class RestParts:
    """What the composition root hands to the application."""

    store: Store
    authenticator: Authenticator
    pepper: bytes = field(repr=False)
    clock: Clock
    metrics: ExchangeMetrics
    readiness: Readiness
    exposition: Callable[[], bytes]


def create_rest(parts: RestParts, routers: Sequence[APIRouter]) -> FastAPI:
    """Return the application with these routers, each made by `api_router`."""
    app = _application(routers, parts.readiness, parts.exposition)
    app.state.authenticator = parts.authenticator
    app.state.store = parts.store
    app.state.pepper = parts.pepper
    install_refusals(app)
    app.add_middleware(SegmentMiddleware)
    app.add_middleware(ExchangeMiddleware, clock=parts.clock, metrics=parts.metrics)
    return app


def describe_rest(routers: Sequence[APIRouter]) -> FastAPI:
    """Return an application that can only describe itself, for the reference pages."""
    return _application(routers, dict, bytes)


def _application(routers: Sequence[APIRouter], readiness: Readiness, exposition: Callable[[], bytes]) -> FastAPI:
    app = FastAPI(
        title="Entitlements control plane",
        version=VERSION,
        summary="Describe what is sold and who bought what; ask why a decision is as it is.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    for router in routers:
        app.include_router(router)
    app.include_router(probes(readiness, exposition))
    return app
