"""The `stock` transport: gRPC's public server with generic handlers and no serializers, so bytes reach our handlers as they came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

import grpc

from sidecar.serving.transports.binding import Binding
from sidecar.serving.transports.seam import FAILED, TOO_LATE, Endpoints, Limits, NotYet, Refused, Surface, UnaryHandler
from sidecar.serving.transports.workers import Workers

POLL_S: Final = 0.002
"""How often a waiting call looks whether it may go on."""


class StockTransport:
    """A `grpc.server` on a unix socket, a TCP port, or both."""

    def __init__(self, surface: Surface, limits: Limits, endpoints: Endpoints) -> None:
        """Make the server; nothing is bound yet."""
        self._workers = Workers(limits.threads, most=max(limits.threads, limits.max_concurrent))
        self._stopping = threading.Event()
        self._server = grpc.server(
            self._workers,
            handlers=[_Unary(surface, self._wait)],
            options=limits.channel_arguments(),
            maximum_concurrent_rpcs=limits.max_concurrent,
        )
        for attach in surface.attach:
            attach(self._server)
        self._binding = Binding(self._server, endpoints)

    @property
    def tcp_port(self) -> int | None:
        """Return the port bound."""
        return self._binding.tcp_port

    def bind(self, *, takeover: bool) -> None:
        """Claim the endpoints; see `Transport.bind`."""
        self._binding.bind(takeover=takeover)

    def start(self) -> None:
        """Begin to accept calls."""
        self._server.start()

    def release(self) -> None:
        """Give up the claim on the socket's path; see `Transport.release`."""
        self._binding.release()

    def stop(self, grace_s: float) -> None:
        """End; see `Transport.stop`."""
        self._stopping.set()
        self._server.stop(grace_s).wait()
        self._binding.withdraw()
        self._workers.shutdown()

    def _wait(self, later: NotYet, context: grpc.ServicerContext) -> bytes:
        """Wait in this thread while another one stands in; at once when none is left."""
        with self._workers.waiting() as granted:
            until = monotonic() + (later.wait_s if granted else 0)
            while monotonic() < until and not later.ready() and context.is_active():
                if self._stopping.wait(POLL_S):
                    break
        return later.finish()

    def __repr__(self) -> str:
        """Show where it listens and what its workers do."""
        return f"<StockTransport [{self._binding!r} | {self._workers!r}]>"


class _Unary(grpc.GenericRpcHandler):
    """Finds the handler of a method path; gRPC answers UNIMPLEMENTED where there is none."""

    def __init__(self, surface: Surface, wait: Callable[[NotYet, grpc.ServicerContext], bytes]) -> None:
        self._methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            path: grpc.unary_unary_rpc_method_handler(_behavior(path, handler, surface, wait))
            for path, handler in surface.unary.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return what answers a method."""
        return self._methods.get(handler_call_details.method)


def _behavior(
    path: str, handler: UnaryHandler, surface: Surface, wait: Callable[[NotYet, grpc.ServicerContext], bytes]
) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    """Return a handler as gRPC calls it: what it raises becomes a status."""

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if context.time_remaining() == 0:  # it waited in the queue for longer than its caller does
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, TOO_LATE)
        try:
            try:
                return handler(request, context)
            except NotYet as later:
                return wait(later, context)
        except Refused as refusal:
            refused = refusal
        except Exception as error:  # noqa: BLE001 - the seam: a broken handler costs one call, never the process
            surface.failed(path, error)
            refused = Refused(grpc.StatusCode.INTERNAL, FAILED)
        context.set_trailing_metadata(refused.trailing)
        return context.abort(refused.status, refused.message)

    return answer
