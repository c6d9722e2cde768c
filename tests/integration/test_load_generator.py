"""The C client against servers that answer rightly, wrongly, with errors, late, and not at all: what it reports is what happened."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from benchmarks.generators.c_client import CClient
from benchmarks.generators.checking import is_met
from benchmarks.generators.compiled import why_not
from benchmarks.generators.generator import GeneratorFailed, Load
from benchmarks.generators.question import Expectation, Question, contains, equals, lacks, numbers, starts
from benchmarks.questions import PAIRS, Ask
from benchmarks.subjects.our_questions import our_questions
from benchmarks.subjects.sidecar import Sidecar
from benchmarks.subjects.subject import Endpoint
from entitlements.v1 import check_service_pb2, decision_pb2

MISSING = why_not()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"the C client cannot be compiled: {MISSING}")

SHORT = Load(connections=2, streams=4, seconds=0.3, warm_up_s=0.1)
VERDICTS = {(pair.customer, pair.feature): pair.allowed for pair in PAIRS}
Handler = Callable[[check_service_pb2.CheckRequest, grpc.ServicerContext], check_service_pb2.CheckResponse]


def right(request: check_service_pb2.CheckRequest, _: grpc.ServicerContext) -> check_service_pb2.CheckResponse:
    """Answer as the vendor's rule says."""
    allowed = VERDICTS[request.customer_id, request.feature]
    code = decision_pb2.CODE_ENTITLED if allowed else decision_pb2.CODE_NOT_IN_PLAN
    return check_service_pb2.CheckResponse(allowed=allowed, code=code)


@contextlib.contextmanager
def answering(handler: Handler, folder: Path, *options: tuple[str, int]) -> Iterator[Endpoint]:
    """Serve Check by a handler for the length of a `with` block."""
    method = grpc.unary_unary_rpc_method_handler(
        handler, check_service_pb2.CheckRequest.FromString, check_service_pb2.CheckResponse.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("entitlements.v1.CheckService", {"Check": method}),)
    )
    path = folder / "s.sock"
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield Endpoint("unix", str(path))
    finally:
        server.stop(0).wait()


def check_questions() -> tuple[Question, ...]:
    """Return the fixed questions."""
    return our_questions(Ask()) or ()


def test_right_answers_are_right(tmp_path: Path) -> None:
    """Each of the 600 verdicts was seen, none was wrong, latencies are counted once per call."""
    with answering(right, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), Load(connections=2, streams=4, seconds=1.0, warm_up_s=0.1))
    assert outcome.wrong == 0, outcome.first_wrong
    assert outcome.errors == {}
    assert outcome.calls > len(PAIRS)
    assert outcome.latencies.count == outcome.calls == outcome.decisions < outcome.all_calls
    assert 0 < outcome.latencies.summary_us()["p50"] < 1_000_000


def test_one_wrong_verdict_among_600_is_caught(tmp_path: Path) -> None:
    """A server that turns a single pair's verdict round is found out, and the question is named."""

    def wrong(
        request: check_service_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> check_service_pb2.CheckResponse:
        answer = right(request, context)
        if (request.customer_id, request.feature) == (PAIRS[17].customer, PAIRS[17].feature):
            answer.allowed = not answer.allowed
        return answer

    with answering(wrong, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), Load(connections=2, streams=4, seconds=1.0, warm_up_s=0))
    assert outcome.wrong >= 1
    assert outcome.wrong <= outcome.calls / len(PAIRS) + 1
    assert outcome.first_wrong.startswith("question 17 answered ")


def test_a_right_verdict_for_the_wrong_reason_is_caught(tmp_path: Path) -> None:
    """An answer from a fallback has another code; that it is right by chance does not help."""

    def fallback(request: check_service_pb2.CheckRequest, _: grpc.ServicerContext) -> check_service_pb2.CheckResponse:
        allowed = VERDICTS[request.customer_id, request.feature]
        return check_service_pb2.CheckResponse(allowed=allowed, code=decision_pb2.CODE_POLICY_NOT_READY)

    with answering(fallback, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), SHORT)
    assert outcome.wrong == outcome.calls > 0


def test_errors_are_counted_by_status(tmp_path: Path) -> None:
    """A gRPC error is no success, although its HTTP status is 200."""

    def refuse(_: check_service_pb2.CheckRequest, context: grpc.ServicerContext) -> check_service_pb2.CheckResponse:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        raise AssertionError

    with answering(refuse, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), SHORT)
    assert outcome.calls == 0
    assert set(outcome.errors) == {"RESOURCE_EXHAUSTED"}
    assert outcome.wrong == outcome.errors["RESOURCE_EXHAUSTED"] > 0


