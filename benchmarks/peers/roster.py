"""Which peers take part: what can be had on this machine, and for the others one sentence that says why not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.generators.generator import Generator
from benchmarks.peers.cerbos import Cerbos
from benchmarks.peers.engines import ENGINES, Engine
from benchmarks.peers.redis_caller import RedisCaller
from benchmarks.peers.redis_lookup import RedisLookup
from benchmarks.subjects.subject import Subject

NOT_OBTAINABLE: Final = (
    (
        "opa",
        "the OPA server is in no public Python, npm or Debian package; its engine is measured in process as opa-engine",
    ),
    (
        "spicedb-server",
        "in no such package; its core is measured in process, since its gRPC proxy does not serve CheckPermission",
    ),
    ("openfga", "in no such package"),
    ("flagd-daemon", "in no such package; its rules are measured in process"),
    ("unleash-edge", "in no such package; its engine is measured in process"),
    ("stigg-sidecar", "a container image that needs its vendor's cloud"),
)
"""Peers that a reader will look for, and why no row of theirs exists."""


def subjects(*, every: bool = False) -> Iterator[Subject]:
    """Return the peers that answer over a socket; with `every`, also other listeners and the leanest policy of the same program."""
    yield Cerbos()
    yield RedisLookup("redis")
    yield RedisLookup("valkey")
    if every:
        yield Cerbos("unix")
        yield Cerbos("http")
        yield Cerbos(lean=True)


def available(*, every: bool = False) -> tuple[list[Subject], list[tuple[str, str]]]:
    """Return the peers that can be asked over a socket on this machine, and name and reason of each that cannot.

    Installs what is not there yet, which may take a minute the first time.
    """
    chosen: list[Subject] = []
    left_out = list(NOT_OBTAINABLE)
    for subject in subjects(every=every):
        if reason := unfit() or subject.missing():
            left_out.append((subject.name, reason))
        else:
            chosen.append(subject)
    return chosen, left_out


def available_engines(names: Sequence[str] = ()) -> tuple[list[Engine], list[tuple[str, str]]]:
    """Return what decides in process and can be installed here, and name and reason of each that cannot; all, or those of these names."""
    chosen: list[Engine] = []
    left_out: list[tuple[str, str]] = []
    for engine in ENGINES:
        if names and engine.name not in names:
            continue
        if reason := unfit() or engine.missing():
            left_out.append((engine.name, reason))
        else:
            chosen.append(engine)
    return chosen, left_out


def generators() -> list[Generator]:
    """Return what asks peers that the load generators cannot ask as an application would."""
    return [RedisCaller()]


def unfit() -> str | None:
    """Return why no peer can be measured on this kind of machine, or None."""
    if sys.platform != "linux":
        return f"peers are measured on Linux; this is {platform.system()}"
    return None
