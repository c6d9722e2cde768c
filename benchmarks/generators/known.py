"""Every generator that there is, kept to one processor."""

from __future__ import annotations

from benchmarks.generators.c_client import CClient
from benchmarks.generators.callers import NodeCaller, PythonCaller
from benchmarks.generators.generator import Generator
from benchmarks.generators.h2load import H2load


def every_generator(cpu: int | None) -> list[Generator]:
    """Return them, the reference first; `missing` says of each whether it can run here."""
    return [CClient(cpu), H2load(cpu), PythonCaller(cpu), PythonCaller(cpu, stub=True), NodeCaller(cpu)]
