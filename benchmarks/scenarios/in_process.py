"""Decisions inside a Python application: the libraries that a user would embed instead of running a sidecar, and two dict look-ups as the floor.

Every engine runs in a process of its own on the server's processor and is asked by a plain loop, each call timed by itself (about 60 ns of every
figure are the clock). `per_second` includes the loop and the check of the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.generators.generator import Generator, GeneratorFailed
from benchmarks.peers.engines import Engine
from benchmarks.peers.roster import available_engines
from benchmarks.row import Row
from benchmarks.scenarios.measurement import UNEVEN, Weather, say
from benchmarks.scenarios.processors import SERVER_CPU, Meter
from benchmarks.subjects.subject import Subject

NAME: Final = "in_process"
TITLE: Final = "Decisions inside a Python application, one call at a time"
WARM_UP_S: Final = 0.5


def run(
    subjects: Sequence[Subject],
    generators: Sequence[Generator],
    rounds: int,
    seconds: float,
    engines: Sequence[str] = (),
) -> list[Row]:
    """Measure the engines of these names, or all, that can be had here; subjects and generators speak over sockets and have no part in it."""
    _ = subjects, generators
    chosen, left_out = available_engines(engines)
    for name, reason in left_out:
        say(f"left out: {name}: {reason}")
    weather = Weather()
    rows: list[Row] = []
    for number in range(1, rounds + 1):
        weather.new_round()
        turn = (number - 1) % len(chosen) if chosen else 0
        for engine in chosen[turn:] + chosen[:turn]:
            try:
                rows.append(row(engine, number, seconds, weather))
            except GeneratorFailed as error:
                say(f"round {number}: {error}")
    return rows


def row(engine: Engine, number: int, seconds: float, weather: Weather) -> Row:
    """Return the row of one engine; GeneratorFailed when its process failed."""
    spin = weather.good_moment()
    meter = Meter(())
    asked, latencies = engine.ask(seconds, WARM_UP_S, SERVER_CPU)
    _, others = meter.read()
    slow = weather.after(spin)
    uneven = f"slow moment: spin {slow:.2f} times the round's best" if slow > UNEVEN else ""
    versions = ", ".join(f"{name} {version}" for name, version in asked.versions.items())
    return Row(
        scenario=NAME,
        subject=engine.name,
        generator="in-process",
        endpoint="in-process",
        parameters={"version": versions} if versions else {},
        round=number,
        spin_ms=round(spin, 3),
        other_load=round(others, 3),
        seconds=round(asked.seconds, 6),
        calls=asked.calls,
        decisions=asked.calls,
        wrong=asked.wrong,
        latency_us=latencies.summary_us(),
        histogram=latencies.encoded(),
        rss_mib=round(asked.rss_mib, 1),
        note="; ".join(text for text in (asked.note, uneven) if text),
    )
