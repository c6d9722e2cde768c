"""`entitlements up` as a user runs it: addresses, keys, a second start on the same data, Ctrl-C, and addresses that are taken."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from demo.pages import page
from demo.processes import wait_until
from demo.site import free_port, without_settings
from entitlements.client import EntitlementClient

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty working folder with a short name, because sockets will lie in it."""
    made = Path(tempfile.mkdtemp(prefix="ent-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def ports() -> dict[str, int]:
    """Return a free port for each address."""
    return {name: free_port() for name in ("CONTROL_HTTP", "CONTROL_GRPC", "ADMIN", "LISTEN")}


def start(folder: Path, ports: Mapping[str, int]) -> subprocess.Popen[str]:
    """Run the command in a folder, on these ports, with its words in a file."""
    addresses = {f"ENTITLEMENTS_{name}": f"127.0.0.1:{port}" for name, port in ports.items()}
    environ = {**without_settings(os.environ), **addresses, "PYTHONPATH": str(ROOT)}
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "demo.console", "up"],
            cwd=folder,
            env=environ,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )


def wait_for_guide(folder: Path, process: subprocess.Popen[str]) -> str:
    """Return what was printed once everything runs."""

    def told() -> bool:
        assert process.poll() is None, (folder / "said").read_text()
        return "Ctrl-C ends it." in (folder / "said").read_text()

    wait_until(told, "the guide", limit_s=60, pause_s=0.05)
    return (folder / "said").read_text()


def interrupt(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C and return the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(30)


def test_up_and_up_again(folder: Path, ports: dict[str, int]) -> None:
    """Everything answers where it says; the second start finds the keys, the change and the policy of the first."""
    process = start(folder, ports)
    try:
        guide = wait_for_guide(folder, process)
        for port in ports.values():
            assert f"127.0.0.1:{port}" in guide or port == ports["CONTROL_GRPC"]
        rest = f"http://127.0.0.1:{ports['CONTROL_HTTP']}"
        assert page(f"{rest}/readyz").status == 200
        assert page(f"{rest}/openapi.json").status == 200
        assert page(f"http://127.0.0.1:{ports['ADMIN']}/readyz").status == 200
        key = folder / ".run" / "admin.key"
        assert key.stat().st_mode & 0o777 == 0o600
        with EntitlementClient(f"127.0.0.1:{ports['LISTEN']}", timeout_s=5.0) as client:
            assert client.check("acme", "report-exports").code == "ENTITLED"
            revoke(rest, key.read_text().strip())
            wait_until(lambda: client.check("acme", "report-exports").code == "REVOKED", "the revoke")
        assert interrupt(process) == 0
        assert [name for name, port in ports.items() if listens(port)] == []
        first_key = key.read_text()

        process = start(folder, ports)
        wait_for_guide(folder, process)
        assert key.read_text() == first_key
        with EntitlementClient(f"unix:{folder}/.run/sidecar.sock", timeout_s=5.0) as client:
            assert client.check("acme", "report-exports").code == "REVOKED"
    finally:
        code = interrupt(process)
    assert code == 0


def test_an_address_that_is_taken_is_named(folder: Path, ports: dict[str, int]) -> None:
    """Somebody else's readiness is never taken for ours."""
    with socket.create_server(("127.0.0.1", ports["CONTROL_HTTP"])):
        process = start(folder, ports)
        assert process.wait(60) == 1
    said = (folder / "said").read_text()
    assert f"127.0.0.1:{ports['CONTROL_HTTP']} is in use" in said
    assert "ENTITLEMENTS_CONTROL_HTTP" in said


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def revoke(rest: str, key: str) -> None:
    """Put the override that the guide shows."""
    request = urllib.request.Request(
        f"{rest}/api/v1/customers/acme/overrides/mine",
        data=b'{"product": "boards", "feature": "report-exports", "effect": "deny", "reason": "trying it"}',
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=5) as reply:
        assert reply.status == 201
