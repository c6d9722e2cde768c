"""GrowthBook's Python SDK: one evaluation object per request, as its documentation asks of web applications."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from growthbook import GrowthBook

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("growthbook",)
NOTE: Final = "plan is sent by the caller; rule `$in` on plan; one object per request, features in memory"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Keep the features ready; each question makes an object of its own and drops it."""
    features: dict[str, Any] = {
        feature: {
            "defaultValue": False,
            "rules": [{"condition": {"plan": {"$in": questions.plans_with(feature)}}, "force": True}],
        }
        for feature in questions.features
    }
    plan_of = questions.customers

    def ask(customer: str, feature: str) -> bool:
        asked = GrowthBook(attributes={"id": customer, "plan": plan_of[customer]}, features=features)
        answer = asked.is_on(feature)
        asked.destroy()
        return answer is True

    yield ask
