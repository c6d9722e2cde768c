"""Casbin's Python port: role based access control, a plan being a role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import casbin
from casbin.model import FastModel

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("pycasbin",)
NOTE: Final = (
    "plan looked up by the engine as a role; FastEnforcer keyed by feature, the quickest that the library offers"
)
RULES: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""
KEYED_BY: Final = (1, 2)  # product and feature, in requests and in rules
PRODUCT: Final = "suite"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Load one rule per plan and feature and one role per customer."""
    model = FastModel(KEYED_BY)
    model.load_model_from_text(RULES)
    enforcer = casbin.FastEnforcer(model, cache_key_order=KEYED_BY)
    enforcer.add_policies([[plan, PRODUCT, feature] for plan, held in questions.plans.items() for feature in held])
    enforcer.add_grouping_policies([[customer, plan] for customer, plan in questions.customers.items()])

    def ask(customer: str, feature: str) -> bool:
        return enforcer.enforce(customer, PRODUCT, feature) is True

    yield ask
