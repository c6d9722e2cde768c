"""Which transport carries the calls: the configured one, or `stock` where the installed grpcio is not fit for `inline`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar.serving.transports.inline import InlineTransport
from sidecar.serving.transports.seam import Endpoints, Limits, Surface, Transport
from sidecar.serving.transports.stock import StockTransport
from sidecar.serving.transports.trial import problem_of_inline

INLINE: Final = "inline"
STOCK: Final = "stock"


class Choice(NamedTuple):
    """The transport to use, and why it is not the wanted one (None when it is)."""

    name: str
    wanted: str
    problem: str | None

    def make(self, surface: Surface, limits: Limits, endpoints: Endpoints) -> Transport:
        """Return the transport, not bound yet."""
        kind = InlineTransport if self.name == INLINE else StockTransport
        return kind(surface, limits, endpoints)


def choose(wanted: str, problem_of: Callable[[], str | None] = problem_of_inline) -> Choice:
    """Return the wanted transport, or `stock` when a trial of `inline` shows a problem."""
    problem = problem_of() if wanted == INLINE else None
    return Choice(wanted if problem is None else STOCK, wanted, problem)
