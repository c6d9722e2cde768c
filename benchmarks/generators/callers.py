"""Callers as services are: one call at a time from Python (our client library, or grpcio alone) and from Node (grpc-js)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.outcome_json import read_outcome
from benchmarks.generators.question import Question
from benchmarks.generators.run import QuestionFile, finished
from benchmarks.result import ROOT
from benchmarks.subjects.our_questions import SERVICE
from benchmarks.subjects.subject import Endpoint

NODE: Final = Path(__file__).parent / "node"
SCRATCH: Final = ROOT / ".run" / "node-caller"


class PythonCaller:
    """`python`: EntitlementClient, which can ask only us. `python-stub`: grpcio alone, which can ask any gRPC service."""

    def __init__(self, cpu: int | None = None, *, stub: bool = False) -> None:
        """Take the processor to keep to."""
        self.name = "python-stub" if stub else "python"
        self._cpu = cpu
        self._stub = stub

    def missing(self) -> str | None:
        """Return None: Python is there."""
        return None

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return whether it is one call at a time over gRPC; the client library speaks no TLS."""
        one = load.rate is None and load.connections == load.streams == 1
        return one and endpoint.wire == "grpc" and (self._stub or endpoint.kind != "tls")

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask from a process of its own."""
        if not self._stub and any(each.path != f"{SERVICE}Check" for each in questions):
            raise GeneratorFailed("EntitlementClient asks single Checks alone; python-stub asks anything")
        kind = "stub" if self._stub else "client"
        with QuestionFile(questions) as path:
            command = [sys.executable, "-m", "benchmarks.generators.python_loop", kind, path, endpoint.grpc_target]
            printed = finished(kept_to(self._cpu, [*command, *_rest(endpoint, load)]), load, _environ())
        return read_outcome(printed, is_open=False)


class NodeCaller:
    """`node`: grpc-js, installed once into a scratch folder of the checkout."""

    name = "node"

    def __init__(self, cpu: int | None = None) -> None:
        """Take the processor to keep to."""
        self._cpu = cpu

    def missing(self) -> str | None:
        """Return why not: no Node, or grpc-js cannot be installed."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            return "node and npm are not installed (on Debian: apt-get install nodejs npm)"
        try:
            install(NODE / "package.json", SCRATCH)
        except GeneratorFailed as error:
            return str(error)
        return None

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return whether it is one call at a time over gRPC."""
        return load.rate is None and load.connections == load.streams == 1 and endpoint.wire == "grpc"

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask from Node."""
        with QuestionFile(questions) as path:
            command = ["node", str(NODE / "caller.js"), path, endpoint.grpc_target, *_rest(endpoint, load)]
            printed = finished(kept_to(self._cpu, command), load, folder=SCRATCH)
        return read_outcome(printed, is_open=False)


def install(manifest: Path, folder: Path) -> None:
    """Install what a package.json names into a folder, once per content of that file; GeneratorFailed with npm's complaint."""
    wanted, stamp = manifest.read_bytes(), folder / "installed.json"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_bytes(wanted)
    command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GeneratorFailed(f"npm could not install grpc-js: {done.stderr.strip()[-500:]}")
    stamp.write_bytes(wanted)


def _rest(endpoint: Endpoint, load: Load) -> list[str]:
    return [str(load.seconds), str(load.warm_up_s), *([] if endpoint.ca is None else [str(endpoint.ca)])]


def kept_to(cpu: int | None, command: Sequence[str]) -> list[str]:
    """Return the command that keeps to one processor, where there is a `taskset`."""
    taskset = shutil.which("taskset")
    return list(command) if cpu is None or taskset is None else [taskset, "-c", str(cpu), *command]


def _environ() -> Mapping[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("ENTITLEMENTS_")}
    return {**own, "PYTHONPATH": str(ROOT)}
