"""Where the sidecar is and how patiently to call it: target, channel options, error translation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from entitlements.client.question import BadQuestion

DEFAULT_TARGET: Final = "unix:.run/sidecar.sock"
DEFAULT_TIMEOUT_S: Final = 0.25
TARGET_VARIABLE: Final = "ENTITLEMENTS_TARGET"
_SERVICE: Final = "entitlements.v1.CheckService"
CHECK: Final = f"/{_SERVICE}/Check"
BATCH_CHECK: Final = f"/{_SERVICE}/BatchCheck"
LIST_ENTITLEMENTS: Final = f"/{_SERVICE}/ListEntitlements"

# Checks are reads, so a call cut off by a restarting sidecar is repeated inside its deadline; gRPC's core answers one that arrives while
# its connection is being closed with CANCELLED. Reconnecting starts after 50 ms instead of gRPC's default second: the sidecar is on this
# machine and back within a second.
OPTIONS: Final = (
    ("grpc.enable_retries", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    (
        "grpc.service_config",
        json.dumps(
            {
                "methodConfig": [
                    {
                        "name": [{"service": _SERVICE}],
                        "retryPolicy": {
                            "maxAttempts": 4,
                            "initialBackoff": "0.02s",
                            "maxBackoff": "0.2s",
                            "backoffMultiplier": 2,
                            "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                        },
                    }
                ]
            }
        ),
    ),
)


class SidecarUnavailable(ConnectionError):  # noqa: N818 - named for what happened
    """The sidecar did not answer; only raised when the caller asked for it. ``status`` is the gRPC status name."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(f"the sidecar did not answer: {status}: {detail}")
        self.status = status


def target_of(target: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the target to call: the argument, else $ENTITLEMENTS_TARGET, else the default unix socket."""
    return target or environ.get(TARGET_VARIABLE) or DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call: gRPC status name, detail, and the caller's bug it reports, if it is one."""

    status: str
    detail: str
    bug: BadQuestion | None


class _Failed(Protocol):
    """What the errors of the synchronous and of the asynchronous library have in common."""

    def code(self) -> grpc.StatusCode: ...

    def details(self) -> str | None: ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def failure_of(error: grpc.RpcError) -> Failure:
    """Read a failed call of either library; anything without a status is UNKNOWN."""
    if not hasattr(error, "code"):
        return Failure("UNKNOWN", str(error), None)
    failed = cast("_Failed", error)
    detail = failed.details() or ""
    bug = None
    if failed.code() is grpc.StatusCode.INVALID_ARGUMENT:
        bug = BadQuestion(detail or "invalid question", _offending_field(failed))
    return Failure(failed.code().name, detail, bug)


def _offending_field(error: _Failed) -> str:
    """Return the first field named by the rich error details, or nothing."""
    for key, raw in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin" or not isinstance(raw, bytes):
            continue
        try:
            status = status_pb2.Status.FromString(raw)
            for detail in status.details:
                request = error_details_pb2.BadRequest()
                if detail.Unpack(request) and request.field_violations:
                    return str(request.field_violations[0].field)
        except DecodeError:
            return ""
    return ""
