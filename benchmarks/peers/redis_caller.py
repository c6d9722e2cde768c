"""redis-py as a generator: what a lookup in Redis costs a Python service."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path

from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question
from benchmarks.generators.run import QuestionFile, finished
from benchmarks.peers import environment
from benchmarks.peers.environment import UnobtainableError
from benchmarks.subjects.subject import Endpoint


class RedisCaller:
    """One synchronous client, one question at a time, in a process of the peers' environment."""

    name = "python"

    def __init__(self, cpu: int = 1) -> None:
        """Take the processor to ask from; nothing is installed yet."""
        self._cpu = cpu

    def missing(self) -> str | None:
        """Return why the client cannot be had; installs it when it is not there yet."""
        try:
            environment.python()
        except UnobtainableError as reason:
            return str(reason)
        return None

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return True for Redis, one connection, one question in flight, no stated rate."""
        return endpoint.wire == "resp" and (load.connections, load.streams, load.rate) == (1, 1, None)

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask; GeneratorFailed when the client could not be had or did not come to its end."""
        try:
            python = environment.python()
        except UnobtainableError as reason:
            raise GeneratorFailed(str(reason)) from reason
        with QuestionFile(questions) as path, tempfile.TemporaryDirectory() as folder:
            left = Path(folder) / "latencies"
            times = (str(load.seconds), str(load.warm_up_s), str(self._cpu))
            arguments = (endpoint.kind, endpoint.address, path, str(left), *times)
            printed = finished([str(python), "-m", "benchmarks.peers.redis_py", *arguments], load)
            latencies = read_latencies(left)
        said = json.loads(printed)
        versions = said.pop("versions")
        note = "asked by " + " and ".join(f"{name} {version}" for name, version in versions.items())
        return Outcome(**said, latencies=latencies, asked_per_second=said["calls"] / said["seconds"], note=note)


def read_latencies(path: Path) -> Latencies:
    """Return the latencies that a process of the peers' environment left: unsigned 64-bit nanoseconds of this machine."""
    values: array[int] = array("Q")
    values.frombytes(path.read_bytes())
    return Latencies.of(values)
