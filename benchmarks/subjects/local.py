"""Our client's local mode with its memory of answers, as it is by default: every question was asked before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks import world
from benchmarks.peers.questionnaire import Ask, Questionnaire
from benchmarks.subjects.kept_store import kept_store
from entitlements.client import LocalEntitlementClient
from entitlements.client.local import ANSWERS

DISTRIBUTIONS: Final[tuple[str, ...]] = ()
NOTE: Final = "customer id alone; reason, freshness, decision id and valid_until in every answer; answers remembered, each still checked against the store's position and the time; a heartbeat a second"


@contextmanager
def opened(questions: Questionnaire, answers: int = ANSWERS) -> Iterator[Ask]:
    """Map a store that another process keeps fresh. No sidecar runs: what the store cannot answer would be a deny, and counted as wrong."""
    _ = questions
    with kept_store() as store, LocalEntitlementClient(store, product=world.PRODUCT, answers=answers) as client:

        def ask(customer: str, feature: str) -> bool:
            return client.check(customer, feature).allowed

        yield ask
