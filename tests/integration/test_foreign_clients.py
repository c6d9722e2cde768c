"""Clients that we did not write, on both transports of a real serving process: every answer they get is checked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.generators.c_client import CClient
from benchmarks.generators.callers import NodeCaller, PythonCaller
from benchmarks.generators.generator import Generator, Load
from benchmarks.generators.h2load import H2load
from benchmarks.questions import Ask
from benchmarks.subjects.sidecar import Sidecar
from sidecar.settings import TRANSPORTS

SECONDS = 0.4
ONE = Load(seconds=SECONDS, warm_up_s=0.1)
MANY = Load(connections=3, streams=20, seconds=SECONDS, warm_up_s=0.1)


@pytest.fixture(scope="module", params=TRANSPORTS)
def running(request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """A serving process with each transport, on a unix socket and TCP."""
    subject = Sidecar(str(request.param))
    subject.start()
    yield subject
    subject.stop()


@pytest.fixture(scope="module", params=TRANSPORTS)
def secured(request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """The same with TLS on TCP."""
    subject = Sidecar(str(request.param), tls=True)
    subject.start()
    yield subject
    subject.stop()


def or_skip(generator: Generator) -> Generator:
    """Return a generator that can run here."""
    problem = generator.missing()
    if problem is not None:
        pytest.skip(problem)
    return generator


def ask(subject: Sidecar, generator: Generator, kind: str, load: Load, wanted: Ask = Ask()) -> None:  # noqa: B008 - frozen
    """Ask for a moment; nothing may be wrong, nothing may fail, and something must have been answered."""
    questions = subject.questions(wanted)
    assert questions is not None
    outcome = or_skip(generator).run(subject.endpoints()[kind], questions, load)  # type: ignore[index]
    assert (outcome.wrong, dict(outcome.errors), outcome.first_wrong) == (0, {}, "")
    assert outcome.all_calls > 0


@pytest.mark.parametrize("kind", ["unix", "tcp"])
@pytest.mark.parametrize("load", [ONE, MANY], ids=["one", "many"])
def test_c_on_nghttp2(running: Sidecar, kind: str, load: Load) -> None:
    """A client on libnghttp2 checks verdict and code of every answer."""
    ask(running, CClient(), kind, load)


def test_c_asks_batches(running: Sidecar) -> None:
    """Every item of every batch."""
    ask(running, CClient(), "unix", MANY, Ask(batch=20))


def test_c_over_tls(secured: Sidecar) -> None:
    """OpenSSL and nghttp2, many calls on few connections."""
    ask(secured, CClient(), "tls", MANY)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_node(running: Sidecar, kind: str) -> None:
    """grpc-js, an implementation of gRPC of its own."""
    ask(running, NodeCaller(), kind, ONE)


def test_node_over_tls(secured: Sidecar) -> None:
    """And of TLS."""
    ask(secured, NodeCaller(), "tls", ONE)


@pytest.mark.parametrize("stub", [True, False], ids=["grpcio", "our client"])
def test_python(running: Sidecar, *, stub: bool) -> None:
    """Python with grpcio, from a process of its own, with and without our library."""
    ask(running, PythonCaller(stub=stub), "unix", ONE)


def test_h2load_counts_what_the_sidecar_counts(running: Sidecar) -> None:
    """It checks nothing itself: its successes are compared with the sidecar's own counts by code."""
    ask(running, H2load(), "unix", MANY)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_buf_curl_discovers_and_asks(running: Sidecar, kind: str) -> None:
    """A Go client with nothing but the address: reflection, a call, and a refusal whose details it can read."""
    endpoint = running.endpoints()[kind]  # type: ignore[index]
    where = ["--unix-socket", endpoint.address] if kind == "unix" else []
    host = "localhost" if kind == "unix" else endpoint.address
    url = f"http://{host}/entitlements.v1.CheckService/Check"

    def curl(data: dict[str, object]) -> subprocess.CompletedProcess[str]:
        buf = Path(sys.executable).with_name("buf")
        command = [
            str(buf),
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            *where,
            "-d",
            json.dumps(data),
            url,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    answered = curl({"customerId": "customer-0000001", "feature": "feature-02"})
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["code"] == "CODE_ENTITLED"
    refused = curl({"feature": "feature-02"})
    assert refused.returncode != 0
    told = json.loads(refused.stderr)
    assert told["code"] == "invalid_argument"
    assert [detail["type"] for detail in told["details"]] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
