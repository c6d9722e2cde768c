"""Real sidecar processes for tests: started, awaited, asked, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from entitlements.v1 import check_service_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
START_S = 20
STOP_S = 20


def wait_until(predicate: Callable[[], bool], within_s: float, what: str) -> float:
    """Wait for a predicate and return how long it took; AssertionError when it stays false."""
    started = time.monotonic()
    while not predicate():
        if time.monotonic() - started > within_s:
            raise AssertionError(f"{what} did not happen within {within_s} s")
        time.sleep(0.005)
    return time.monotonic() - started


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not ended (a zombie has)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@dataclass
class ServingProcess:
    """`python -m sidecar.serving.process` on a folder: its store in `store`, its socket in `s.sock`."""

    folder: Path
    products: str
    root_hex: str
    settings: Mapping[str, str] = field(default_factory=dict)
    module: tuple[str, ...] = ("sidecar.serving.process", "--go")

    def environ(self) -> dict[str, str]:
        """Return the environment of the process."""
        own = {name: text for name, text in os.environ.items() if not name.startswith("ENTITLEMENTS_")}
        chosen = {
            "PRODUCTS": self.products,
            "ROOT_KEYS": self.root_hex,
            "STORE_DIR": str(self.store),
            "SOCKET": str(self.socket),
            "LISTEN": "127.0.0.1:0",
            "CONTROL_TARGET": "",
            "DRAIN": "5s",
            **self.settings,
        }
        return {**own, **{f"ENTITLEMENTS_{name}": text for name, text in chosen.items()}}

    @property
    def store(self) -> Path:
        """Return the store's directory."""
        return self.folder / "store"

    @property
    def socket(self) -> Path:
        """Return the unix socket."""
        return self.folder / "s.sock"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        self.spawn()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait()}: {self.log}"
        self.facts: dict[str, Any] = json.loads(line)
        return self

    def spawn(self) -> None:
        """Start it; whether it answers is the caller's question."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.module],
                cwd=ROOT,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """Return what it has written to standard error."""
        return (self.folder / "log").read_text(encoding="utf-8")

    @contextlib.contextmanager
    def stub(self) -> Iterator[Any]:
        """Return a client on the unix socket."""
        opened: Any = grpc.insecure_channel(f"unix:{self.socket}")
        with opened as channel:
            yield check_service_pb2_grpc.CheckServiceStub(channel)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, wait for its end, return its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait(STOP_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, if that has not happened."""
        if self.process.poll() is None:
            self.stop()


@dataclass
class SidecarProcess(ServingProcess):
    """`entitlements sidecar`: the main process with its child."""

    module: tuple[str, ...] = ("sidecar",)
    admin_port: int = field(default_factory=free_port)

    def environ(self) -> dict[str, str]:
        """Return the environment of the process."""
        return {**super().environ(), "ENTITLEMENTS_ADMIN": f"127.0.0.1:{self.admin_port}"}

    def start(self) -> Self:
        """Start it and wait until checks are answered."""
        self.spawn()
        try:
            wait_until(lambda: self.page("/startupz")[0] == 200, START_S, "the start")
        except AssertionError as late:
            self.stop(signal.SIGKILL)
            raise AssertionError(f"{late}: {self.log}") from None
        return self

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of an admin page; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()
        except OSError:
            return 0, ""

    def status(self) -> dict[str, Any]:
        """Return the status page."""
        told: dict[str, Any] = json.loads(self.page("/statusz")[1])
        return told

    @property
    def serving_pid(self) -> int:
        """Return the process that answers."""
        return int(self.status()["serving"]["pid"])
