"""What is counted about REST, declared once as data."""

from __future__ import annotations

from typing import Final

from entitlements.runtime.metrics import Kind, Meters, Metric

REQUESTS: Final = Metric(
    "entitlements_control_requests_total",
    Kind.COUNTER,
    "REST exchanges by method, route template and status.",
    ("method", "route", "status"),
)
REQUEST_SECONDS: Final = Metric(
    "entitlements_control_request_seconds",
    Kind.HISTOGRAM,
    "Time from a request's arrival to the end of its reply, by route template.",
    ("route",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DECLARED: Final = (REQUESTS, REQUEST_SECONDS)
_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})


class RestMetrics:
    """Counts exchanges; label values come from closed sets, so a caller cannot create series."""

    def __init__(self, meters: Meters) -> None:
        """Take the process's meters, which must hold DECLARED."""
        self._meters = meters

    def exchange(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one exchange."""
        known = method if method in _METHODS else "OTHER"
        self._meters.counter(REQUESTS, known, route, str(status)).inc()
        self._meters.histogram(REQUEST_SECONDS, route).observe(seconds)
