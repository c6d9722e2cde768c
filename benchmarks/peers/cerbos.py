"""Cerbos, the policy decision point that teams put beside their services: its own program, its default way of writing plans as policies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.generators.question import Question
from benchmarks.peers import cerbos_wire
from benchmarks.peers.environment import UnobtainableError, npm_folder
from benchmarks.peers.program import Program, free_port, listens
from benchmarks.questions import PLANS, Ask
from benchmarks.subjects.subject import Endpoint, Kind, SubjectFailed

PACKAGE: Final = "@cerbos/cerbos-linux-x64"
PROGRAM: Final = "cerbos-linux-x64"
MOST_ACTIONS: Final = 50  # Cerbos refuses more in one call unless it is configured otherwise
Listener = Literal["tcp", "unix", "http"]


class Cerbos:
    """Cerbos behind one listener: gRPC over TCP (its default), gRPC over a unix socket, or HTTP/1.1.

    With `lean`, a plan is a role and no condition is evaluated: the leanest policy that answers the questions.
    """

    def __init__(self, listener: Listener = "tcp", *, lean: bool = False) -> None:
        """Install and start nothing yet."""
        self.listener = listener
        self.lean = lean
        self.name = "cerbos" + ("-lean" if lean else "") + ("" if listener == "tcp" else f"-{listener}")
        style = "plan is a role, no condition" if lean else "derived role per plan by a CEL condition on the plan"
        self._how = f"plan is sent by the caller; {style}; no log, audit or telemetry"
        self.note = self._how
        self._program = Program(self.name)
        self._addresses: dict[str, str] = {}

    def version(self) -> str:
        """Return the version of the program that is run."""
        described = json.loads((npm_folder(PACKAGE) / "package.json").read_text(encoding="utf-8"))
        return str(described["version"])

    def missing(self) -> str | None:
        """Return why Cerbos cannot run here; installs it when it is not there yet."""
        try:
            npm_folder(PACKAGE)
        except UnobtainableError as reason:
            return str(reason)
        return None

    def prepare(self) -> None:
        """Install it and learn its version, for the reader."""
        if reason := self.missing():
            raise SubjectFailed(reason)
        self.note = f"Cerbos {self.version()}; {self._how}"

    def questions(self, ask: Ask) -> Sequence[Question] | None:
        """Return CheckResources calls: one action, or several actions of one customer; payloads of ours mean nothing to it."""
        groups = ask.groups()
        one_customer = all(len({pair.customer for pair in group}) == 1 for group in groups)
        if ask.payload != "plain" or not one_customer or ask.batch > MOST_ACTIONS:
            return None
        if self.listener == "http":
            return [
                Question(
                    cerbos_wire.HTTP_PATH,
                    cerbos_wire.http_request(group, "cerbos"),
                    cerbos_wire.http_effects(group),
                    status=200,
                    decisions=len(group),
                )
                for group in groups
            ]
        return [
            Question(
                cerbos_wire.PATH,
                cerbos_wire.request(group, role_is_plan=self.lean),
                cerbos_wire.effects(group),
                decisions=len(group),
            )
            for group in groups
        ]

    def start(self) -> None:
        """Write policies and settings, start, wait for both listeners."""
        try:
            program = npm_folder(PACKAGE) / PROGRAM
        except UnobtainableError as reason:
            raise SubjectFailed(str(reason)) from reason
        program.chmod(0o755)
        folder = self._program.folder
        http = f"127.0.0.1:{free_port()}"
        grpc = str(folder / "grpc.sock") if self.listener == "unix" else f"127.0.0.1:{free_port()}"
        self._addresses = {"http": http, "grpc": grpc}
        write_policies(folder / "policies", lean=self.lean)
        settings = {
            "server": {"httpListenAddr": http, "grpcListenAddr": f"unix:{grpc}" if self.listener == "unix" else grpc},
            "telemetry": {"disabled": True},
            "storage": {"driver": "disk", "disk": {"directory": "policies", "watchForChanges": False}},
        }
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        command = (str(program), "server", "--config=settings.json", "--log-level=error")
        self._program.start(command, lambda: listens(http) and listens(grpc))

    def endpoints(self) -> Mapping[Kind, Endpoint]:
        """Return the one listener that is measured."""
        if self.listener == "http":
            return {"tcp": Endpoint("tcp", self._addresses["http"], "http1")}
        return {self.listener: Endpoint(self.listener, self._addresses["grpc"])}

    def pids(self) -> Sequence[int]:
        """Return the one process."""
        return self._program.pids

    def stop(self) -> None:
        """End it."""
        self._program.stop()


def write_policies(folder: Path, *, lean: bool) -> None:
    """Write one resource policy with an action for each feature, and, unless lean, a derived role for each plan."""
    folder.mkdir()
    rules = [rule(plan, sorted(held), lean=lean) for plan, held in PLANS.items()]
    policy: dict[str, Any] = {"resource": cerbos_wire.KIND, "version": "default", "rules": rules}
    if not lean:
        policy["importDerivedRoles"] = ["plans"]
        roles = [
            {
                "name": f"on_{plan}",
                "parentRoles": [cerbos_wire.ROLE],
                "condition": {"match": {"expr": f'P.attr.plan == "{plan}"'}},
            }
            for plan in PLANS
        ]
        write(folder / "plans.json", {"derivedRoles": {"name": "plans", "definitions": roles}})
    write(folder / "suite.json", {"resourcePolicy": policy})


def rule(plan: str, features: Sequence[str], *, lean: bool) -> dict[str, Any]:
    """Return the rule that allows a plan its features."""
    whom = {"roles": [plan]} if lean else {"derivedRoles": [f"on_{plan}"]}
    return {"actions": list(features), "effect": "EFFECT_ALLOW", **whom}


def write(path: Path, policy: Mapping[str, Any]) -> None:
    """Write one policy file, in the JSON form of Cerbos' YAML."""
    path.write_text(json.dumps({"apiVersion": "api.cerbos.dev/v1", **policy}, indent=2), encoding="utf-8")
