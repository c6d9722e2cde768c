"""The one line of JSON that every generator of ours ends with, whatever language it is written in, read into an `Outcome`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import grpc

from benchmarks.generators.generator import GeneratorFailed, Outcome
from benchmarks.generators.latencies import Latencies

STATUSES: Final = {status.value[0]: status.name for status in grpc.StatusCode}


def status_name(name: str) -> str:
    """Return `GRPC_14` as `UNAVAILABLE`, anything else as it is."""
    number = name.removeprefix("GRPC_")
    return STATUSES.get(int(number), name) if number != name else name


def latencies(plain: Mapping[str, Any]) -> Latencies:
    """Return the latencies that a generator counted in cells of its own."""
    cells = tuple((int(value), int(count)) for value, count in plain["cells"])
    return Latencies(cells, int(plain["least_ns"]), int(plain["most_ns"]), int(plain["sum_ns"]))


def read_outcome(printed: str, *, is_open: bool) -> Outcome:
    """Return the outcome; GeneratorFailed for anything else than its line. `is_open`: latency counts from the due instant."""
    try:
        plain = json.loads(printed)
        sent = latencies(plain["sent"])
        return Outcome(
            seconds=plain["seconds"],
            calls=plain["calls"],
            decisions=plain["decisions"],
            all_calls=plain["all_calls"],
            wrong=plain["wrong"],
            errors={status_name(name): count for name, count in plain["errors"].items() if count},
            latencies=latencies(plain["due"]) if is_open else sent,
            from_sent=sent if is_open else None,
            asked_per_second=plain["asked"] / plain["seconds"],
            first_wrong=plain["first_wrong"],
            connects=plain.get("connects", 0),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise GeneratorFailed(f"a generator printed no outcome ({error}): {printed[:500]!r}") from None
