"""`bench load` against a real serving process, and the callers in Python and Node: what a load tester gets to see."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.generators.asyncio_client import AsyncioClient
from benchmarks.generators.c_client import CClient
from benchmarks.generators.callers import NodeCaller, PythonCaller
from benchmarks.generators.compiled import why_not
from benchmarks.generators.generator import Generator, GeneratorFailed, Load, Outcome
from benchmarks.generators.h2load import H2load
from benchmarks.generators.question import Question
from benchmarks.questions import PAIRS, Ask
from benchmarks.result import ROOT, Result
from benchmarks.subjects.bare import Ceiling, DictServer, EmptyTransport
from benchmarks.subjects.our_questions import our_questions
from benchmarks.subjects.sidecar import Sidecar
from benchmarks.subjects.subject import Subject
from tests.support.certificates import certificate
from tests.support.processes import is_running, wait_until

MISSING = why_not()
needs_c = pytest.mark.skipif(MISSING is not None, reason=f"the C client cannot be compiled: {MISSING}")
CLOSED = Load(seconds=0.5, warm_up_s=0.2)


@pytest.fixture(scope="module")
def sidecar() -> Iterator[Sidecar]:
    """A serving process on the prepared store."""
    made = Sidecar("stock")
    made.start()
    yield made
    made.stop()


def lines(folder: Path, *, turned: int | None = None) -> Path:
    """Write the fixed questions as a load tester would; `turned` names one whose verdict is written down wrongly."""
    path = folder / "mine.jsonl"
    rows = [
        {"customer": pair.customer, "feature": pair.feature, "expected": pair.allowed != (number == turned)}
        for number, pair in enumerate(PAIRS)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def command(sidecar: Sidecar, folder: Path, *rest: str, turned: int | None = None) -> list[str]:
    """Return the command line for that sidecar."""
    target = f"unix:{sidecar.endpoints()['unix'].address}"
    questions = str(lines(folder, turned=turned))
    timing = ["--seconds", "0.5", "--warm-up", "0.1", "--json", str(folder / "result.json")]
    return ["--target", target, "--questions", questions, *timing, *rest]


@needs_c
def test_right_answers_are_a_success(sidecar: Sidecar, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, a line for each rate, a result that reports can read."""
    assert load.main(command(sidecar, tmp_path, "--rate", "200", "--rate", "400")) == 0
    printed = capsys.readouterr().out
    assert "what is right is known of 600" in printed
    assert "200/s" in printed
    rows = Result.read(tmp_path / "result.json").rows
    assert [(row.parameters["rate"], row.calls, row.wrong) for row in rows] == [(200, 100, 0), (400, 200, 0)]
    assert rows[0].histogram.startswith("HIST")


