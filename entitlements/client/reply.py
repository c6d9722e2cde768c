"""From the outcome of a call to answers: the one place that knows when the client answers by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError

from entitlements.client.answer import Answer, own_answer
from entitlements.client.channel import Failure, SidecarUnavailable
from entitlements.client.question import BadQuestion, Fallback, Question
from entitlements.v1 import check_service_pb2


@dataclass(frozen=True, slots=True)
class ReplyPolicy:
    """What to do when the sidecar did not answer.

    Attributes:
        default: Answer for questions without a fallback of their own.
        raise_unavailable: Raise SidecarUnavailable instead of answering.
        on_fallback: Called with the gRPC status name for each answer that the client gave by itself, for the
            application's metrics (semantics F5).
    """

    default: Fallback = field(default_factory=lambda: Fallback(allowed=False))
    raise_unavailable: bool = False
    on_fallback: Callable[[str], None] | None = None

    def instead(self, question: Question, status: str, detail: str) -> Answer:
        """Answer a question without the sidecar, or raise when the application asked for that."""
        if self.raise_unavailable:
            raise SidecarUnavailable(status, detail)
        if self.on_fallback is not None:
            self.on_fallback(status)
        return own_answer(question, status, self.default)

    def after_error(self, question: Question, failure: Failure) -> Answer:
        """Answer after a failed call; a caller's bug is raised as BadQuestion."""
        if failure.bug is not None:
            raise failure.bug
        return self.instead(question, failure.status, failure.detail)

    def check(self, question: Question, raw: bytes | None) -> Answer:
        """Read a Check reply. An undecodable one never becomes an allow: it counts as no answer."""
        if not raw:
            return self.instead(question, "DATA_LOSS", "empty reply")
        try:
            return Answer.of_message(check_service_pb2.CheckResponse.FromString(raw))
        except DecodeError as error:
            return self.instead(question, "DATA_LOSS", f"undecodable reply: {error}")

    def batch(self, questions: Sequence[Question], raw: bytes | None) -> list[Answer | BadQuestion]:
        """Read a BatchCheck reply: one entry for each question, in order; a bad question is an entry, not an exception."""
        try:
            items = check_service_pb2.BatchCheckResponse.FromString(raw or b"").items
        except DecodeError as error:
            return [self.instead(each, "DATA_LOSS", f"undecodable reply: {error}") for each in questions]
        if len(items) != len(questions):
            return [self.instead(each, "DATA_LOSS", "reply of another length") for each in questions]
        return [self._item(question, item) for question, item in zip(questions, items, strict=True)]

    def _item(self, question: Question, item: check_service_pb2.BatchCheckItem) -> Answer | BadQuestion:
        if item.WhichOneof("result") == "decision":
            return Answer.of_message(item.decision)
        if item.error.status == grpc.StatusCode.INVALID_ARGUMENT.value[0]:
            return BadQuestion(item.error.message, item.error.field)
        return self.instead(question, item.error.reason or "UNKNOWN", item.error.message)
