"""FeedService on the wire: a gRPC server with bounded sizes, counts and ages, authentication first, TLS by choice.

Handlers receive bytes and parse them themselves, so garbage is INVALID_ARGUMENT and not an internal error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from sqlalchemy.exc import SQLAlchemyError

from control.api.auth import RefusedCredentialError
from control.api.credentials import Principal, Scope
from control.api.feed import FeedRefusal, FeedService
from control.metrics import FEED_CALL, FEED_CALLS
from control.publishing.signing import NoSigningKeyError
from entitlements.runtime.certificates import CertificateFiles
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.v1 import feed_service_pb2
from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.status import Abort, abort_details, abort_with

SERVICE: Final = "entitlements.v1.FeedService"
THREADS: Final = 24
SNAPSHOT_STREAMS: Final = 12
MAX_CALLS: Final = 512
OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)
Authenticate = Callable[[str | None], Principal]
Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)


class FeedServer:
    """Owns the listener of the gRPC feed."""

    def __init__(
        self,
        service: FeedService,
        authenticate: Authenticate,
        address: str,
        clock: Clock,
        meters: Meters,
        *,
        tls: CertificateFiles | None = None,
    ) -> None:
        """Bind `address` (HOST:PORT or unix:PATH); OSError when it is taken. Without TLS, keep it off foreign networks."""
        self._authenticate = authenticate
        self._clock = clock
        self._meters = meters
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="feed")
        self._server = grpc.server(self._pool, options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._methods(service)),))
        try:
            if tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, tls.credentials())
        except RuntimeError as error:
            self._pool.shutdown(wait=False)
            raise OSError(f"cannot listen on {address}: {error}") from None

    def start(self) -> None:
        """Begin to accept calls."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, give those in flight `grace_s` seconds, and end."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False)

    def _methods(self, service: FeedService) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
        messages = feed_service_pb2
        return {
            "GetHeartbeat": self._unary("GetHeartbeat", messages.GetHeartbeatRequest, service.get_heartbeat),
            "GetRange": self._unary("GetRange", messages.GetRangeRequest, service.get_range),
            "GetCustomers": self._unary("GetCustomers", messages.GetCustomersRequest, service.get_customers),
            "GetKeySet": self._unary("GetKeySet", messages.GetKeySetRequest, service.get_key_set),
            "Ack": self._unary("Ack", messages.AckRequest, service.ack),
            "GetSnapshot": self._stream("GetSnapshot", messages.GetSnapshotRequest, service.get_snapshot),
        }

    def _unary(
        self, name: str, kind: type[Request], answer: Callable[[Request], Message]
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        def behave(raw: bytes, context: grpc.ServicerContext) -> bytes:
            with self._settling(name, context):
                return answer(self._admit(raw, kind, context)).SerializeToString()

        return grpc.unary_unary_rpc_method_handler(behave)

    def _stream(
        self, name: str, kind: type[Request], answer: Callable[[Request], Iterator[Message]]
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        def behave(raw: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            with self._settling(name, context):
                for message in answer(self._admit(raw, kind, context)):
                    yield message.SerializeToString()

        return grpc.unary_stream_rpc_method_handler(behave)

    def _admit(self, raw: bytes, kind: type[Request], context: grpc.ServicerContext) -> Request:
        """Authenticate, then parse: nothing of a stranger's message is looked at."""
        header = next((value for key, value in context.invocation_metadata() or () if key == "authorization"), None)
        principal = self._authenticate(header.decode("latin-1") if isinstance(header, bytes) else header)
        if not principal.may(Scope.SIDECAR):
            raise FeedRefusal(
                grpc.StatusCode.PERMISSION_DENIED,
                "SCOPE_MISSING",
                f"the key {principal.name!r} lacks the scope {Scope.SIDECAR.value}",
            )
        try:
            return kind.FromString(raw)
        except DecodeError:
            remedy = f"send a serialized {kind.DESCRIPTOR.full_name}"
            raise FieldError("", "cannot be parsed", remedy, FieldReason.MALFORMED) from None

    def _settling(self, name: str, context: grpc.ServicerContext) -> _Settling:
        return _Settling(self._meters, self._clock, name, context)


class _Settling:
    """Ends a call: what was raised becomes a status, and the call is counted and timed."""

    def __init__(self, meters: Meters, clock: Clock, name: str, context: grpc.ServicerContext) -> None:
        self._meters = meters
        self._clock = clock
        self._name = name
        self._context = context
        self._started_ms = clock.monotonic_ms()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Settle."""
        end = _end_of(error)
        self._meters.counter(FEED_CALLS, self._name, end.code.name).inc()
        elapsed_s = (self._clock.monotonic_ms() - self._started_ms) / 1_000
        self._meters.histogram(FEED_CALL, self._name).observe(elapsed_s)
        if error is None or isinstance(error, GeneratorExit):
            return
        if end.code is grpc.StatusCode.INTERNAL:
            structlog.get_logger().error("feed_call_failed", method=self._name, exc_info=error)
        self._context.set_trailing_metadata(end.metadata)
        self._context.abort(end.code, end.text)


def _end_of(error: BaseException | None) -> Abort:
    status = grpc.StatusCode
    if error is None:
        return Abort(status.OK, "", ())
    if isinstance(error, GeneratorExit):
        return Abort(status.CANCELLED, "", ())
    if isinstance(error, FieldError):
        return abort_details(error)
    if isinstance(error, FeedRefusal):
        return abort_with(error.status, str(error), error.reason, retry_after_ms=error.retry_after_ms)
    if isinstance(error, RefusedCredentialError):
        return abort_with(
            status.UNAUTHENTICATED, f"{error}; send `authorization: Bearer ent_...`", "CREDENTIAL_REFUSED"
        )
    if isinstance(error, SQLAlchemyError):
        return abort_with(status.UNAVAILABLE, "the control plane's database is away", "DATABASE_AWAY")
    if isinstance(error, NoSigningKeyError):
        return abort_with(status.UNAVAILABLE, "the control plane cannot sign now", "NO_SIGNING_KEY")
    return abort_with(status.INTERNAL, "the call failed inside the control plane and is logged there", "INTERNAL")
