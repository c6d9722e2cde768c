"""Cedar, the policy language, through its Python binding: policies and entities parsed once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import cedarpy

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("cedarpy",)
NOTE: Final = "plan looked up by the engine: customer in plan, feature in bundle, in the entity graph; one policy per plan; all parsed once, identifiers as dicts"
ACTION: Final = {"type": "Action", "id": "use"}


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Parse one policy per plan, customers in plans and features in bundles."""
    policies = cedarpy.PolicySet.from_str(
        "\n".join(
            f'permit(principal in Plan::"{plan}", action == Action::"use", resource in Bundle::"{plan}");'
            for plan in questions.plans
        )
    )
    entities = cedarpy.Entities.from_json_str(json.dumps(list(graph(questions))))

    def ask(customer: str, feature: str) -> bool:
        request = {
            "principal": {"type": "Customer", "id": customer},
            "action": ACTION,
            "resource": {"type": "Feature", "id": feature},
        }
        return cedarpy.is_authorized(request, policies, entities).allowed is True

    yield ask


def graph(questions: Questionnaire) -> Iterator[dict[str, Any]]:
    """Return customers below their plan, and features below the bundles that hold them, in Cedar's JSON form."""
    for plan in questions.plans:
        yield entity("Plan", plan)
        yield entity("Bundle", plan)
    for feature in questions.features:
        yield entity("Feature", feature, *(("Bundle", plan) for plan in questions.plans_with(feature)))
    for customer, plan in questions.customers.items():
        yield entity("Customer", customer, ("Plan", plan))


def entity(kind: str, name: str, *parents: tuple[str, str]) -> dict[str, Any]:
    """Return one entity without attributes."""
    above = [{"type": parent_kind, "id": parent} for parent_kind, parent in parents]
    return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": above}