@needs_c
def test_a_wrong_answer_is_a_failure(sidecar: Sidecar, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One question of 600 expects the opposite of what the sidecar says: exit code 1, and it is named."""
    assert load.main(command(sidecar, tmp_path, "--rate", "1300", turned=5)) == 1
    assert "WRONG answers; question 5 answered" in capsys.readouterr().out


@needs_c
def test_nobody_there_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answered: exit code 1, with what happened."""
    arguments = ["--target", f"unix:{tmp_path}/absent", "--questions", str(lines(tmp_path)), "--rate", "100"]
    assert load.main([*arguments, "--seconds", "0.2", "--warm-up", "0", "--json", str(tmp_path / "r.json")]) == 1
    printed = capsys.readouterr().out
    assert "failed: 20 UNANSWERED" in printed
    assert "WRONG" not in printed


def test_an_unexpected_status_is_a_failure_but_no_wrong_answer() -> None:
    """It is said once, under its name."""
    outcome = Outcome(seconds=1, calls=1, decisions=1, all_calls=8, wrong=5, errors={"INTERNAL": 3, "RESET": 4})
    assert load.remarks(CLOSED, outcome) == ["failed: 3 INTERNAL, 4 RESET", "2 WRONG answers"]


def test_the_python_generator_needs_no_compiler(
    sidecar: Sidecar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open loop on asyncio, and one call at a time; it catches the wrong verdict too."""
    assert load.main(command(sidecar, tmp_path, "--generator", "python", "--rate", "200")) == 0
    alone = ("--generator", "python", "--in-flight", "1", "--connections", "1")
    assert load.main(command(sidecar, tmp_path, *alone)) == 0
    assert load.main(command(sidecar, tmp_path, "--generator", "python", "--rate", "400", turned=100)) == 1
    assert "WRONG answers; question 100 " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--target", "unix:/x"], "--target needs --questions"),
        (["--rate", "1", "--in-flight", "4"], "exclude each other"),
        (["--in-flight", "6"], "multiple of the 4 connections"),
        (["--rate", "0"], "greater than 0"),
        (["--certificate", "c.pem"], "go together"),
        (["--tls"], "--tls needs a --target HOST:PORT"),
        (["--generator", "k6"], "invalid choice"),
    ],
)
def test_options_that_do_not_fit_are_explained(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as ended:
        load.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_bad_questions_file_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line."""
    path = tmp_path / "mine.jsonl"
    path.write_text("nonsense", encoding="utf-8")
    assert load.main(["--target", "unix:/x", "--questions", str(path)]) == 2
    assert "mine.jsonl, line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "caller", [PythonCaller(), PythonCaller(stub=True), NodeCaller(), H2load()], ids=lambda each: each.name
)
def test_every_caller_is_right(sidecar: Sidecar, caller: Generator) -> None:
    """Over the unix socket and TCP, each answer checked (h2load's by the sidecar's counts)."""
    reason = caller.missing()
    if reason is not None:
        pytest.skip(f"{caller.name}: {reason}")
    for endpoint in sidecar.endpoints().values():
        outcome = caller.run(endpoint, sidecar.questions(Ask()) or (), CLOSED)
        assert (outcome.wrong, dict(outcome.errors)) == (0, {}), outcome.first_wrong
        assert outcome.calls == outcome.latencies.count > 0


@pytest.mark.parametrize("caller", [PythonCaller(), PythonCaller(stub=True), NodeCaller()], ids=lambda each: each.name)
def test_every_caller_catches_a_wrong_verdict(sidecar: Sidecar, caller: Generator) -> None:
    """Questions that expect the opposite are all wrong."""
    reason = caller.missing()
    if reason is not None:
        pytest.skip(f"{caller.name}: {reason}")
    right = sidecar.questions(Ask()) or ()
    allow = next(each for each, pair in zip(right, PAIRS, strict=True) if pair.allowed)
    deny = next(each for each, pair in zip(right, PAIRS, strict=True) if not pair.allowed)
    swapped = [Question(allow.path, allow.body, deny.expectations), deny]
    outcome = caller.run(sidecar.endpoints()["unix"], swapped, CLOSED)
    assert outcome.wrong == pytest.approx(outcome.calls / 2, abs=1)
    assert outcome.wrong > 0
    assert outcome.first_wrong.startswith("question 0 answered ")


def test_what_a_caller_cannot_ask_is_said() -> None:
    """The client library has no batches of foreign bytes, and asyncio no closed loop."""
    batches = our_questions(Ask(batch=2)) or ()
    sidecar = Sidecar("stock")
    sidecar.start()
    try:
        endpoint = sidecar.endpoints()["unix"]
        with pytest.raises(GeneratorFailed, match="single Checks"):
            PythonCaller().run(endpoint, batches, CLOSED)
        with pytest.raises(GeneratorFailed, match="single Checks"):
            AsyncioClient().run(endpoint, batches, Load(rate=10))
        assert not AsyncioClient().can(endpoint, CLOSED)
    finally:
        sidecar.stop()


@needs_c
@pytest.mark.parametrize(
    "subject",
    [DictServer("aio"), DictServer("threads"), EmptyTransport("stock"), EmptyTransport("inline"), Ceiling()],
    ids=lambda each: each.name,
)
def test_every_subject_answers_rightly(subject: Subject) -> None:
    """On every endpoint, with nothing left when it has stopped."""
    reason = subject.missing()
    if reason is not None:
        pytest.skip(f"{subject.name}: {reason}")
    subject.prepare()
    subject.start()
    try:
        for endpoint in subject.endpoints().values():
            outcome = CClient().run(
                endpoint, subject.questions(Ask()) or (), Load(connections=2, streams=8, seconds=0.3)
            )
            assert (outcome.wrong, dict(outcome.errors)) == (0, {}), outcome.first_wrong
            assert outcome.calls > 0
    finally:
        subject.stop()
    assert subject.pids() == ()


@needs_c
@pytest.mark.parametrize("transport", ["stock", "inline"])
def test_tls_is_spoken_and_verified(transport: str) -> None:
    """With the right authority every answer is right; with none the connection is refused by the client."""
    sidecar = Sidecar(transport, tls=True)
    sidecar.start()
    try:
        endpoint = sidecar.endpoints()["tls"]
        outcome = CClient().run(endpoint, sidecar.questions(Ask()) or (), CLOSED)
        assert (outcome.wrong, dict(outcome.errors)) == (0, {})
        assert outcome.calls > 0
        stranger = CClient().run(type(endpoint)("tls", endpoint.address), sidecar.questions(Ask()) or (), CLOSED)
        assert stranger.calls == 0
        assert set(stranger.errors) == {"CONNECTION"}
    finally:
        sidecar.stop()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
def test_a_server_does_not_outlive_a_benchmark_that_is_killed() -> None:
    """Not even SIGKILL leaves one behind."""
    code = (
        "import sys; from benchmarks.subjects.bare import DictServer; server = DictServer('threads'); server.start();"
        "print(server.pids()[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as benchmark:
        assert benchmark.stdout is not None
        server = int(benchmark.stdout.readline())
        assert is_running(server)
        benchmark.kill()
    wait_until(lambda: not is_running(server), 10, "the end of the server")


@needs_c
def test_a_certificate_is_shown_where_one_is_wanted(tmp_path: Path) -> None:
    """Mutual TLS: with the certificate every answer is right, without it there is none."""
    identity = certificate(tmp_path, "caller")
    sidecar = Sidecar("stock", tls=True, settings={"TLS_CLIENT_CA": str(identity[0])})
    sidecar.start()
    try:
        endpoint = sidecar.endpoints()["tls"]
        known = CClient(identity=identity).run(endpoint, sidecar.questions(Ask()) or (), CLOSED)
        assert (known.wrong, dict(known.errors)) == (0, {})
        assert known.calls > 0
        assert CClient().run(endpoint, sidecar.questions(Ask()) or (), CLOSED).calls == 0
    finally:
        sidecar.stop()
