"""The seam between what answers and what carries: handlers, refusals, limits, and what a transport promises.

A unary method is `handler(request_bytes, call) -> response_bytes`. Parsing happens inside the handler, so bytes that are no message get a
proper error instead of a library's. A handler computes and returns; one that would have to wait raises `NotYet`, because a transport may run
handlers where everything else runs too. Standard streaming services (health, reflection) bring their own registration with gRPC's public
server, on which every transport of ours is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import grpc

from entitlements.runtime.forms import Address

MAX_MESSAGE_BYTES: Final = 1 << 20
"""The largest request of any method; smaller limits of single methods are the handler's business."""

FAILED: Final = "the call failed inside the sidecar; the failure is counted and logged there"
TOO_LATE: Final = "the deadline passed before the call could be answered"


class Call(Protocol):
    """What a handler may know of the call it answers."""

    def time_remaining(self) -> float | None:
        """Return seconds until the caller's deadline; infinity or None without one."""


UnaryHandler: TypeAlias = Callable[[bytes, Call], bytes]


class Refused(Exception):  # noqa: N818 - a refusal is an expected outcome for a bad request
    """The request gets a gRPC status instead of an answer. `trailing` is the trailing metadata with the machine-readable details."""

    def __init__(self, status: grpc.StatusCode, message: str, trailing: tuple[tuple[str, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.trailing = trailing


class NotYet(Exception):  # noqa: N818 - a request to be asked again, not an error
    """The answer may soon be a better one. The transport waits until `ready()` or `wait_s` seconds have passed, then calls `finish()`.

    Waiting is the transport's business, because only it knows how to wait without holding up other calls. `ready` is cheap and may be
    asked often. `finish` is called exactly once: at once by a transport that cannot wait now, and also when the caller has left.
    """

    def __init__(self, ready: Callable[[], bool], wait_s: float, finish: Callable[[], bytes]) -> None:
        super().__init__("not yet")
        self.ready = ready
        self.wait_s = wait_s
        self.finish = finish


@dataclass(frozen=True, slots=True)
class Surface:
    """Everything that one listener serves.

    `unary` maps full method paths such as `/package.Service/Method` to handlers. `attach` registers the standard services.
    `failed(path, error)` is told of every handler that broke its promise; its caller gets INTERNAL.
    """

    unary: Mapping[str, UnaryHandler]
    attach: tuple[Callable[[grpc.Server], None], ...]
    failed: Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a listener accepts before it refuses. Lengths of time are milliseconds, sizes bytes."""

    threads: int = 4
    max_concurrent: int = 256
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_metadata_bytes: int = 8 << 10
    max_streams_per_connection: int = 256
    max_connection_age_ms: int = 30 * 60_000
    connection_age_grace_ms: int = 30_000
    min_ping_interval_ms: int = 10_000

    def channel_arguments(self) -> list[tuple[str, int]]:
        """Return the limits that gRPC's core itself enforces."""
        return [
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_metadata_size", self.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", self.max_metadata_bytes),
            ("grpc.max_concurrent_streams", self.max_streams_per_connection),
            ("grpc.max_connection_age_ms", self.max_connection_age_ms),
            ("grpc.max_connection_age_grace_ms", self.connection_age_grace_ms),
            # A client may keep an idle connection alive with a ping each ten seconds; by default it would be sent away.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", self.min_ping_interval_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            # Two processes share the port while one takes over from the other; strangers are kept apart by a check of our own.
            ("grpc.so_reuseport", 1),
        ]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where to listen: a unix socket with its file mode, a TCP address (with TLS when there are credentials), or both."""

    socket: Path | None
    socket_mode: int = 0o660
    listen: Address | None = field(default=None)
    credentials: grpc.ServerCredentials | None = None


class Transport(Protocol):
    """Carries calls to a surface. Made, bound, started, stopped, once each."""

    @property
    def tcp_port(self) -> int | None:
        """Return the port bound, for an address with port 0."""

    def bind(self, *, takeover: bool) -> None:
        """Claim the endpoints; OSError or EndpointTaken names the one that cannot be had.

        With `takeover`, another process of ours still listens on them and will stop soon.
        """

    def start(self) -> None:
        """Begin to accept calls."""

    def release(self) -> None:
        """Give up the claim on the unix socket's path, so that a successor may take it; calls go on being answered."""

    def stop(self, grace_s: float) -> None:
        """Accept no more calls, let those in flight end within the grace, cancel the rest; return when done."""
