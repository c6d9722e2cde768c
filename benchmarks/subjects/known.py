"""The subjects of this repository's own: our sidecar by transport, the same transports with nothing behind them, bare servers, the ceiling."""

from __future__ import annotations

from benchmarks.subjects.bare import Ceiling, DictServer, EmptyTransport
from benchmarks.subjects.sidecar import Sidecar
from benchmarks.subjects.subject import Subject


def our_subjects() -> list[Subject]:
    """Return them, ours first; `missing` says of each whether it can run here."""
    return [
        Sidecar("inline"),
        Sidecar("stock"),
        EmptyTransport("inline"),
        DictServer("aio"),
        DictServer("threads"),
        Ceiling(),
    ]


def tls_subjects() -> list[Subject]:
    """Return our sidecar with an encrypted TCP endpoint, for the scenario `endpoints`; it has the same names."""
    return [Sidecar("inline", tls=True), Sidecar("stock", tls=True)]
