"""The asynchronous client, for applications on asyncio. Same promises as the synchronous one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from entitlements.client.answer import Answer
from entitlements.client.blocking import list_request
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


class AsyncEntitlementClient:
    """Asks the sidecar beside this process from one event loop; arguments and promises as EntitlementClient."""

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
        self._channel: grpc.aio.Channel | None = None
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def check(self, customer_id: str, feature: str, *, timeout_s: float | None = None, **fields: Any) -> Answer:
        """May this customer use this feature now? Further fields are those of Question."""
        return await self.ask(Question(customer_id, feature, **fields), timeout_s=timeout_s)

    async def ask(self, question: Question, *, timeout_s: float | None = None) -> Answer:
        """Answer a prepared question."""
        request = self._request(question)
        try:
            raw = await self._call(CHECK, request.SerializeToString(), timeout_s)
        except grpc.RpcError as error:
            return self._unanswered(question, failure_of(error))
        return self._policy.check(question, raw)

    async def batch(
        self, questions: Sequence[Question], *, timeout_s: float | None = None
    ) -> list[Answer | BadQuestion]:
        """Answer up to 500 questions on one policy version and one instant, in order; as EntitlementClient.batch."""
        request = check_service_pb2.BatchCheckRequest(items=[self._request(each) for each in questions])
        try:
            raw = await self._call(BATCH_CHECK, request.SerializeToString(), timeout_s)
        except grpc.RpcError as error:
            return self._batch_unanswered(questions, failure_of(error))
        return self._policy.batch(questions, raw)

    async def entitlements(
        self,
        customer_id: str,
        *,
        product: str = "",
        prefix: str = "",
        allowed_only: bool = False,
        attributes: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Answer]:
        """Yield every feature's answer, page by page; as EntitlementClient.entitlements."""
        asked = Question(customer_id, "*", product=product or self._product, attributes=attributes or {})
        request = list_request(asked, prefix, allowed_only=allowed_only)
        while True:
            answers, request.page_token = await self._page(request, timeout_s)
            for each in answers:
                yield each
            if not request.page_token:
                return

    async def close(self) -> None:
        """Close the channel; a later question opens a new one."""
        channel, self._channel = self._channel, None
        self._calls.clear()
        if channel is not None:
            await channel.close()

    def _unanswered(self, question: Question, failure: Failure) -> Answer:
        return self._policy.after_error(question, failure)

    def _batch_unanswered(self, questions: Sequence[Question], failure: Failure) -> list[Answer | BadQuestion]:
        return [self._policy.after_error(each, failure) for each in questions]

    async def _page(
        self, request: check_service_pb2.ListEntitlementsRequest, timeout_s: float | None
    ) -> tuple[list[Answer], str]:
        """Return a page of a list and the token of the next one, empty for the last."""
        try:
            raw = await self._call(LIST_ENTITLEMENTS, request.SerializeToString(), timeout_s)
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

    async def _call(self, method: str, request: bytes, timeout_s: float | None) -> bytes:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=OPTIONS)
        if method not in self._calls:
            self._calls[method] = self._channel.unary_unary(method)
        return await self._calls[method](request, timeout=self._timeout_s if timeout_s is None else timeout_s)

    async def __aenter__(self) -> Self:
        """Use as a context manager."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the channel."""
        await self.close()

    def __repr__(self) -> str:
        """Show the target and whether a channel is open."""
        return f"<AsyncEntitlementClient [{self._target} | {'open' if self._channel else 'closed'}]>"
