"""The C client as a generator: every protocol, every kind of socket, both loops, every answer checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.generators.compiled import NotCompiled, program, why_not
from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.outcome_json import read_outcome
from benchmarks.generators.question import Question
from benchmarks.generators.run import QuestionFile, finished
from benchmarks.subjects.subject import Endpoint

SOURCES: Final = Path(__file__).parent / "c"


class CClient:
    """`benchmarks/generators/c`, compiled on demand. `cpu` keeps it to one processor; `identity` is a certificate and key for mutual TLS."""

    name = "c"

    def __init__(self, cpu: int | None = None, identity: tuple[Path, Path] | None = None) -> None:
        """Take where to run; nothing is compiled yet."""
        self._cpu = cpu
        self._identity = identity

    def missing(self) -> str | None:
        """Return why it cannot be compiled here."""
        return why_not()

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return True but for HTTP/1.1 with several requests on one connection, which servers answer in order and some not at all."""
        return not (endpoint.wire == "http1" and load.rate is None and load.streams > 1)

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask; GeneratorFailed when it could not be compiled or did not come to its end."""
        try:
            binary = program(SOURCES)
        except NotCompiled as error:
            raise GeneratorFailed(str(error)) from None
        with QuestionFile(questions) as path:
            printed = finished([str(binary), "--questions", path, *self._options(endpoint, load)], load)
        return read_outcome(printed, is_open=load.rate is not None)

    def _options(self, endpoint: Endpoint, load: Load) -> list[str]:
        where = ["--unix"] if endpoint.kind == "unix" else ["--tcp"]
        made = [*where, endpoint.address.replace("[", "").replace("]", ""), "--wire", endpoint.wire]
        made += ["--connections", str(load.connections), "--streams", str(load.streams)]
        made += ["--seconds", str(load.seconds), "--warm-up", str(load.warm_up_s)]
        made += [] if load.rate is None else ["--rate", str(load.rate)]
        made += ["--poisson"] if load.poisson else []
        made += ["--header", f"grpc-timeout:{load.deadline_ms}m"] if load.deadline_ms else []
        made += [] if self._cpu is None else ["--cpu", str(self._cpu)]
        if endpoint.kind == "tls":
            made += ["--tls"] + ([] if endpoint.ca is None else ["--ca", str(endpoint.ca)])
            made += (
                []
                if self._identity is None
                else ["--certificate", str(self._identity[0]), "--key", str(self._identity[1])]
            )
        return made
