"""The sample service's one rule: from an answer to the reply that a customer sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.sample_service import refusal
from entitlements.client import Answer


def denied(**fields: Any) -> Answer:
    """Return a deny."""
    return Answer("reports", allowed=False, access_level="NONE", served_from="LIVE", **fields)


@pytest.mark.parametrize(
    "answer, status",
    [
        (denied(code="NOT_IN_PLAN", remedy="UPGRADE"), 402),
        (denied(code="PAYMENT_REQUIRED", remedy="FIX_PAYMENT"), 402),
        (denied(code="SUBSCRIPTION_EXPIRED", remedy="RENEW"), 402),
        (denied(code="REVOKED", remedy="CONTACT_ADMIN"), 403),
        (denied(code="REGION_RESTRICTED"), 403),
        (denied(code="FALLBACK_DENY", remedy="RETRY", retry_after_s=1.0), 503),
        (denied(code="POLICY_TOO_STALE", remedy="RETRY", retry_after_s=0.2), 503),
    ],
)
def test_status_says_what_would_help(answer: Answer, status: int) -> None:
    """Paying: 402. Trying again: 503, with the time to wait. Neither: 403. Always with the code."""
    reply = refusal(answer)
    assert reply.status_code == status
    assert ("retry-after" in reply.headers) == (status == 503)
    assert json.loads(bytes(reply.body))["code"] == answer.code


def test_the_customer_reads_a_sentence_and_a_remedy() -> None:
    """What is empty is left out."""
    answer = denied(
        code="NOT_IN_PLAN",
        remedy="UPGRADE",
        remedy_plans=("boards-business",),
        user_message="Your plan does not include this feature.",
    )
    assert json.loads(bytes(refusal(answer).body)) == {
        "code": "NOT_IN_PLAN",
        "message": "Your plan does not include this feature.",
        "remedy": "UPGRADE",
        "plans": ["boards-business"],
    }
