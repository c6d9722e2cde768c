"""`entitlements up`: Valkey, the control plane and a sidecar on the addresses of the documentation, with the example vendor inside.

Everything is kept below `.run`, so a second start finds the keys, the customers and the policy of the first. Every setting of both services
can be overridden in the environment; with ENTITLEMENTS_REDIS_URL set, that Redis is used and no Valkey is started.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from control.api.credentials import Secret
from control.cli.rest_client import RestClient
from control.settings import load_settings
from demo.pages import page
from demo.processes import NotRunningError, Part, run_tool
from demo.stage import CONSOLE, RefusedError, make_key, valkey_part
from demo.vendor import PRODUCTS, read_document, tally, write_files
from entitlements.runtime.forms import Address
from entitlements.runtime.settings import SettingsError, load
from sidecar.settings import SidecarSettings

RUN: Final = Path(".run")
SOCKET_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Listening:
    """The addresses that people call."""

    rest: str
    admin: str
    socket: Path | None
    listen: str | None


class Company:
    """The three processes, started in order and ended in reverse order."""

    def __init__(self) -> None:
        RUN.mkdir(exist_ok=True)
        self.parts: list[Part] = []
        self.environ = {"ENTITLEMENTS_PRODUCTS": ",".join(PRODUCTS), **os.environ, "PYTHONUNBUFFERED": "1"}

    def begin(self, part: Part) -> None:
        """Start one process and wait until it is ready."""
        self.parts.append(part)
        part.start()
        say(part.name, f"ready, log in {RUN / 'logs'}")

    def end(self) -> None:
        """End all."""
        for part in reversed(self.parts):
            with contextlib.suppress(OSError):
                part.stop()

    def start_valkey(self) -> None:
        """Start Valkey, unless the environment names a Redis."""
        if self.environ.get("ENTITLEMENTS_REDIS_URL"):
            say("redis", "the one in ENTITLEMENTS_REDIS_URL")
            return
        listen = (RUN / "valkey.sock").resolve()
        if len(str(listen)) > SOCKET_LIMIT:
            raise NotRunningError(f"{listen} is too long for a unix socket; run this in a folder with a shorter path")
        self.environ["ENTITLEMENTS_REDIS_URL"] = f"unix://{listen}"
        self.begin(valkey_part(listen, RUN / "logs" / "valkey.log"))

    def start_control(self) -> tuple[RestClient, str]:
        """Make keys where there are none, start the control plane, and return a client for it and its address."""
        settings = load_settings(self.environ)
        folder = ["--dir", str(settings.signing_keys)]
        if not (settings.signing_keys / "keys.json").exists():
            run_tool("entitlements keys init", [*CONSOLE, "keys", "init", *folder], self.environ)
        roots = run_tool("entitlements keys show", [*CONSOLE, "keys", "show", "--root", *folder], self.environ)
        self.environ.setdefault("ENTITLEMENTS_ROOT_KEYS", roots.strip())
        rest = f"http://{settings.http}"
        must_be_free(settings.http, "CONTROL_HTTP")
        must_be_free(settings.grpc, "CONTROL_GRPC")
        self.environ.setdefault("ENTITLEMENTS_CONTROL_TARGET", str(settings.grpc))
        command = [sys.executable, "-m", "control"]
        log = RUN / "logs" / "control.log"
        self.begin(Part("control", command, self.environ, log, lambda: page(f"{rest}/readyz").status == 200))
        return RestClient(rest, Secret(self._admin_key(rest))), rest

    def _admin_key(self, rest: str) -> str:
        """Return the API key of an earlier start, or a new one."""
        kept = RUN / "admin.key"
        if kept.exists():
            text = kept.read_text(encoding="ascii").strip()
            if page(f"{rest}/api/v1/products", {"Authorization": f"Bearer {text}"}).status == 200:
                return text
        text = make_key(self.environ, "admin", "up")
        write_secret(kept, text)
        return text

    def start_sidecar(self, control: RestClient) -> Listening:
        """Start a sidecar with a key of its own and return where it listens."""
        if not self.environ.get("ENTITLEMENTS_CONTROL_TOKEN"):
            kept = RUN / "sidecar.key"
            if not kept.exists() or not is_known(control, kept):
                write_secret(kept, str(called(control, "/keys", {"name": "sidecar", "scopes": ["sidecar"]})["key"]))
            self.environ["ENTITLEMENTS_CONTROL_TOKEN"] = kept.read_text(encoding="ascii").strip()
        settings = load(SidecarSettings, self.environ)
        admin = f"http://{settings.admin}"
        must_be_free(settings.admin, "ADMIN")
        if settings.listen is not None:
            must_be_free(settings.listen, "LISTEN")
        command = [sys.executable, "-m", "sidecar"]
        log = RUN / "logs" / "sidecar.log"
        self.begin(Part("sidecar", command, self.environ, log, lambda: page(f"{admin}/readyz").status == 200))
        return Listening("", admin, settings.socket, None if settings.listen is None else str(settings.listen))


def must_be_free(address: Address, setting: str) -> None:
    """Refuse an address that somebody listens on: their answers would be taken for those of our process."""
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        if address.port and probe.connect_ex(tuple(address)) == 0:
            raise NotRunningError(f"{address} is in use; end what listens there, or set ENTITLEMENTS_{setting}")


def say(name: str, text: str) -> None:
    """Print one aligned line."""
    print(f"  {name:<10} {text}", flush=True)


def called(control: RestClient, path: str, body: object) -> dict[str, object]:
    """POST to REST and return the reply; RefusedError when it is not a success."""
    answer = control.call("POST", path, body)
    if not answer.ok:
        raise RefusedError(f"POST {path}: {answer.status} {answer.body}")
    reply: dict[str, object] = answer.body
    return reply


def is_known(control: RestClient, kept: Path) -> bool:
    """Tell whether the control plane knows the key in a file (its kid is the middle part)."""
    kid = kept.read_text(encoding="ascii").strip().split("_")[1]
    answer = control.call("GET", "/keys")
    return answer.ok and kid in str(answer.body)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text + "\n")


def guide(at: Listening) -> str:
    """Return how to call what runs."""
    target = f"unix:{at.socket}" if at.socket is not None else str(at.listen)
    question = shlex.quote('{"customer_id": "acme", "feature": "report-exports", "explain": "EXPLAIN_LEVEL_FULL"}')
    lines = [
        f"Check      {target}" + (f" and {at.listen}" if at.listen and at.socket else ""),
        f"sidecar    {at.admin}/readyz  /livez  /startupz  /metrics",
        f"control    {at.rest}/openapi.json  /readyz  /metrics   API key in {RUN / 'admin.key'}",
        "",
        "ask:       .venv/bin/entitlements check acme report-exports --explain",
        "list:      .venv/bin/entitlements check acme",
    ]
    if at.listen:
        call = f"http://{at.listen}/entitlements.v1.CheckService/Check"
        lines.append(f"any tool:  .venv/bin/buf curl --protocol grpc --http2-prior-knowledge -d {question} {call}")
    body = shlex.quote('{"product": "boards", "feature": "report-exports", "effect": "deny", "reason": "trying it"}')
    lines += [
        f"revoke:    curl -X PUT {at.rest}/api/v1/customers/acme/overrides/mine -H 'Content-Type: application/json' \\",
        f'             -H "Authorization: Bearer $(cat {RUN / "admin.key"})" -d {body}',
        f"catalogue: edit {RUN / 'catalogue' / 'catalogue.yaml'}, then .venv/bin/entitlements apply --server {at.rest} \\",
        f"             --key-file {RUN / 'admin.key'} -f {RUN / 'catalogue' / 'catalogue.yaml'}",
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def main(argv: list[str]) -> int:
    """Run until interrupted; return 0, or 1 when something did not start."""
    argparse.ArgumentParser(prog="entitlements up", description=__doc__.split("\n\n", maxsplit=1)[0]).parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    company = Company()
    try:
        company.start_valkey()
        control, rest = company.start_control()
        document = read_document(write_files(RUN / "catalogue"))
        called(control, "/apply", {"document": document})
        found = tally(document)
        say("vendor", f"Fernhill: {found.products} products, {found.features} features, {found.customers} customers")
        at = company.start_sidecar(control)
        print(f"\n{guide(Listening(rest, at.admin, at.socket, at.listen))}\n\n  Ctrl-C ends it.", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("\n  ending", flush=True)
    except (NotRunningError, RefusedError, SettingsError, OSError) as failure:
        print(f"\nentitlements up: {failure}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        company.end()
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
