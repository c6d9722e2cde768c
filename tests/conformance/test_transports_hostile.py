"""Every transport against callers who do not behave: silent, deaf, cut off, flooding. Nobody else may notice."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from tests.conformance.test_transports import BASE, WAIT_S, Running, code_of, make, run
from tests.support.processes import wait_until
from tests.support.raw_http2 import (
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    RawClient,
    frame,
    headers,
)

__all__ = ["make", "run"]  # fixtures


@pytest.fixture
def raw() -> Iterator[Callable[..., RawClient]]:
    """Return a function that connects by hand; connections are closed at the end."""
    opened: list[RawClient] = []

    def connect(running: Running, *, window: int = 65_535) -> RawClient:
        opened.append(RawClient(running.socket, window=window))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def answers(running: Running) -> bool:
    """Return whether a well-behaved caller is answered by both endpoints, at the latest when he repeats what was refused for the moment."""

    def answered(by: str) -> bool:
        try:
            return bool(running.call("echo", by)(b"x", timeout=WAIT_S) == b"x")
        except grpc.RpcError as error:
            if status_of(error) is grpc.StatusCode.RESOURCE_EXHAUSTED:
                return False
            raise

    for by in ("unix", "tcp"):
        wait_until(lambda by=by: answered(by), WAIT_S, f"an answer by {by}")  # type: ignore[misc]
    return True


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Return the status that a failed call came to."""
    failed: Any = error
    status = failed.code()
    assert isinstance(status, grpc.StatusCode)
    return status


def test_deaf_callers_hold_nobody_up(run: Callable[..., Running], raw: Callable[..., RawClient]) -> None:
    """Callers with a window of nothing never take their answers; more of them than may be in flight, and others are answered."""
    running = run(threads=2, max_concurrent=64, max_streams_per_connection=100)
    for _ in range(3):
        client = raw(running, window=0)
        for _ in range(50):
            client.ask(BASE + "echo", b"y" * 1000)
    assert answers(running)


def test_callers_who_leave_in_the_middle_leave_nothing(
    run: Callable[..., Running], raw: Callable[..., RawClient]
) -> None:
    """Connections that end after headers, in a frame, after a message, or while a call waits."""
    running = run()
    for number in range(40):
        client = raw(running)
        if number % 4 == 0:
            client.open(BASE + "echo")
        elif number % 4 == 1:
            client.open(BASE + "echo")
            client.socket.sendall(frame(DATA, 0, 1, b"\0\0\0\0\x64abc"))
        elif number % 4 == 2:
            client.ask(BASE + "echo", b"bye")
        else:
            client.ask(BASE + "watch", b"")
        client.close()
    assert answers(running)
    wait_until(lambda: len(running.methods.seen) == len(running.methods.begun), WAIT_S, "the end of every wait")


def test_reset_streams_cost_nothing(run: Callable[..., Running], raw: Callable[..., RawClient]) -> None:
    """Calls that are reset at once, a thousand times on one connection (what CVE-2023-44487 did)."""
    running = run()
    client = raw(running)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the listener may send such a caller away
        for _ in range(1000):
            stream = client.ask(BASE + "echo", b"x")
            client.socket.sendall(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
    assert answers(running)


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        PREFACE + b"\xff" * 200,
        PREFACE + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff"),
        PREFACE + frame(DATA, 0, 1, b"no headers before"),
        PREFACE + frame(HEADERS, END_HEADERS, 2, headers(BASE + "echo")),
    ],
    ids=["http1", "tls", "noise", "broken header block", "data first", "even stream"],
)
def test_bytes_that_are_no_call_end_their_connection_alone(run: Callable[..., Running], junk: bytes) -> None:
    """Each kind of nonsense, and the next caller is answered."""
    running = run()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(running.socket))
        connection.sendall(junk)
        assert answers(running)


def test_message_whose_length_is_a_lie_is_refused(run: Callable[..., Running], raw: Callable[..., RawClient]) -> None:
    """Half a message and the end of the stream is no message; a length beyond the limit is refused before it is read."""
    running = run(max_message_bytes=10_000)
    client = raw(running)
    stream = client.open(BASE + "echo")
    client.socket.sendall(frame(DATA, 1, stream, b"\0\0\0\0\x64abc"))
    stream = client.open(BASE + "echo")
    client.socket.sendall(frame(DATA, 0, stream, b"\0\x7f\xff\xff\xff"))
    assert answers(running)
    assert running.methods.failures == []


def test_flood_from_many_connections_leaves_others_their_answers(run: Callable[..., Running]) -> None:
    """Three connections keep two hundred calls each in flight; one more caller is answered all the same."""
    running = run(threads=2, max_concurrent=4096)
    stop = threading.Event()
    served = []

    def flood() -> None:
        own: Any = grpc.insecure_channel(f"unix:{running.socket}", [("grpc.use_local_subchannel_pool", 1)])
        with own as channel:
            method = channel.unary_unary(BASE + "echo")
            count = 0
            while not stop.is_set():
                calls = [method.future(b"x" * 100, timeout=WAIT_S) for _ in range(200)]
                count += sum(call.result() == b"x" * 100 for call in calls)
            served.append(count)

    floods = [threading.Thread(target=flood) for _ in range(3)]
    for thread in floods:
        thread.start()
    for _ in range(20):
        assert running.call("echo")(b"me", timeout=WAIT_S) == b"me"
    stop.set()
    for thread in floods:
        thread.join(WAIT_S)
    assert len(served) == len(floods)
    assert all(served)


def test_pings_beyond_measure_end_the_connection(run: Callable[..., Running], raw: Callable[..., RawClient]) -> None:
    """A caller may ping each ten seconds; one who hammers is told to calm down (ENHANCE_YOUR_CALM) and sent away."""
    running = run()
    client = raw(running)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may be sent away before the last
        for _ in range(8):
            client.socket.sendall(frame(PING, 0, 0, b"12345678"))
    reason = client.read_until(GOAWAY)
    assert int.from_bytes(reason[4:8], "big") == 11
    assert answers(running)


def test_connection_of_age_is_sent_away_without_a_lost_call(run: Callable[..., Running]) -> None:
    """Its caller connects again by itself; calls in flight at that moment are answered."""
    running = run(max_connection_age_ms=200, connection_age_grace_ms=2000)
    until = time.monotonic() + 1.5
    asked = failed = 0
    while time.monotonic() < until:
        asked += 1
        try:
            assert running.call("echo")(b"x", timeout=WAIT_S, wait_for_ready=True) == b"x"
        except grpc.RpcError as error:  # grpcio may hand a call to a connection that is being closed; clients repeat it
            if status_of(error) not in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}:
                raise
            failed += 1
    assert asked > 20
    assert failed <= asked // 20


def test_compressed_requests_are_understood(run: Callable[..., Running]) -> None:
    """By every method a caller may choose; a bomb that unfolds beyond the limit is refused."""
    running = run(max_message_bytes=100_000)
    for method in (grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression):
        assert running.call("echo")(b"z" * 50_000, timeout=WAIT_S, compression=method) == b"z" * 50_000
    bomb = b"\0" * 10_000_000
    refused = code_of(lambda: running.call("echo")(bomb, timeout=WAIT_S, compression=grpc.Compression.Gzip))
    assert refused is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answers(running)


def test_metadata_travels_without_harm(run: Callable[..., Running]) -> None:
    """Binary and text fields of a caller change nothing."""
    metadata = (("x-text", "words"), ("x-bytes-bin", bytes(range(256))))
    assert run().call("echo")(b"x", timeout=WAIT_S, metadata=metadata) == b"x"
