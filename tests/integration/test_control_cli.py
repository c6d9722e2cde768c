"""The control plane's command lines on a real server, and its own process from first key to graceful end."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.api.credentials import Scope
from control.cli import apply as cli_apply
from control.cli import audit as cli_audit
from control.cli.server_options import KEY, SERVER
from demo.console import main as console
from tests.support.control_server import ControlServer, control_server
from tests.support.processes import ROOT, free_port, wait_until

CATALOGUE = """\
version: 1
products:
  - key: suite
    name: Suite
    features:
      - {key: exports, name: Data export, kind: switch}
      - {key: projects, name: Projects, kind: config, type: int, default: 3}
    plans:
      - {key: pro, version: 1, entitlements: {exports: true, projects: 50}}
"""
CUSTOMERS = """\
version: 1
customers:
  - id: acme
    subscriptions:
      - {id: main, product: suite, items: [{ref: pro@1}], timeline: [{state: ACTIVE}]}
"""


@pytest.fixture(name="server")
def running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlServer]:
    """Return a control plane that the command lines find in their environment."""
    with control_server(tmp_path) as server:
        monkeypatch.setenv(SERVER, server.url)
        monkeypatch.setenv(KEY, server.key(Scope.PUBLISH, Scope.WRITE))
        yield server


def files(folder: Path, catalogue: str = CATALOGUE, customers: str = CUSTOMERS) -> list[str]:
    """Write both files and return the options that name them."""
    (folder / "catalogue.yaml").write_text(catalogue)
    (folder / "customers.yaml").write_text(customers)
    return ["-f", str(folder / "catalogue.yaml"), "-f", str(folder / "customers.yaml")]


def test_many_customers_come_in_by_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Straight into the database; again changes nothing; a mistake is named and nothing of its file is written."""
    monkeypatch.setenv("ENTITLEMENTS_CONTROL_DATABASE", f"sqlite:///{tmp_path / 'control.db'}")
    product = {"key": "suite", "features": [{"key": "exports", "kind": "switch", "core": True}]}
    many = {"version": 1, "products": [product], "customers": [{"id": f"c{number}"} for number in range(1_200)]}
    good, bad, twice = tmp_path / "many.json", tmp_path / "bad.json", tmp_path / "twice.json"
    good.write_text(json.dumps(many))
    bad.write_text(json.dumps({"version": 1, "customers": [{"id": "new"}, {"id": " x"}]}))
    twice.write_text('{"version": 1, "version": 1}')
    assert console(["control", "import", str(good)]) == 0
    assert "1202 changed, 0 as they were; suite=" in capsys.readouterr().out
    assert console(["control", "import", str(good)]) == 0
    assert "0 changed, 1202 as they were" in capsys.readouterr().out
    assert console(["control", "import", str(bad)]) == 1
    assert "customers[1].id" in capsys.readouterr().err
    assert console(["control", "import", str(twice)]) == 1
    assert "stands twice" in capsys.readouterr().err
    with sqlite3.connect(tmp_path / "control.db") as database:
        assert database.execute("SELECT count(*) FROM customers").fetchone() == (1_200,)
    database.close()


