"""The vectors against `decide` itself, below every transport and store."""

from __future__ import annotations

from functools import lru_cache

import pytest

from control.domain.compile import compile_document
from control.domain.document import parse_document
from entitlements.policy.decide import decide
from entitlements.policy.freshness import apply_ladder, fallback_decision, state_of
from entitlements.policy.ids import ProductId
from entitlements.policy.model import DEFAULT_LADDER
from entitlements.policy.reasons import Code
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import decode_check
from tests.support.answers import (
    Answer,
    answer_of_decision,
    caller_fallback_of,
    instant_of,
    query_of,
    request_of,
    static_fallback_of,
)
from tests.support.policy_set import PolicySet
from tests.support.vectors import DEFAULT_PRODUCT, Case, expected_matches, load_vectors

NOW_MS = 1_795_000_000_123
CASES = load_vectors(NOW_MS)
WORLDS = {case.file: case.world for case in CASES}


@lru_cache
def policy_set(file: str, product: str) -> PolicySet:
    """Return the compiled records of one world."""
    document = parse_document(WORLDS[file], NOW_MS)
    return PolicySet.of(compile_document(document, product).values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_decide_answers_as_the_vector_says(case: Case) -> None:
    """The answer of the policy core equals what the vector expects, in every field that it names."""
    assert expected_matches(case.expect, answer(case)) == []


def answer(case: Case) -> Answer:
    """Ask as a serving process does: read the request, decide, apply the ladder, fall back when records cannot answer."""
    products = [product["key"] for product in case.world["products"]]
    try:
        call = decode_check(request_of(case), ProductId(DEFAULT_PRODUCT), NOW_MS, products)
    except FieldError as error:
        return {"error": {"field": error.field, "reason": error.reason.value}}
    assert call.query == query_of(case)
    now = call.as_of_ms or instant_of(case)
    records = policy_set(case.file, case.product) if case.ready else PolicySet(complete=False)
    decision = decide(call.query, records, now)
    if case.fault or decision.code is Code.POLICY_NOT_READY:
        cause = Code.INTERNAL if case.fault else decision.code
        static, caller = static_fallback_of(case), caller_fallback_of(case)
        fallback, served_from = fallback_decision(
            call.query.feature, cause, static, caller, explain=decision.explanation is not None
        )
        return answer_of_decision(fallback, served_from=served_from)
    feature = records.feature(call.query.feature)
    ladder = feature.ladder if feature else DEFAULT_LADDER
    marked = apply_ladder(decision, ladder, case.age_ms, feature.default_value if feature else None)
    told = answer_of_decision(marked, freshness=state_of(ladder, case.age_ms))
    return {**told, "as_of": case.query.get("as_of")}
