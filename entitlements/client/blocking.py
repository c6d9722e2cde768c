"""The synchronous client: three lines in an application.

from entitlements.client import EntitlementClient
client = EntitlementClient()
if client.check("acme", "exports"): ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from entitlements.client.answer import Answer
from entitlements.client.channel import (
    BATCH_CHECK,
    CHECK,
    DEFAULT_TIMEOUT_S,
    LIST_ENTITLEMENTS,
    OPTIONS,
    Failure,
    SidecarUnavailable,
    failure_of,
    target_of,
)
from entitlements.client.question import BadQuestion, Question, request_of
from entitlements.client.reply import ReplyPolicy
from entitlements.v1 import check_service_pb2


class EntitlementClient:
    """Asks the sidecar beside this process.

    Thread-safe. The channel opens at the first question, so a client may be created before a fork and asked after it.

    A sidecar that is away, slow or broken is an Answer with ``served_from`` CALLER_FALLBACK. What raises: BadQuestion
    for a question that can never be answered, and SidecarUnavailable when ``policy.raise_unavailable`` is set.

    Args:
        target: gRPC target; default $ENTITLEMENTS_TARGET, else ``unix:.run/sidecar.sock``.
        product: Product of questions that name none; empty leaves it to the sidecar.
        timeout_s: Deadline of a call in seconds.
        policy: What to do without an answer; the default denies.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        product: str = "",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        policy: ReplyPolicy | None = None,
    ) -> None:
        self._target = target_of(target)
        self._product = product
        self._timeout_s = timeout_s
        self._policy = policy or ReplyPolicy()
        self._opening = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._calls: dict[str, grpc.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    def check(self, customer_id: str, feature: str, *, timeout_s: float | None = None, **fields: Any) -> Answer:
        """May this customer use this feature now? Further fields are those of Question."""
        return self.ask(Question(customer_id, feature, **fields), timeout_s=timeout_s)

    def ask(self, question: Question, *, timeout_s: float | None = None) -> Answer:
        """Answer a prepared question."""
        request = self._request(question)
        try:
            raw = self._call(CHECK, request.SerializeToString(), timeout_s)
        except grpc.RpcError as error:
            return self._unanswered(question, failure_of(error))
        return self._policy.check(question, raw)

    def batch(self, questions: Sequence[Question], *, timeout_s: float | None = None) -> list[Answer | BadQuestion]:
        """Answer up to 500 questions on one policy version and one instant, in order.

        A bad question is a BadQuestion in its place; the others are answered.
        """
        request = check_service_pb2.BatchCheckRequest(items=[self._request(each) for each in questions])
        try:
            raw = self._call(BATCH_CHECK, request.SerializeToString(), timeout_s)
        except grpc.RpcError as error:
            return self._batch_unanswered(questions, failure_of(error))
        return self._policy.batch(questions, raw)

    def entitlements(
        self,
        customer_id: str,
        *,
        product: str = "",
        prefix: str = "",
        allowed_only: bool = False,
        attributes: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Answer]:
        """Yield every feature's answer, page by page, sorted by feature.

        A list has no fallback: SidecarUnavailable is raised when the sidecar does not answer.
        """
        asked = Question(customer_id, "*", product=product or self._product, attributes=attributes or {})
        request = list_request(asked, prefix, allowed_only=allowed_only)
        while True:
            answers, request.page_token = self._page(request, timeout_s)
            yield from answers
            if not request.page_token:
                return

    def close(self) -> None:
        """Close the channel; a later question opens a new one."""
        with self._opening:
            channel, self._channel = self._channel, None
            self._calls.clear()
        if channel is not None:
            channel.close()

    def _unanswered(self, question: Question, failure: Failure) -> Answer:
        return self._policy.after_error(question, failure)

    def _batch_unanswered(self, questions: Sequence[Question], failure: Failure) -> list[Answer | BadQuestion]:
        return [self._policy.after_error(each, failure) for each in questions]

    def _page(
        self, request: check_service_pb2.ListEntitlementsRequest, timeout_s: float | None
    ) -> tuple[list[Answer], str]:
        """Return a page of a list and the token of the next one, empty for the last."""
        try:
            raw = self._call(LIST_ENTITLEMENTS, request.SerializeToString(), timeout_s)
        except grpc.RpcError as error:
            failure = failure_of(error)
            raise (failure.bug or SidecarUnavailable(failure.status, failure.detail)) from error
        page = check_service_pb2.ListEntitlementsResponse.FromString(raw)
        return [Answer.of_message(each) for each in page.entitlements], page.next_page_token

    def _request(self, question: Question) -> check_service_pb2.CheckRequest:
        request = request_of(question)
        if not request.product:
            request.product = self._product
        return request

    def _call(self, method: str, request: bytes, timeout_s: float | None) -> bytes:
        call = self._calls.get(method) or self._open(method)
        return call(request, timeout=self._timeout_s if timeout_s is None else timeout_s)

    def _open(self, method: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        with self._opening:
            if self._channel is None:
                self._channel = grpc.insecure_channel(self._target, options=OPTIONS)
            if method not in self._calls:
                self._calls[method] = self._channel.unary_unary(method)
            return self._calls[method]

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the channel."""
        self.close()

    def __repr__(self) -> str:
        """Show the target and whether a channel is open."""
        return f"<EntitlementClient [{self._target} | {'open' if self._channel else 'closed'}]>"


def list_request(asked: Question, prefix: str, *, allowed_only: bool) -> check_service_pb2.ListEntitlementsRequest:
    """Build the first page's request from the shared fields of a question."""
    base = request_of(asked)
    return check_service_pb2.ListEntitlementsRequest(
        customer_id=base.customer_id,
        product=base.product,
        feature_prefix=prefix,
        allowed_only=allowed_only,
        page_size=500,
        attributes=base.attributes,
    )
