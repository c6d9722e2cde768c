"""The code table is whole, in order, and equal to the contract on the wire."""

from __future__ import annotations

import pytest

from entitlements.policy import reasons_page, vocabulary
from entitlements.policy.freshness import FreshnessState, ServedFrom
from entitlements.policy.ids import FeatureKey
from entitlements.policy.model import AccessLevel, Decision
from entitlements.policy.reasons import NOT_PRODUCED, PRECEDENCE, REASONS, Code, Family, Reason, RemedyAction
from entitlements.v1 import check_service_pb2, decision_pb2, policy_pb2

TITLES = {
    200: {Family.ALLOW, Family.SYSTEM},
    400: {Family.LOOKUP},
    402: {Family.COMMERCIAL, Family.QUANTITY},
    403: {Family.LOOKUP, Family.LICENSE, Family.COMMERCIAL, Family.SCOPE},
    404: {Family.LOOKUP},
    409: {Family.QUANTITY},
    410: {Family.LOOKUP},
    429: {Family.QUANTITY},
    451: {Family.SCOPE},
    500: {Family.SYSTEM},
    503: {Family.SYSTEM},
}
"""HTTP hint -> the families that may carry it."""


def test_every_code_has_one_row_in_the_order_of_its_family() -> None:
    """The table is closed, and sorted by family and number: that is the precedence among denies (semantics D1)."""
    assert list(REASONS) == list(Code)
    families = list(Family)
    places = [families.index(reason.family) for reason in REASONS.values()]
    assert places == sorted(places)
    assert [PRECEDENCE[code] for code in Code] == list(range(len(Code)))


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code.name)
def test_every_code_says_what_people_need(reason: Reason) -> None:
    """One plain sentence for the end user, one for the engineer, and hints that suit the family (semantics D5)."""
    for sentence in (reason.user_message, reason.engineer_message):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0
        assert len(sentence) <= 120
    assert reason.code.name not in reason.user_message
    assert reason.family in TITLES[reason.http_status]
    allows = reason.family is Family.ALLOW or reason.code is Code.FALLBACK_ALLOW
    assert (reason.remedy is RemedyAction.NOTHING) == allows
    if reason.remedy is RemedyAction.RETRY:
        assert reason.retryable


@pytest.mark.parametrize(
    "ours, wire, prefix, start",
    [
        (Code, decision_pb2.Code, "CODE_", 1),
        (RemedyAction, decision_pb2.RemedyAction, "REMEDY_ACTION_", 1),
        (ServedFrom, decision_pb2.ServedFrom, "SERVED_FROM_", 1),
        (FreshnessState, decision_pb2.FreshnessState, "FRESHNESS_STATE_", 1),
        (vocabulary.AccessLevel, decision_pb2.AccessLevel, "ACCESS_LEVEL_", 1),
        (vocabulary.Source, decision_pb2.Source, "SOURCE_", 1),
        (vocabulary.Obligation, decision_pb2.Obligation, "OBLIGATION_", 1),
        (vocabulary.ExplainLevel, check_service_pb2.ExplainLevel, "EXPLAIN_LEVEL_", 1),
        (vocabulary.FeatureKind, policy_pb2.FeatureKind, "FEATURE_KIND_", 1),
        (vocabulary.ValueType, policy_pb2.ValueType, "VALUE_TYPE_", 1),
        (vocabulary.CombineRule, policy_pb2.CombineRule, "COMBINE_RULE_", 1),
        (vocabulary.OnTooStale, policy_pb2.OnTooStale, "ON_TOO_STALE_", 1),
        (vocabulary.Operator, policy_pb2.Operator, "OPERATOR_", 1),
        (vocabulary.SubscriptionState, policy_pb2.SubscriptionState, "SUBSCRIPTION_STATE_", 1),
        (vocabulary.OverrideEffect, policy_pb2.OverrideEffect, "OVERRIDE_EFFECT_", 1),
        (vocabulary.SuspensionScope, policy_pb2.SuspensionScope, "SUSPENSION_SCOPE_", 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_numbers_equal_the_contract(ours: type[Code], wire: object, prefix: str, start: int) -> None:
    """Every closed word has the name and number that travel."""
    sent = {name.removeprefix(prefix): number for name, number in wire.items() if number >= start}  # type: ignore[attr-defined]
    assert {member.name: member.value for member in ours if member.value >= start} == sent


def test_codes_of_later_versions_are_listed() -> None:
    """What this version never answers is said in one place, and no allow or system code hides there but overage."""
    assert {code for code in NOT_PRODUCED if REASONS[code].family is Family.ALLOW} == {Code.ENTITLED_OVERAGE}
    assert {code for code in Code if REASONS[code].family in {Family.LICENSE, Family.QUANTITY}} < NOT_PRODUCED


def test_the_reference_page_lists_every_code_once() -> None:
    """docs/reference/reasons.md is made from the table."""
    page = reasons_page.pages()["docs/reference/reasons.md"]
    assert [page.count(f"| `{code.name}`") for code in Code] == [1] * len(Code)
    assert page.count("*later* |") == len(NOT_PRODUCED)


def test_decisions_hold_no_mutable_part() -> None:
    """An answer can be cached and shared."""
    made = [
        Decision(FeatureKey("main"), allowed=False, code=Code.REVOKED, access_level=AccessLevel.NONE) for _ in range(2)
    ]
    assert len(set(made)) == 1
