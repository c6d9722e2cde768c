"""The floor of everything that runs in Python: two look-ups in dicts, with no freshness, no reason, no expiry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final[tuple[str, ...]] = ()
NOTE: Final = "floor: customer -> plan -> set of features, nothing else"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Keep both dicts ready."""
    plan_of = dict(questions.customers)
    held = {plan: frozenset(features) for plan, features in questions.plans.items()}

    def ask(customer: str, feature: str) -> bool:
        return feature in held[plan_of[customer]]

    yield ask
