"""Unleash's client SDK: toggles from a bootstrap, evaluated by its Rust engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from UnleashClient import UnleashClient
from UnleashClient.cache import FileCache

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("unleashclient",)
NOTE: Final = "plan is sent by the caller; constraint on plan; toggles from a bootstrap; metrics and registration off"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Bootstrap one toggle per feature; nothing is fetched."""
    with tempfile.TemporaryDirectory() as folder:
        cache = FileCache("peers", directory=folder)
        toggles = [toggle(each, questions) for each in questions.features]
        cache.bootstrap_from_dict({"version": 2, "features": toggles})
        client = UnleashClient(
            url="http://127.0.0.1:9",  # the discard port: nobody answers, nothing is asked
            app_name="peers",
            cache=cache,
            disable_metrics=True,
            disable_registration=True,
        )
        client.initialize_client(fetch_toggles=False)
        plan_of = questions.customers

        def ask(customer: str, feature: str) -> bool:
            return client.is_enabled(feature, {"userId": customer, "plan": plan_of[customer]}) is True

        try:
            yield ask
        finally:
            client.destroy()


def toggle(feature: str, questions: Questionnaire) -> dict[str, Any]:
    """Return one toggle as Unleash's client API sends it."""
    constraint = {"contextName": "plan", "operator": "IN", "values": questions.plans_with(feature)}
    strategy = {"name": "default", "parameters": {}, "constraints": [constraint]}
    return {"name": feature, "type": "permission", "enabled": True, "strategies": [strategy]}
