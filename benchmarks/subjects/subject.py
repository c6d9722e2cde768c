"""The protocol of whatever answers: our sidecar by transport, a bare server, a ceiling, a peer.

A scenario treats all of them alike:

    reason = subject.missing()            # None, or one sentence for the reader: why it is left out and what would bring it in
    questions = subject.questions(Ask())  # None: it cannot be asked so
    with subject_on_cpu_0:                # the scenario pins the thread; processes started inside inherit it
        subject.start()                   # returns when it answers
    ... generators ask subject.endpoints()[kind] ...
    subject.stop()                        # nothing of it is left, whatever happened

A subject is started and stopped several times (once a round). `start` may leave heavy preparation (installing, writing stores) to a first call
of itself or to `prepare`, which runs before any clock and may take minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from benchmarks.generators.question import Question
from benchmarks.questions import Ask

Wire: TypeAlias = Literal["grpc", "http1", "resp"]
"""What is spoken on an endpoint: gRPC over HTTP/2, HTTP/1.1, Redis. Question bodies are written for it (`generators/question.py`)."""

Kind: TypeAlias = Literal["unix", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place where a subject answers. `address` is a path for `unix`, else `host:port`; `ca` is a PEM file for `tls`."""

    kind: Kind
    address: str
    wire: Wire = "grpc"
    ca: Path | None = None
    intercom: Path | None = None
    """Where our own sidecar tells its metrics, for generators that cannot check answers themselves; None for everybody else."""

    @property
    def grpc_target(self) -> str:
        """Return the address as gRPC clients write it."""
        return f"unix:{self.address}" if self.kind == "unix" else self.address


class SubjectFailed(Exception):  # noqa: N818 - names what happened, for the line that the reader gets
    """A subject did not start, or died; the message says how, with the end of its log."""


class Subject(Protocol):
    """Something that answers the fixed questions."""

    name: str
    """As it stands in rows and reports: `sidecar-inline`, `cerbos`, `redis` ..."""

    note: str
    """What a reader must know to read its rows right (plan sent by the caller, materialised answers ...); empty when nothing."""

    def missing(self) -> str | None:
        """Return why it cannot run here and what would change that, or None when it can."""

    def prepare(self) -> None:
        """Install, build, write: whatever takes long and is needed once. SubjectFailed when it cannot be done."""

    def questions(self, ask: Ask) -> Sequence[Question] | None:
        """Return one cycle of questions in its own wire format with what each answer must look like; None when it cannot be asked so."""

    def start(self) -> None:
        """Start and return when it answers; SubjectFailed otherwise, with nothing left running."""

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return where it answers now, the preferred one first."""

    def pids(self) -> Sequence[int]:
        """Return the processes whose processor time and memory are its own."""

    def stop(self) -> None:
        """End it and remove what it left; harmless when it does not run."""