def test_a_deadline_is_carried_and_its_end_is_counted(tmp_path: Path) -> None:
    """A server that takes longer than the caller gives it is no success."""
    patience: list[float] = []

    def slow(_: check_service_pb2.CheckRequest, context: grpc.ServicerContext) -> check_service_pb2.CheckResponse:
        patience.append(context.time_remaining())
        time.sleep(0.1)
        return check_service_pb2.CheckResponse()

    with answering(slow, tmp_path) as endpoint:
        load = Load(connections=1, streams=2, seconds=0.5, warm_up_s=0, deadline_ms=30)
        outcome = CClient().run(endpoint, check_questions(), load)
    assert 0 < max(patience) <= 0.03
    assert outcome.calls == 0
    assert sum(outcome.errors.values()) > 0


def test_an_unknown_method_is_an_error(tmp_path: Path) -> None:
    """UNIMPLEMENTED is seen by its name."""
    with answering(right, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, [Question("/nobody.Knows/This", b"", ())], SHORT)
    assert set(outcome.errors) == {"UNIMPLEMENTED"}


def test_a_stall_is_seen_by_every_question_that_was_due(tmp_path: Path) -> None:
    """Half a second of silence at 200/s is a hundred slow questions from the due instant, not one."""
    began = time.monotonic()

    def stalling(
        request: check_service_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> check_service_pb2.CheckResponse:
        since = time.monotonic() - began
        if 0.8 < since < 1.3:
            time.sleep(1.3 - since)
        return right(request, context)

    with answering(stalling, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), Load(rate=200, seconds=1.5, warm_up_s=0.1))
    slow = sum(count for value, count in outcome.latencies.cells if value > 50_000_000)
    assert 60 <= slow <= 140
    assert outcome.calls == 300
    assert outcome.asked_per_second == pytest.approx(200, rel=0.02)


def test_a_server_that_dies_and_comes_back_is_accounted_for(tmp_path: Path) -> None:
    """Every question that was due has an end: an answer, or an error with a name; after the restart there are answers again."""
    answered = threading.Event()

    def noting(
        request: check_service_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> check_service_pb2.CheckResponse:
        answered.set()
        return right(request, context)

    load = Load(connections=2, rate=500, seconds=2.0, warm_up_s=0)
    with ThreadPoolExecutor(1) as pool:
        with answering(noting, tmp_path) as endpoint:
            asking = pool.submit(CClient().run, endpoint, check_questions(), load)
            assert answered.wait(10)
        with answering(right, tmp_path):
            outcome = asking.result()
    assert not outcome.first_wrong
    assert outcome.calls > 100
    assert outcome.connects > 2
    assert outcome.calls + sum(outcome.errors.values()) == 1000


def test_nobody_there_is_no_success(tmp_path: Path) -> None:
    """Every question that was due counts, though it could not even be sent."""
    endpoint = Endpoint("unix", str(tmp_path / "absent"))
    outcome = CClient().run(endpoint, check_questions(), Load(rate=100, seconds=0.3, warm_up_s=0))
    assert outcome.calls == 0
    assert sum(outcome.errors.values()) == 30


def test_options_that_make_no_sense_are_explained() -> None:
    """The client's own complaint reaches the reader."""
    with pytest.raises(GeneratorFailed, match="HOST:PORT"):
        CClient().run(Endpoint("tcp", "nowhere"), check_questions(), SHORT)


@pytest.mark.parametrize("load", [Load(connections=2, streams=8), Load(connections=2, rate=2_000, poisson=True)])
def test_connections_that_have_grown_old_are_replaced(tmp_path: Path, load: Load) -> None:
    """A server that says goodbye to each connection after a tenth of a second costs no call and no wrong answer."""
    ages = ("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 1_000)
    with answering(right, tmp_path, *ages) as endpoint:
        outcome = CClient().run(endpoint, check_questions(), replace(load, seconds=1.5, warm_up_s=0.1))
    assert (outcome.wrong, dict(outcome.errors)) == (0, {}), outcome.first_wrong
    assert outcome.connects > 8
    assert outcome.calls > 100


def serve_lines(
    folder: Path, answer: Callable[[bytes], bytes], end: bytes
) -> tuple[Endpoint, threading.Thread, socket.socket]:
    """Answer one connection's requests, each of which ends with `end`, until it is closed."""
    path = folder / "p.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener.accept()[0] as client:
            pending = b""
            while chunk := client.recv(65536):
                *whole, pending = (pending + chunk).split(end)
                for request in whole:
                    client.sendall(answer(request))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return Endpoint("unix", str(path)), thread, listener


@pytest.mark.parametrize("chunked", [False, True])
def test_http_answers_are_read_and_checked(tmp_path: Path, chunked: bool) -> None:  # noqa: FBT001
    """Both framings of HTTP/1.1; a wrong body and a wrong status are told apart."""

    def answer(request: bytes) -> bytes:
        body = b'{"result":true}' if b"/yes" in request else b'{"result":false}'
        status = b"503 Down" if b"/down" in request else b"200 OK"
        if chunked:
            half = len(body) // 2
            parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
            return b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n%s" % (status, parts)
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)

    def get(path: str, *expected: bytes) -> Question:
        return Question("", f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), tuple(map(contains, expected)), 200)

    endpoint, thread, listener = serve_lines(tmp_path, answer, b"\r\n\r\n")
    questions = [get("/yes", b":true"), get("/no", b":false"), get("/no", b":true"), get("/down")]
    load = Load(seconds=0.3, warm_up_s=0)
    outcome = CClient().run(Endpoint("unix", endpoint.address, "http1"), questions, load)
    thread.join(5)
    listener.close()
    assert set(outcome.errors) == {"HTTP_503"}
    assert outcome.calls == pytest.approx(3 * outcome.errors["HTTP_503"], abs=3)
    assert outcome.wrong == pytest.approx(2 * outcome.errors["HTTP_503"], abs=2)


