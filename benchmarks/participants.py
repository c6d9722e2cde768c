"""Who takes part: our sidecar in its settings, bare servers, the physical limit, the peers; and whoever asks them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, Final

from benchmarks.peers import roster
from benchmarks.scenarios.processors import asker_cpu
from benchmarks.subjects.bare import Ceiling, DictServer, EmptyTransport
from benchmarks.subjects.sidecar import Sidecar

GENERATORS: Final = (
    ("benchmarks.generators.c_client", "CClient"),
    ("benchmarks.generators.h2load", "H2Load"),
    ("benchmarks.generators.python_client", "PythonClient"),
    ("benchmarks.generators.node_client", "NodeClient"),
)


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
    """Return all generators of this checkout."""
    found = []
    for module, name in GENERATORS:
        if importlib.util.find_spec(module) is not None:
            found.append(getattr(importlib.import_module(module), name)(cpu=asker_cpu()))
    return found
