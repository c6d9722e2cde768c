"""Who takes part: our sidecar in its settings, bare servers, the physical limit, the peers; and whoever asks them."""

from __future__ import annotations

from typing import Any

from benchmarks.generators.known import every_generator
from benchmarks.peers import roster
from benchmarks.scenarios.processors import asker_cpu
from benchmarks.subjects.bare import Ceiling, DictServer, EmptyTransport
from benchmarks.subjects.sidecar import Sidecar


def subjects(left_out: list[str], *, every: bool) -> list[Any]:
    """Return all subjects, ours first; peers that cannot be had here are added to `left_out` with the reason."""
    ours = [Sidecar("inline"), Sidecar("stock")]
    ours += [Sidecar("inline", tls=True, name="sidecar-inline-tls")] if every else []
    bare = [EmptyTransport("inline"), DictServer("aio"), DictServer("threads"), Ceiling()]
    bare += [EmptyTransport("stock")] if every else []
    peers, reasons = roster.available(every=every)
    left_out += [f"{name}: {reason}" for name, reason in reasons]
    return [*ours, *bare, *peers]


def generators() -> list[Any]:
    """Return all generators, the reference first."""
    return [*every_generator(asker_cpu()), *roster.generators()]
