"""One suite for every transport: whatever carries calls behaves like this, or it is not used."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from entitlements.runtime.forms import Address
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.status import DETAILS_KEY, abort_details
from sidecar.serving.standard_services import CHECK_SERVICE, Health, attach_reflection
from sidecar.serving.transports.endpoints import EndpointTaken
from sidecar.serving.transports.inline import InlineTransport
from sidecar.serving.transports.seam import Call, Endpoints, Limits, NotYet, Refused, Surface, Transport
from sidecar.serving.transports.stock import StockTransport

TRANSPORTS: dict[str, Callable[[Surface, Limits, Endpoints], Transport]] = {
    "inline": InlineTransport,
    "stock": StockTransport,
}
WAIT_S = 10
BASE = "/test.Methods/"


@dataclass
class Methods:
    """Handlers of every kind, and what they saw."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Event = field(default_factory=threading.Event)
    begun: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def echo(self, request: bytes, _call: Call) -> bytes:
        """Give back what came."""
        return request

    def refuse(self, _request: bytes, _call: Call) -> bytes:
        """Refuse with details."""
        error = FieldError("customer_id", "is empty", "send one", FieldReason.FIELD_REQUIRED)
        raise Refused(*abort_details(error))

    def fail(self, _request: bytes, _call: Call) -> bytes:
        """Break."""
        raise RuntimeError("broken inside")

    def block(self, _request: bytes, _call: Call) -> bytes:
        """Ask to be called again when the gate opens."""
        self.entered.release()
        raise NotYet(self.gate.is_set, WAIT_S, lambda: b"done")

    def look(self, _request: bytes, call: Call) -> bytes:
        """Report the deadline."""
        remaining = call.time_remaining()
        return b"none" if remaining is None or remaining > 1e6 else f"{remaining:.3f}".encode()

    def watch(self, _request: bytes, _call: Call) -> bytes:
        """Ask to be called again, and see when that happens."""
        self.begun.append(time.monotonic())
        self.entered.release()

        def finish() -> bytes:
            self.seen.append(time.monotonic())
            self.arrived.set()
            return b""

        raise NotYet(lambda: False, 10 * WAIT_S, finish)

    def hold(self, _request: bytes, _call: Call) -> bytes:
        """Break the promise that a handler does not wait."""
        self.entered.release()
        assert self.gate.wait(WAIT_S)
        return b"done"

    def later(self, request: bytes, call: Call) -> bytes:
        """Ask to be called again."""
        self.entered.release()
        wait_s = min(WAIT_S, call.time_remaining() or WAIT_S)
        raise NotYet(self.arrived.is_set, wait_s, lambda: b"arrived" if self.arrived.is_set() else b"late" + request)

    def surface(self, *attach: Callable[[grpc.Server], None]) -> Surface:
        """Return everything under one service name."""
        names = ("echo", "refuse", "fail", "block", "hold", "look", "watch", "later")
        unary = {BASE + name: getattr(self, name) for name in names}
        return Surface(unary, attach, lambda path, error: self.failures.append((path, str(error))))


@dataclass
class Running:
    """A started transport, with a channel by each of its two endpoints."""

    transport: Transport
    methods: Methods
    health: Health
    socket: Path
    channels: dict[str, Any]

    def call(self, name: str, by: str = "unix") -> Any:
        """Return a callable for a method, as a client without generated code has it."""
        return self.channels[by].unary_unary(BASE + name)


@pytest.fixture(params=sorted(TRANSPORTS))
def make(request: pytest.FixtureRequest) -> Callable[[Surface, Limits, Endpoints], Transport]:
    """Return the constructor of each transport in turn."""
    return TRANSPORTS[request.param]


