"""Servers with nothing behind them: what a hand-written look-up answers, what a transport costs alone, and what is physically possible."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.generators.compiled import NotCompiled, program, why_not
from benchmarks.generators.question import Question, equals
from benchmarks.questions import Ask
from benchmarks.subjects.bare_server import constant
from benchmarks.subjects.launched import Launched
from benchmarks.subjects.our_questions import our_questions
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed
from sidecar.serving import EXPERIMENTS, NO_ENGINE
from sidecar.settings import TRANSPORTS

CEILING: Final = Path(__file__).parent / "ceiling"


class _Bare:
    """A process that takes a socket's path, writes the number of its TCP port, and answers plain Checks."""

    def __init__(self, name: str, note: str) -> None:
        self.name = name
        self.note = note
        self._process = Launched(name)
        self._port = 0

    def prepare(self) -> None:
        """Nothing to prepare."""

    def questions(self, ask: Ask) -> tuple[Question, ...] | None:
        """Return single plain Checks."""
        return our_questions(ask) if ask == Ask() else None

    def _launch(self, command: Sequence[str], **chosen: str) -> None:
        # Our serving process sets this variable for itself; importing it here has set it for this process and all it starts.
        own = {name: text for name, text in os.environ.items() if name != EXPERIMENTS}
        line = self._process.start([*command, self._socket], {**own, **chosen})
        self._port = int(line)

    @property
    def _socket(self) -> str:
        return str(self._process.folder / "s.sock")

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return the unix socket and the TCP port."""
        return {"unix": Endpoint("unix", self._socket), "tcp": Endpoint("tcp", f"127.0.0.1:{self._port}")}

    def pids(self) -> tuple[int, ...]:
        """Return the one process."""
        return self._process.pids()

    def stop(self) -> None:
        """End the process."""
        self._process.stop()


class DictServer(_Bare):
    """`grpc-aio` or `grpc-threads`: one of grpcio's own servers with a dict look-up, as a team would write it."""

    def __init__(self, kind: str) -> None:
        """Take `aio` or `threads`."""
        super().__init__(f"grpc-{kind}", "a dict look-up: no policy, no reasons, no freshness, no metrics")
        self._kind = kind

    def missing(self) -> str | None:
        """Return None: grpcio is always there."""
        return None

    def start(self) -> None:
        """Start the server."""
        self._launch([sys.executable, "-m", "benchmarks.subjects.bare_server", self._kind])


class EmptyTransport(_Bare):
    """`inline-empty`, `stock-empty`: a transport of ours with a handler that returns a constant; what it costs is not the engine's."""

    def __init__(self, transport: str) -> None:
        """Take the transport's name."""
        super().__init__(f"{transport}-empty", "answers one constant: what the transport alone costs")
        self._transport = transport

    def missing(self) -> str | None:
        """Return why not: the transport is not in this checkout."""
        return None if self._transport in TRANSPORTS else f"this checkout has no transport {self._transport!r}"

    def questions(self, ask: Ask) -> tuple[Question, ...] | None:
        """Return the same Checks, each answered by the constant."""
        if ask != Ask():
            return None
        return tuple(Question(each.path, each.body, (equals(constant()),)) for each in our_questions(ask) or ())

    def start(self) -> None:
        """Start the server."""
        self._launch(
            [sys.executable, "-m", "benchmarks.subjects.bare_server", self._transport], **{EXPERIMENTS: NO_ENGINE}
        )


class Ceiling(_Bare):
    """`ceiling-c`: a right gRPC answer by a C program on libnghttp2."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        super().__init__("ceiling-c", "computes the verdict from the digits of the question: the physical limit")

    def missing(self) -> str | None:
        """Return why it cannot be compiled here."""
        return why_not()

    def prepare(self) -> None:
        """Compile it."""
        try:
            program(CEILING)
        except NotCompiled as error:
            raise SubjectFailed(str(error)) from None

    def start(self) -> None:
        """Start the server."""
        self._launch([str(program(CEILING))])
