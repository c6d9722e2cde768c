"""Every HTTP exchange has an id, is counted and logged once, and never shows a stack trace.

The caller may bring its own id in X-Request-Id; the reply repeats it, and so do the log line and every problem.
"""

from __future__ import annotations

import re
import uuid
from typing import Final, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control.api.problems import INTERNAL, problem_response
from entitlements.runtime.clock import Clock
from entitlements.runtime.logs import logger

REQUEST_ID: Final = "X-Request-Id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})
_log = logger()


class ExchangeMetrics(Protocol):
    """Where exchanges are counted."""

    def exchange(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one; `route` is the template, never the path with its ids."""


class ExchangeMiddleware:
    """Outermost layer of the application."""

    def __init__(self, app: ASGIApp, clock: Clock, metrics: ExchangeMetrics) -> None:
        """Wrap an application."""
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = self._clock.monotonic_ms()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            _log.exception("exchange_failed", request_id=request_id, method=scope["method"], path=scope["path"])
            if status:
                raise  # the reply has begun; closing the connection is the only honest end
            detail = "The request failed for a reason on the server's side; its log names the request id."
            await problem_response(request_id, INTERNAL, detail)(scope, receive, send_with_id)
        finally:
            took_ms = self._clock.monotonic_ms() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.exchange(scope["method"], route, status, took_ms / 1000)
            if scope["path"] not in _QUIET:
                _log.info(
                    "exchange", request_id=request_id, method=scope["method"], route=route, status=status, ms=took_ms
                )
