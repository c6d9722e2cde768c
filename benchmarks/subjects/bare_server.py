"""A gRPC server in Python that only looks the answer up: what a team writes in an afternoon, and what a transport costs with nothing behind it.

    python -m benchmarks.subjects.bare_server {aio|threads|inline|stock} SOCKET

`aio` and `threads` are grpcio's two servers with a dict look-up between generated messages. `inline` and `stock` are our transports with a handler
that returns one constant, whatever is asked. Writes a line with its TCP port when it answers; ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from benchmarks.questions import CUSTOMERS, PLANS, plan_of
from benchmarks.subjects.our_questions import SERVICE
from entitlements.runtime.forms import Address
from entitlements.v1 import check_service_pb2, decision_pb2
from sidecar.serving.transports.choice import choose
from sidecar.serving.transports.seam import Endpoints, Limits, Surface

THREADS: Final = 4
HELD: Final = {customer: PLANS[plan_of(customer)] for customer in CUSTOMERS}


def look_up(request: check_service_pb2.CheckRequest) -> check_service_pb2.CheckResponse:
    """Return the verdict: the plan's features are a set in memory."""
    allowed = request.feature in HELD[request.customer_id]
    return check_service_pb2.CheckResponse(
        allowed=allowed, code=decision_pb2.CODE_ENTITLED if allowed else decision_pb2.CODE_NOT_IN_PLAN
    )


def constant() -> bytes:
    """Return an answer as long as ours are, with all the fields that ours have."""
    answer = look_up(check_service_pb2.CheckRequest(customer_id=CUSTOMERS[2], feature="feature-00"))
    answer.access_level = decision_pb2.ACCESS_LEVEL_FULL
    answer.source = decision_pb2.SOURCE_PLAN
    answer.freshness.epoch, answer.freshness.seq = 1_790_000_000, 1
    answer.decision_id = "00000000-0000"
    return answer.SerializeToString()


def method(behavior: Callable[[Any, Any], Any]) -> grpc.GenericRpcHandler:
    """Return Check answered by a function."""
    handler = grpc.unary_unary_rpc_method_handler(
        behavior, check_service_pb2.CheckRequest.FromString, check_service_pb2.CheckResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(SERVICE.strip("/"), {"Check": handler})


def ready(port: int | None) -> None:
    """Say that calls are answered."""
    gc.collect()
    gc.freeze()
    print(port, flush=True)


async def serve_aio(socket: str) -> None:
    """Serve with grpc.aio until SIGTERM."""

    async def check(request: check_service_pb2.CheckRequest, _: object) -> check_service_pb2.CheckResponse:
        return look_up(request)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((method(check),))
    server.add_insecure_port(f"unix:{socket}")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready(port)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await server.stop(0)


def serve_threads(socket: str, ended: threading.Event) -> None:
    """Serve with grpc.server and a pool of threads until told to end."""
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((method(lambda request, _: look_up(request)),))
    server.add_insecure_port(f"unix:{socket}")
    ready_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ready(ready_port)
    ended.wait()
    server.stop(0).wait()


def serve_constant(transport: str, socket: str, ended: threading.Event) -> int:
    """Serve one constant with a transport of ours; return 1 when that transport is not possible here."""
    answer = constant()
    surface = Surface({SERVICE + "Check": lambda _request, _call: answer}, (), print)
    choice = choose(transport)
    if choice.problem is not None:
        print(choice.problem, file=sys.stderr)
        return 1
    carrier = choice.make(surface, Limits(), Endpoints(Path(socket), listen=Address("127.0.0.1", 0)))
    carrier.bind(takeover=False)
    carrier.start()
    ready(carrier.tcp_port)
    ended.wait()
    carrier.stop(0.1)
    return 0


def main(argv: list[str]) -> int:
    """Serve until SIGTERM."""
    kind, socket = argv
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    if kind == "aio":
        asyncio.run(serve_aio(socket))
    elif kind == "threads":
        serve_threads(socket, ended)
    else:
        return serve_constant(kind, socket, ended)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
