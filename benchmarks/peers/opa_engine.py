"""OPA's policy engine as a library: the Go package behind a C interface, JSON in and out through ctypes. Not the OPA server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opa_bindings import OpaEngine, OpaUndefinedError

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("opa-golib-python-bindings",)
NOTE: Final = (
    "plan looked up by the engine in its data; constant-time look-ups in objects; not the server: no network, no HTTP"
)
POLICY: Final = """
package entitlements

import rego.v1

default allow := false

allow if data.plans[data.customers[input.customer]][input.feature]
"""


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Load policy and data once."""
    with OpaEngine() as engine:
        engine.add_policy("entitlements.rego", POLICY)
        engine.add_data(dict(questions.customers), path="customers")
        plans = {plan: dict.fromkeys(features, True) for plan, features in questions.plans.items()}
        engine.add_data(plans, path="plans")

        def ask(customer: str, feature: str) -> bool:
            try:
                return engine.eval_document("entitlements.allow", {"customer": customer, "feature": feature}) is True
            except OpaUndefinedError:
                return False

        yield ask