@pytest.fixture
def run(make: Callable[[Surface, Limits, Endpoints], Transport], tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return a function that starts a transport; it is stopped at the end."""
    started: list[Running] = []

    def start(**limits: int) -> Running:
        methods, health = Methods(), Health()
        path = tmp_path / "s.sock"
        endpoints = Endpoints(path, 0o660, Address("127.0.0.1", 0))
        transport = make(methods.surface(health.attach, attach_reflection), Limits(**limits), endpoints)
        transport.bind(takeover=False)
        transport.start()
        channels = {
            "unix": open_channel(f"unix:{path}"),
            "tcp": open_channel(f"127.0.0.1:{transport.tcp_port}"),
        }
        started.append(Running(transport, methods, health, path, channels))
        return started[-1]

    yield start
    for running in started:
        running.methods.gate.set()
        for channel in running.channels.values():
            channel.close()
        running.transport.stop(0)


def open_channel(target: str) -> Any:
    """Return a channel; without generated stubs its methods have no types."""
    return grpc.insecure_channel(target)


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """Return the status with which a call fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code = caught.value.code()
    assert isinstance(code, grpc.StatusCode)
    return code


@pytest.mark.parametrize("by", ["unix", "tcp"])
@pytest.mark.parametrize("request_bytes", [b"", b"\xff\xfe garbage", bytes(range(256)) * 100])
def test_bytes_travel_as_they_are(run: Callable[..., Running], by: str, request_bytes: bytes) -> None:
    """Nothing parses before the handler, so it sees garbage too and may name it."""
    assert run().call("echo", by)(request_bytes, timeout=WAIT_S) == request_bytes


def test_refusal_carries_status_message_and_details(run: Callable[..., Running]) -> None:
    """A client without our code decodes ErrorInfo and BadRequest from the trailing metadata."""
    with pytest.raises(grpc.RpcError) as caught:
        run().call("refuse")(b"", timeout=WAIT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "customer_id is empty; send one"
    trailing: Any = caught.value.trailing_metadata()
    status = status_pb2.Status.FromString(dict(trailing)[DETAILS_KEY])
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain) == ("FIELD_REQUIRED", "entitlements")
    assert [violation.field for violation in bad.field_violations] == ["customer_id"]


def test_broken_handler_costs_one_call(run: Callable[..., Running]) -> None:
    """INTERNAL without the exception's text, reported once, and the next call is answered."""
    running = run()
    with pytest.raises(grpc.RpcError) as caught:
        running.call("fail")(b"", timeout=WAIT_S)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "broken inside" not in str(caught.value.details())
    assert running.methods.failures == [(BASE + "fail", "broken inside")]
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"


def test_unknown_method_is_unimplemented(run: Callable[..., Running]) -> None:
    """Of a known service and of an unknown one."""
    running = run()
    assert code_of(lambda: running.call("nothing")(b"", timeout=WAIT_S)) is grpc.StatusCode.UNIMPLEMENTED
    other = running.channels["tcp"].unary_unary("/other.Service/Method")
    assert code_of(lambda: other(b"", timeout=WAIT_S)) is grpc.StatusCode.UNIMPLEMENTED


def test_oversized_message_is_resource_exhausted(run: Callable[..., Running]) -> None:
    """One byte below the limit passes, one above is refused before it is read."""
    running = run(max_message_bytes=10_000)
    assert len(running.call("echo")(b"x" * 10_000, timeout=WAIT_S)) == 10_000
    assert code_of(lambda: running.call("echo")(b"x" * 10_001, timeout=WAIT_S)) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_oversized_metadata_is_resource_exhausted(run: Callable[..., Running]) -> None:
    """Headers beyond 8 KiB cost their sender the call and nobody else anything."""
    running = run()
    big = (("x-filler", "y" * 20_000),)
    assert (
        code_of(lambda: running.call("echo")(b"", timeout=WAIT_S, metadata=big)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    )
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"


def test_handler_sees_the_deadline(run: Callable[..., Running]) -> None:
    """In seconds, and its absence as well."""
    running = run()
    # The wire rounds a deadline up, so the handler may see a little more than the caller asked for.
    assert 0 < float(running.call("look")(b"", timeout=5)) < 5.5
    assert running.call("look")(b"") == b"none"


def test_deadline_passes_for_the_caller(run: Callable[..., Running]) -> None:
    """A handler that takes too long does not hold its caller."""
    running = run()
    assert code_of(lambda: running.call("block")(b"", timeout=0.1)) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_call_that_outlived_its_deadline_in_the_queue_is_not_worked_on(run: Callable[..., Running]) -> None:
    """With the only thread held, a queued call whose deadline passes never reaches its handler."""
    running = run(threads=1, max_concurrent=8)
    held = running.call("hold").future(b"", timeout=WAIT_S)
    assert running.methods.entered.acquire(timeout=WAIT_S)
    assert code_of(lambda: running.call("fail")(b"", timeout=0.02)) is grpc.StatusCode.DEADLINE_EXCEEDED
    running.methods.gate.set()
    assert held.result(timeout=WAIT_S) == b"done"
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    assert running.methods.failures == []


def test_wait_of_a_caller_who_has_left_ends(run: Callable[..., Running]) -> None:
    """Nobody is waited for any more, and the handler is told once, long before the time is over."""
    running = run()
    call = running.call("watch").future(b"", timeout=WAIT_S)
    assert running.methods.entered.acquire(timeout=WAIT_S)
    call.cancel()
    assert running.methods.arrived.wait(WAIT_S)
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    assert len(running.methods.seen) == 1


def test_no_more_calls_wait_than_may(run: Callable[..., Running]) -> None:
    """As many wait as may be in flight; the next one is answered at once from what there is, and so are those that need not wait."""
    running = run(threads=1, max_concurrent=4)
    held = [running.call("later").future(b"!", timeout=WAIT_S) for _ in range(3)]
    for _ in held:
        assert running.methods.entered.acquire(timeout=WAIT_S)
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    for _ in range(4):  # transports may differ by the one that works while the others wait
        call = running.call("later", "tcp").future(b"!", timeout=WAIT_S)
        with contextlib.suppress(grpc.FutureTimeoutError):
            assert call.result(timeout=0.3) == b"late!"
            break
        held.append(call)
    else:
        pytest.fail("all of them wait")
    running.methods.arrived.set()
    assert {one.result(timeout=WAIT_S) for one in held} == {b"arrived"}


def test_waiting_calls_do_not_hold_up_others(run: Callable[..., Running]) -> None:
    """Many more waiting calls than threads: others are answered meanwhile, and the waiting ones as soon as they may go on."""
    running = run(threads=2, max_concurrent=64)
    waiting = [running.call("later").future(b"", timeout=WAIT_S) for _ in range(20)]
    for _ in waiting:
        assert running.methods.entered.acquire(timeout=WAIT_S)
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    assert not any(call.done() for call in waiting)
    running.methods.arrived.set()
    assert {call.result(timeout=WAIT_S) for call in waiting} == {b"arrived"}


def test_wait_ends_with_its_time(run: Callable[..., Running]) -> None:
    """What did not arrive in time is answered from what there is."""
    running = run()
    endless = running.methods

    def impatient(request: bytes, _call: Call) -> bytes:
        raise NotYet(endless.arrived.is_set, 0.05, lambda: b"late" + request)

    surface = Surface({BASE + "impatient": impatient}, (), lambda *_: None)
    path = running.socket.with_name("t.sock")
    transport = type(running.transport)(surface, Limits(), Endpoints(path))  # type: ignore[call-arg]
    transport.bind(takeover=False)
    transport.start()
    with open_channel(f"unix:{path}") as channel:
        assert channel.unary_unary(BASE + "impatient")(b"!", timeout=WAIT_S) == b"late!"
    transport.stop(0)


def test_callers_who_send_nothing_do_not_hold_up_others(run: Callable[..., Running]) -> None:
    """Calls that were opened and never got a message may not take every thread away."""
    running = run(threads=2, max_concurrent=64)
    silence = threading.Event()

    def nothing() -> Iterator[bytes]:
        silence.wait(WAIT_S)
        yield b""

    open_calls = [
        running.channels["tcp"].stream_unary(BASE + "echo").future(nothing(), timeout=WAIT_S) for _ in range(10)
    ]
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    silence.set()
    for call in open_calls:
        call.cancel()


def test_health_answers_check_and_tells_watchers_of_the_drain(run: Callable[..., Running]) -> None:
    """SERVING for the listener and the service, NOT_FOUND for others, NOT_SERVING from the drain on."""
    running = run(threads=1)
    stub = health_pb2_grpc.HealthStub(running.channels["unix"])
    for service in ("", CHECK_SERVICE):
        reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT_S)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    unknown = health_pb2.HealthCheckRequest(service="other")
    assert code_of(lambda: stub.Check(unknown, timeout=WAIT_S)) is grpc.StatusCode.NOT_FOUND
    watches = [stub.Watch(health_pb2.HealthCheckRequest(service=CHECK_SERVICE), timeout=WAIT_S) for _ in range(8)]
    assert {next(watch).status for watch in watches} == {health_pb2.HealthCheckResponse.SERVING}
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"  # watchers hold no thread
    running.health.drain()
    assert {next(watch).status for watch in watches} == {health_pb2.HealthCheckResponse.NOT_SERVING}
    for watch in watches:
        watch.cancel()


def test_reflection_lists_and_describes_the_services(run: Callable[..., Running]) -> None:
    """A client that knows nothing learns every method and field."""
    running = run()
    database = ProtoReflectionDescriptorDatabase(running.channels["tcp"])
    assert {CHECK_SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    described = database.FindFileContainingSymbol(CHECK_SERVICE)
    methods = [method.name for service in described.service for method in service.method]
    assert methods == ["Check", "BatchCheck", "ListEntitlements"]


def test_open_reflection_streams_do_not_hold_up_calls(run: Callable[..., Running]) -> None:
    """Reflection has threads of its own."""
    running = run(threads=1, max_concurrent=64)
    stop = threading.Event()

    def nothing() -> Iterator[bytes]:
        stop.wait(WAIT_S)
        yield from ()

    method = running.channels["tcp"].stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    streams = [method(nothing(), timeout=WAIT_S) for _ in range(8)]
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"
    stop.set()
    for stream in streams:
        stream.cancel()


def test_socket_has_its_mode_and_leaves_nothing_behind(run: Callable[..., Running]) -> None:
    """It appears under its name with its rights, and is gone after the stop."""
    running = run()
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o660
    assert stat.S_ISSOCK(running.socket.stat().st_mode)
    assert sorted(path.name for path in running.socket.parent.iterdir()) == ["s.sock", "s.sock.lock"]
    running.transport.stop(0)
    assert not running.socket.exists()


def test_stale_socket_is_replaced(run: Callable[..., Running], tmp_path: Path) -> None:
    """What a killed process left does not stop its successor."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s.sock"))
    assert run().call("echo")(b"x", timeout=WAIT_S) == b"x"


def test_second_listener_on_the_same_path_or_port_is_refused(
    run: Callable[..., Running], make: Callable[[Surface, Limits, Endpoints], Transport], tmp_path: Path
) -> None:
    """Nobody takes a place from another by accident, and the first one does not notice."""
    running = run()
    surface = Methods().surface()
    by_path = make(surface, Limits(), Endpoints(running.socket))
    with pytest.raises(EndpointTaken, match=rf"s\.sock is in use by process {os.getpid()}; stop it"):
        by_path.bind(takeover=False)
    port = running.transport.tcp_port
    assert port is not None
    by_port = make(surface, Limits(), Endpoints(tmp_path / "other.sock", listen=Address("127.0.0.1", port)))
    with pytest.raises(EndpointTaken, match=rf"127\.0\.0\.1:{port} is in use"):
        by_port.bind(takeover=False)
    assert running.call("echo")(b"x", timeout=WAIT_S) == b"x"


def test_successor_takes_the_path_over_while_calls_go_on(
    run: Callable[..., Running], make: Callable[[Surface, Limits, Endpoints], Transport]
) -> None:
    """After a release another transport owns path and port; calls in flight end with their answer, and new ones find the successor."""
    running = run()
    held = running.call("block").future(b"", timeout=WAIT_S)
    assert running.methods.entered.acquire(timeout=WAIT_S)
    running.transport.release()
    port = running.transport.tcp_port
    assert port is not None
    successor = make(Methods().surface(), Limits(), Endpoints(running.socket, listen=Address("127.0.0.1", port)))
    successor.bind(takeover=True)
    successor.start()
    running.methods.gate.set()
    running.transport.stop(WAIT_S)
    assert held.result(timeout=WAIT_S) == b"done"
    assert running.socket.exists()
    with open_channel(f"unix:{running.socket}") as channel:
        assert channel.unary_unary(BASE + "echo")(b"new", timeout=WAIT_S, wait_for_ready=True) == b"new"
    successor.stop(0)


def test_stop_lets_calls_in_flight_end(run: Callable[..., Running]) -> None:
    """Within the grace they are answered; new ones are not taken."""
    running = run()
    held = running.call("block").future(b"", timeout=WAIT_S)
    assert running.methods.entered.acquire(timeout=WAIT_S)
    stopping = threading.Thread(target=running.transport.stop, args=(WAIT_S,))
    stopping.start()
    running.methods.gate.set()
    assert held.result(timeout=WAIT_S) == b"done"
    stopping.join(WAIT_S)
    assert not stopping.is_alive()
    assert code_of(lambda: running.call("echo")(b"", timeout=1)) is grpc.StatusCode.UNAVAILABLE


def test_path_that_cannot_be_bound_is_refused_with_its_reason(
    make: Callable[[Surface, Limits, Endpoints], Transport], tmp_path: Path
) -> None:
    """A path longer than the kernel takes is named before anything is bound."""
    with pytest.raises(OSError, match="longer than 107 bytes; choose a shorter one"):
        make(Methods().surface(), Limits(), Endpoints(tmp_path / ("x" * 120)))


async def test_asyncio_client_gets_the_same_answers(run: Callable[..., Running]) -> None:
    """Another client implementation on the same listener."""
    running = run()
    opened: Any = grpc.aio.insecure_channel(f"unix:{running.socket}")
    async with opened as channel:
        assert await channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S) == b"x"
