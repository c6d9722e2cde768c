"""The asynchronous client that decides in its own process: what goes to the sidecar is awaited, what the store answers needs no waiting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entitlements.client.aio import AsyncEntitlementClient
from entitlements.client.answer import Answer
from entitlements.client.channel import DEFAULT_TIMEOUT_S, Failure
from entitlements.client.figures import LocalFigures
from entitlements.client.local import ANSWERS, RECORDS
from entitlements.client.question import BadQuestion, Question
from entitlements.client.reckoner import Reckoner
from entitlements.client.reply import ReplyPolicy
from entitlements.client.several import decide_batch, decide_batch_late, decide_late, decide_page
from entitlements.runtime.clock import Clock
from entitlements.v1 import check_service_pb2


class AsyncLocalEntitlementClient(AsyncEntitlementClient):
    """As LocalEntitlementClient, for applications on asyncio; its arguments are the same."""

    def __init__(
        self,
        store_dir: str | Path,
        *,
        product: str,
        target: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        policy: ReplyPolicy | None = None,
        answers: int = ANSWERS,
        records: int = RECORDS,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(target, product=product, timeout_s=timeout_s, policy=policy)
        self._reckoner = Reckoner(Path(store_dir), product, answers=answers, records=records, clock=clock)

    async def check(self, customer_id: str, feature: str, *, timeout_s: float | None = None, **fields: Any) -> Answer:
        """May this customer use this feature now? Further fields are those of Question."""
        if fields:
            return await self.ask(Question(customer_id, feature, **fields), timeout_s=timeout_s)
        answer = self._reckoner.plain(customer_id, feature)
        return await super().ask(Question(customer_id, feature), timeout_s=timeout_s) if answer is None else answer

    async def ask(self, question: Question, *, timeout_s: float | None = None) -> Answer:
        """Answer a prepared question."""
        answer = self._reckoner.ask(question)
        return await super().ask(question, timeout_s=timeout_s) if answer is None else answer

    async def batch(
        self, questions: Sequence[Question], *, timeout_s: float | None = None
    ) -> list[Answer | BadQuestion]:
        """Answer up to 500 questions on one policy version and one instant, in order; all here or all at the sidecar."""
        answers = decide_batch(self._reckoner, questions)
        return await super().batch(questions, timeout_s=timeout_s) if answers is None else answers

    async def close(self) -> None:
        """Close store and channel; a later question opens them again."""
        self._reckoner.close()
        await super().close()

    def figures(self) -> LocalFigures:
        """Return what this client has counted, for the application's metrics."""
        return self._reckoner.figures()

    async def _page(
        self, request: check_service_pb2.ListEntitlementsRequest, timeout_s: float | None
    ) -> tuple[list[Answer], str]:
        page = decide_page(self._reckoner, request)
        return await super()._page(request, timeout_s) if page is None else page

    def _unanswered(self, question: Question, failure: Failure) -> Answer:
        late = decide_late(self._reckoner, question, failure)
        return super()._unanswered(question, failure) if late is None else late

    def _batch_unanswered(self, questions: Sequence[Question], failure: Failure) -> list[Answer | BadQuestion]:
        late = decide_batch_late(self._reckoner, questions, failure)
        return super()._batch_unanswered(questions, failure) if late is None else late

    def __repr__(self) -> str:
        """Show the store, what is remembered, and where else it asks."""
        return f"<AsyncLocalEntitlementClient [{self._reckoner!r} | {super().__repr__()}]>"
