"""Somebody else's generator, h2load of nghttp2: it must agree with ours within noise, or one of the two is wrong.

h2load sends one body to all its connections and takes any HTTP 200 for a success, gRPC errors included. It is therefore asked one question, and what
it calls successes is compared with what our sidecar itself counted meanwhile, by reason code; a server that cannot be asked for its counts has a
note in its rows instead.
"""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.generators.callers import kept_to
from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question
from benchmarks.generators.run import finished
from benchmarks.subjects.own_metrics import decisions_by_code
from benchmarks.subjects.subject import Endpoint

DONE: Final = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored")

UNCHECKED: Final = "h2load checks no verdict and no gRPC status"


class H2load:
    """`h2load`, in a closed loop over gRPC on a unix socket or TCP."""

    name = "h2load"

    def __init__(self, cpu: int | None = None) -> None:
        """Take the processor to keep to."""
        self._cpu = cpu

    def missing(self) -> str | None:
        """Return why not: it is not installed."""
        return None if shutil.which("h2load") else "h2load is not installed (on Debian: apt-get install nghttp2-client)"

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return whether it is a closed loop over gRPC without TLS, whose authority it cannot be told."""
        return endpoint.wire == "grpc" and endpoint.kind != "tls" and load.rate is None

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask the first question over and over; GeneratorFailed when h2load says nothing that can be read."""
        question = questions[0]
        with tempfile.TemporaryDirectory(prefix="h2load-") as name:
            body, log = Path(name) / "body", Path(name) / "log"
            body.write_bytes(b"\0" + struct.pack(">I", len(question.body)) + question.body)
            before = counted(endpoint)
            printed = finished(kept_to(self._cpu, self._command(endpoint, question, load, body, log)), load)
            after = counted(endpoint)
            found = DONE.search(printed)
            if found is None:
                raise GeneratorFailed(f"h2load printed no summary: {printed[-1000:]}")
            took = in_time(log.read_text(encoding="ascii").splitlines(), load)
        done, _, failed, errored = map(int, found.groups())
        wrong, note = (0, UNCHECKED) if before is None or after is None else disagreement(after - before, done, load)
        return Outcome(
            seconds=load.seconds,
            calls=len(took),
            decisions=len(took) * question.decisions,
            all_calls=done,
            wrong=wrong,
            errors={
                name: count for name, count in {"HTTP_ERROR": failed - errored, "CONNECTION": errored}.items() if count
            },
            latencies=Latencies.of(took),
            asked_per_second=len(took) / load.seconds,
            note="; ".join(text for text in ("one question over and over", note) if text),
        )

    @staticmethod
    def _command(endpoint: Endpoint, question: Question, load: Load, body: Path, log: Path) -> list[str]:
        base = f"unix:{endpoint.address}" if endpoint.kind == "unix" else f"http://{endpoint.address}"
        authority = "localhost" if endpoint.kind == "unix" else endpoint.address
        return [
            *("h2load", "-c", str(load.connections), "-m", str(load.streams), "-t", "1"),
            *("-D", str(max(1, round(load.warm_up_s + load.seconds + 0.5))), "-d", str(body), "--log-file", str(log)),
            *("-H", "te: trailers", "-H", "content-type: application/grpc", "-B", base),
            f"http://{authority}{question.path}",
        ]


def counted(endpoint: Endpoint) -> Counter[str] | None:
    """Return what the server has counted so far by reason code; None when it cannot be asked."""
    return None if endpoint.intercom is None else decisions_by_code(endpoint.intercom)


def disagreement(by_code: Counter[str], done: int, load: Load) -> tuple[int, str]:
    """Return how many answers were not of the one expected code, and a sentence when the counts do not fit.

    At its end h2load cuts off what is in flight: the server may have answered that many more.
    """
    expected = by_code.most_common(1)[0][1] if by_code else 0
    wrong = by_code.total() - expected
    missed = max(0, done - by_code.total())
    beyond = by_code.total() - done - load.connections * load.streams
    if missed or beyond > 0:
        return wrong + missed, f"h2load counted {done} successes, the server {by_code.total()} decisions"
    return wrong, ""


def in_time(lines: Iterable[str], load: Load) -> list[int]:
    """Return latencies in nanoseconds of the requests of a log (start us, status, duration us) that ended in the measured part."""
    rows = [(int(start), int(took)) for start, _, took, *_ in (line.split("\t") for line in lines)]
    if not rows:
        return []
    began = min(start for start, _ in rows) + load.warm_up_s * 1e6
    return [took * 1000 for start, took in rows if began <= start + took < began + load.seconds * 1e6]