def test_apply_shows_applies_and_then_has_nothing_to_change(
    server: ControlServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dry run, apply, apply again, change: each says what it does and ends with its code."""
    options = files(tmp_path)
    assert console(["apply", *options, "--dry-run"]) == cli_apply.NOT_APPLIED
    assert server.state()[0] == {}
    assert console(["apply", *options, "--yes"]) == cli_apply.APPLIED
    shown = capsys.readouterr().out
    assert "+ feature suite/exports" in shown
    assert re.search(r"applied: suite is at version \d+-\d+", shown)
    before = server.state()
    assert console(["apply", *options, "--yes"]) == cli_apply.APPLIED
    assert "Nothing to change" in capsys.readouterr().out
    assert server.state() == before
    changed = files(tmp_path, CATALOGUE.replace("default: 3", "default: 5"))
    assert console(["apply", *changed, "--yes"]) == cli_apply.APPLIED
    assert "default: 3 -> 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "catalogue, told",
    [
        (CATALOGUE + "  - key: suite\n    key: two\n", "catalogue.yaml:11: products[1].key stands twice"),
        (CATALOGUE.replace("kind: switch", "kind: switch, colour: red"), "catalogue.yaml:6: products[0].features[0].colour"),
        (CATALOGUE.replace("projects: 50", "projects: -1"), "catalogue.yaml:9: products[0].plans[0].entitlements.projects is negative"),
        (CATALOGUE.replace("default: 3", "default: [1]"), "catalogue.yaml:7: products[0].features[1].default"),
        (CATALOGUE.replace("exports: true", "imports: true"), "catalogue.yaml:9: products[0].plans[0].entitlements.imports"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_and_line(
    server: ControlServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], catalogue: str, told: str
) -> None:
    """Whether the file or the server finds it, the line is named and nothing is applied."""
    before = server.state()
    assert console(["apply", *files(tmp_path, catalogue), "--yes"]) == cli_apply.WRONG_INPUT
    errors = capsys.readouterr().err
    assert told in errors
    assert "nothing was applied" in errors
    assert server.state() == before


def test_editing_a_published_version_is_refused(
    server: ControlServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy is a new version."""
    console(["apply", *files(tmp_path), "--yes"])
    edited = files(tmp_path, CATALOGUE.replace("projects: 50", "projects: 60"))
    before = server.state()
    assert console(["apply", *edited, "--yes"]) == cli_apply.REFUSED
    assert "version" in capsys.readouterr().err
    assert server.state() == before


def test_a_plan_that_no_longer_fits_is_not_applied(server: ControlServer) -> None:
    """What was shown is what is applied: a change in between is 412."""
    document = {"version": 1, "products": [{"key": "suite", "name": "A"}]}
    planned = server.done("POST", "/apply", {"document": document, "dry_run": True})
    server.done("POST", "/apply", {"document": {"version": 1, "products": [{"key": "suite", "name": "B"}]}})
    assert server.refused(412, "POST", "/apply", {"document": document, "plan": planned["plan"]}) == ["plan"]


def test_the_trail_is_listed_and_verified_both_ways(
    server: ControlServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over REST and in the database itself; an edited row ends with 1."""
    console(["apply", *files(tmp_path), "--yes"])
    capsys.readouterr()
    database = ["--database", f"sqlite:///{tmp_path / 'control.db'}"]
    assert console(["audit", "verify"]) == cli_audit.WHOLE
    over_rest = capsys.readouterr().out
    assert console(["audit", "verify", *database]) == cli_audit.WHOLE
    assert capsys.readouterr().out == over_rest
    head = over_rest.split()[-1]
    assert console(["audit", "verify", "--head", head]) == cli_audit.WHOLE
    assert console(["audit", "verify", "--head", "00" * 32]) == cli_audit.BROKEN
    capsys.readouterr()
    assert console(["audit", "list", "--action", "apply.added", "--limit", "2"]) == cli_audit.WHOLE
    listed = capsys.readouterr().out
    assert len(listed.splitlines()) == 2
    assert console(["audit", "list", "--action", "apply.added", "--limit", "2", *database]) == cli_audit.WHOLE
    assert capsys.readouterr().out == listed
    with server.plane.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE seq = 2")
    assert console(["audit", "verify"]) == cli_audit.BROKEN
    assert "BROKEN at event" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verifying looks, it never creates."""
    missing = tmp_path / "none.db"
    assert console(["audit", "verify", "--database", f"sqlite:///{missing}"]) == cli_audit.WRONG_INPUT
    assert "none.db" in capsys.readouterr().err
    assert not missing.exists()


def test_a_refused_key_is_told(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, with the scope that is missing."""
    monkeypatch.setenv(KEY, server.key(Scope.SIDECAR))
    assert console(["audit", "verify"]) == cli_audit.REFUSED
    assert "scope read" in capsys.readouterr().err


def test_the_process_from_first_key_to_graceful_end(tmp_path: Path) -> None:
    """Key offline, ready, answers, SIGTERM, exit 0; the key is in no file and no line of the log."""
    port = free_port()
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ENTITLEMENTS_CONTROL_DATABASE": f"sqlite:///{tmp_path / 'data' / 'control.db'}",
        "ENTITLEMENTS_CONTROL_HTTP": f"127.0.0.1:{port}",
        "ENTITLEMENTS_CONTROL_GRPC": "127.0.0.1:0",
        "ENTITLEMENTS_CONTROL_PEPPER_FILE": str(tmp_path / "data" / "pepper"),
        "ENTITLEMENTS_CONTROL_SIGNING_KEYS": str(tmp_path / "data" / "keys"),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "demo.console", *arguments]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    early = run("control")
    assert early.returncode == 1
    assert "entitlements keys init" in early.stderr
    assert run("keys", "init", "--dir", str(tmp_path / "data" / "keys")).returncode == 0
    assert run("control", "migrate").returncode == 0
    made = run("control", "create-key", "--scope", "admin", "--name", "first", "--expires", "90d")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "control"], env=environ, stdout=output, stderr=output)
    try:
        wait_until(lambda: answered(port, "/readyz", None) == 200, 30, "readiness")
        assert answered(port, "/api/v1/whoami", key) == 200
        assert answered(port, "/api/v1/whoami", key[:-1] + ("x" if key[-1] != "x" else "y")) == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key[-43:].encode() not in kept
    assert "control_stopped" in log.read_text()


def answered(port: int, path: str, key: str | None) -> int:
    """Return the status of one GET, 0 when nobody listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if key is not None:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0
