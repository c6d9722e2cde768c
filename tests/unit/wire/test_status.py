"""Errors on the wire: status, text and machine-readable details."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from entitlements.wire.errors import FieldError, FieldReason
from entitlements.wire.status import Abort, abort_details, abort_with


def details_of(abort: Abort) -> tuple[Status, list[ErrorInfo | BadRequest | RetryInfo]]:
    """Return the rich status as a foreign client would unpack it."""
    ((key, raw),) = abort.metadata
    assert key == "grpc-status-details-bin"
    status = Status.FromString(raw)
    unpacked: list[ErrorInfo | BadRequest | RetryInfo] = []
    for detail in status.details:
        for kind in (ErrorInfo, BadRequest, RetryInfo):
            message = kind()
            if detail.Unpack(message):
                unpacked.append(message)
    return status, unpacked


def test_a_field_error_names_field_problem_and_remedy() -> None:
    """INVALID_ARGUMENT with ErrorInfo and BadRequest."""
    abort = abort_details(FieldError("customer_id", "is missing", "send one", FieldReason.FIELD_REQUIRED))
    assert (abort.code, abort.text) == (grpc.StatusCode.INVALID_ARGUMENT, "customer_id is missing; send one")
    status, (info, bad) = details_of(abort)
    assert (status.code, status.message) == (3, abort.text)
    assert info == ErrorInfo(reason="FIELD_REQUIRED", domain="entitlements", metadata={"field": "customer_id"})
    violation = BadRequest.FieldViolation(
        field="customer_id", description="is missing; send one", reason="FIELD_REQUIRED"
    )
    assert bad == BadRequest(field_violations=[violation])


@pytest.mark.parametrize("reason", FieldReason)
def test_what_is_too_large_exhausts_a_resource(reason: FieldReason) -> None:
    """Size has its own status; the number inside batches is the same."""
    error = FieldError("", "is wrong", "repair it", reason)
    expected = (
        grpc.StatusCode.RESOURCE_EXHAUSTED
        if reason is FieldReason.MESSAGE_TOO_LARGE
        else grpc.StatusCode.INVALID_ARGUMENT
    )
    assert abort_details(error).code is expected
    assert error.status_number == expected.value[0]
    assert str(error) == "request is wrong; repair it"


def test_other_statuses_carry_a_reason_and_when_to_try_again() -> None:
    """UNAVAILABLE says when to come back."""
    abort = abort_with(grpc.StatusCode.UNAVAILABLE, "the sidecar starts", "STARTING", {"product": "suite"}, 1500)
    status, (info, retry) = details_of(abort)
    assert status.code == 14
    assert info == ErrorInfo(reason="STARTING", domain="entitlements", metadata={"product": "suite"})
    assert isinstance(retry, RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500
    assert len(details_of(abort_with(grpc.StatusCode.UNAVAILABLE, "x", "X"))[1]) == 1