def test_redis_replies_are_read_and_checked(tmp_path: Path) -> None:
    """Bulk strings, nulls, arrays, integers and errors, pipelined."""
    replies = {b"yes": b"$1\r\n1\r\n", b"no": b"$-1\r\n", b"many": b"*2\r\n$1\r\n1\r\n:0\r\n", b"bad": b"-ERR no\r\n"}
    endpoint, thread, listener = serve_lines(tmp_path, lambda request: replies[request], b"\r\n")
    questions = [Question("", each + b"\r\n", (equals(reply),)) for each, reply in replies.items()]
    questions.append(Question("", b"bad\r\n", (lacks(b"ERR"),)))
    load = Load(streams=8, seconds=0.3, warm_up_s=0)
    outcome = CClient().run(Endpoint("unix", endpoint.address, "resp"), questions, load)
    thread.join(5)
    listener.close()
    assert outcome.errors == {}
    assert outcome.wrong == pytest.approx(outcome.calls / 5, abs=1)
    assert outcome.first_wrong.startswith("question 4 ")


@pytest.mark.parametrize(
    "expectation, met",
    [
        (numbers((), 1, [1]), True),
        (numbers((), 1, [0]), False),
        (numbers((), 2, [120]), True),
        (numbers((), 3, [0]), True),
        (numbers((8,), 3, [7]), True),
        (numbers((8,), 3, [7, 7]), False),
        (numbers((5,), 1, []), True),
        (starts(b"\x08\x01"), True),
        (starts(b"\x08\x00"), False),
        (contains(b"id-1"), True),
        (lacks(b"id-1"), False),
        (equals(b""), False),
    ],
)
def test_expectations_of_a_message(tmp_path: Path, expectation: Expectation, met: bool) -> None:  # noqa: FBT001
    """Each kind, met and missed, on one real answer."""
    answer = check_service_pb2.CheckResponse(allowed=True, code=decision_pb2.CODE_ENTITLED, decision_id="id-1")
    answer.freshness.seq = 7
    fields = {field.name: field.number for field in type(answer.freshness).DESCRIPTOR.fields}
    assert fields["seq"] == 3
    question = Question("/entitlements.v1.CheckService/Check", PAIRS[0].request, (expectation,))
    with answering(lambda *_: answer, tmp_path) as endpoint:
        outcome = CClient().run(endpoint, [question], Load(seconds=0.05, warm_up_s=0))
    assert outcome.calls > 0
    assert outcome.wrong == (0 if met else outcome.calls)
    assert is_met(question, answer.SerializeToString()) == met


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_our_serving_process_is_right_on_every_question(kind: str) -> None:
    """The real process on a real store: single checks, batches and every payload."""
    sidecar = Sidecar("stock")
    sidecar.start()
    try:
        endpoint = next(each for name, each in sidecar.endpoints().items() if name == kind)
        for ask in (Ask(), Ask(batch=100), Ask(batch=20, same_customer=True), Ask(payload="1KiB")):
            outcome = CClient().run(endpoint, sidecar.questions(ask) or (), SHORT)
            assert (outcome.wrong, outcome.errors) == (0, {}), (ask, outcome.first_wrong)
            assert outcome.decisions > 0
        pids = sidecar.pids()
    finally:
        sidecar.stop()
    assert sidecar.pids() == ()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
