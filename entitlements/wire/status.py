"""Domain errors as gRPC statuses with details in google.rpc form: the one place where the two meet.

Details travel in the trailing metadata ``grpc-status-details-bin`` as a ``google.rpc.Status`` with an ``ErrorInfo`` (closed reason, domain
``entitlements``) and, for fields, a ``BadRequest``. Decisions are never errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from entitlements.wire.errors import FieldError, FieldReason

DOMAIN: Final = "entitlements"
DETAILS_KEY: Final = "grpc-status-details-bin"


class Abort(NamedTuple):
    """What a handler aborts a call with: ``context.set_trailing_metadata(metadata)``, then ``context.abort(code, text)``."""

    code: grpc.StatusCode
    text: str
    metadata: tuple[tuple[str, bytes], ...]


def abort_details(error: FieldError) -> Abort:
    """Return the status of a caller's bug: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for what is too large."""
    code = (
        grpc.StatusCode.RESOURCE_EXHAUSTED
        if error.reason is FieldReason.MESSAGE_TOO_LARGE
        else grpc.StatusCode.INVALID_ARGUMENT
    )
    violation = BadRequest.FieldViolation(
        field=error.field, description=f"{error.problem}; {error.remedy}", reason=error.reason.value
    )
    return _abort(
        code, str(error), error.reason.value, {"field": error.field}, BadRequest(field_violations=[violation])
    )


def abort_with(
    code: grpc.StatusCode,
    text: str,
    reason: str,
    metadata: Mapping[str, str] | None = None,
    retry_after_ms: int | None = None,
) -> Abort:
    """Return any other status with a closed upper-case reason, such as UNAVAILABLE with STARTING; optionally when to try again."""
    details: list[BadRequest | RetryInfo] = []
    if retry_after_ms is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_after_ms)
        details.append(retry)
    return _abort(code, text, reason, metadata or {}, *details)


def _abort(
    code: grpc.StatusCode, text: str, reason: str, metadata: Mapping[str, str], *details: BadRequest | RetryInfo
) -> Abort:
    status = Status(code=code.value[0], message=text)
    for detail in (ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata), *details):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return Abort(code, text, ((DETAILS_KEY, status.SerializeToString(deterministic=True)),))
