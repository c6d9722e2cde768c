"""The client that decides in its own process: the sidecar's store is mapped read-only, the sidecar is asked for what the store cannot answer.

from entitlements.client import LocalEntitlementClient
client = LocalEntitlementClient(".run/store", product="boards")
if client.check("acme", "exports"): ...

The order is always the same: the store, then the sidecar, then the caller's fallback. Answers from the store are those that the sidecar would
give from it at that moment, with the same code, freshness, age, version and valid_until; only the decision id is this process's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from entitlements.client.answer import Answer
from entitlements.client.blocking import EntitlementClient
from entitlements.client.channel import DEFAULT_TIMEOUT_S, Failure
from entitlements.client.figures import LocalFigures
from entitlements.client.question import BadQuestion, Question
from entitlements.client.reckoner import Reckoner
from entitlements.client.reply import ReplyPolicy
from entitlements.client.several import decide_batch, decide_batch_late, decide_late, decide_page
from entitlements.runtime.clock import Clock
from entitlements.v1 import check_service_pb2

ANSWERS: Final = 10_000
RECORDS: Final = 20_000


class LocalEntitlementClient(EntitlementClient):
    """Everything that EntitlementClient is and promises, decided in this process where that is possible.

    Thread-safe. May cross a fork: the child opens the store for itself and begins with an empty memory. A check from the store waits for
    nothing and nobody, so this client may be used from asyncio too; but one that goes to the sidecar blocks its thread until the
    deadline, which `AsyncLocalEntitlementClient` does not.

    Args:
        store_dir: The sidecar's store directory (its ENTITLEMENTS_STORE_DIR), which this process may read (its ENTITLEMENTS_STORE_ACCESS).
        product: Product of questions that name none. It must be said: which one a sidecar means by default is not written in its store.
        target: As in EntitlementClient, for questions that go to the sidecar; so are `timeout_s` and `policy`.
        answers: How many answers are remembered; 0 remembers none.
        records: How many decoded records are kept for each product.
        clock: Where the time comes from; an application's tests may bring their own.
    """

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

    def check(self, customer_id: str, feature: str, *, timeout_s: float | None = None, **fields: Any) -> Answer:
        """May this customer use this feature now? Further fields are those of Question."""
        if fields:
            return self.ask(Question(customer_id, feature, **fields), timeout_s=timeout_s)
        answer = self._reckoner.plain(customer_id, feature)
        return super().ask(Question(customer_id, feature), timeout_s=timeout_s) if answer is None else answer

    def ask(self, question: Question, *, timeout_s: float | None = None) -> Answer:
        """Answer a prepared question."""
        answer = self._reckoner.ask(question)
        return super().ask(question, timeout_s=timeout_s) if answer is None else answer

    def batch(self, questions: Sequence[Question], *, timeout_s: float | None = None) -> list[Answer | BadQuestion]:
        """Answer up to 500 questions on one policy version and one instant, in order; all here or all at the sidecar."""
        answers = decide_batch(self._reckoner, questions)
        return super().batch(questions, timeout_s=timeout_s) if answers is None else answers

    def close(self) -> None:
        """Close store and channel; a later question opens them again."""
        self._reckoner.close()
        super().close()

    def figures(self) -> LocalFigures:
        """Return what this client has counted, for the application's metrics."""
        return self._reckoner.figures()

    def _page(
        self, request: check_service_pb2.ListEntitlementsRequest, timeout_s: float | None
    ) -> tuple[list[Answer], str]:
        page = decide_page(self._reckoner, request)
        return super()._page(request, timeout_s) if page is None else page

    def _unanswered(self, question: Question, failure: Failure) -> Answer:
        late = decide_late(self._reckoner, question, failure)
        return super()._unanswered(question, failure) if late is None else late

    def _batch_unanswered(self, questions: Sequence[Question], failure: Failure) -> list[Answer | BadQuestion]:
        late = decide_batch_late(self._reckoner, questions, failure)
        return super()._batch_unanswered(questions, failure) if late is None else late

    def __repr__(self) -> str:
        """Show the store, what is remembered, and where else it asks."""
        return f"<LocalEntitlementClient [{self._reckoner!r} | {super().__repr__()}]>"
