"""What can be wrong with bytes: a record, a request's field, a signed envelope. None of these knows gRPC."""

from __future__ import annotations

from enum import StrEnum


class MalformedRecord(Exception):  # noqa: N818 - names what is wrong, like the refusals below
    """A policy record does not have the declared shape.

    ``key`` is the record key (such as ``c/acme``, or ``?`` when not even that could be read), ``field`` the path inside the record,
    ``problem`` a phrase that completes "FIELD ...".
    """

    def __init__(self, key: str, field: str, problem: str) -> None:
        super().__init__(f"record {key}: {field or 'body'} {problem}")
        self.key = key
        self.field = field
        self.problem = problem


class FieldReason(StrEnum):
    """Closed list of what can be wrong with a request; travels as ErrorInfo.reason."""

    FIELD_REQUIRED = "FIELD_REQUIRED"
    FIELD_INVALID = "FIELD_INVALID"
    FIELD_TOO_LONG = "FIELD_TOO_LONG"
    TOO_MANY_ITEMS = "TOO_MANY_ITEMS"
    MALFORMED = "MALFORMED"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    PRODUCT_NOT_SERVED = "PRODUCT_NOT_SERVED"
    UNSUPPORTED = "UNSUPPORTED"


class FieldError(Exception):
    """A caller's bug: which field, what is wrong with it, how to repair it."""

    def __init__(self, field: str, problem: str, remedy: str, reason: FieldReason) -> None:
        super().__init__(f"{field or 'request'} {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy
        self.reason = reason

    @property
    def status_number(self) -> int:
        """Return the number of the gRPC status: RESOURCE_EXHAUSTED (8) for what is too large, else INVALID_ARGUMENT (3)."""
        return 8 if self.reason is FieldReason.MESSAGE_TOO_LARGE else 3

    def within(self, path: str) -> FieldError:
        """Return the same error with its field seen from an outer message, such as ``items[3]``."""
        return FieldError(f"{path}.{self.field}" if self.field else path, self.problem, self.remedy, self.reason)


class Refusal(StrEnum):
    """Closed list of why signed bytes are not accepted."""

    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KID = "unknown_kid"
    WRONG_ROLE = "wrong_role"
    WRONG_FEED = "wrong_feed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    MALFORMED = "malformed"
    SCHEMA = "schema"
    BAD_CHAIN = "bad_chain"
    """A page of deltas is not one unbroken piece of history."""
    FORKED = "forked"
    """A page is authentic, but does not continue the history that the reader holds."""
    ROLLED_BACK = "rolled_back"
    """A key set is older than the one installed."""
    WEAK_KEY = "weak_key"
    """A public key is one of the small-order points."""


class Refused(Exception):  # noqa: N818 - a refusal is the expected outcome for forged bytes
    """Signed bytes are not accepted; ``reason`` says why, ``detail`` adds words for a log."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
