"""Why a verdict came about, in words: two sentences, the rules walked, the sources considered (semantics C3, C4, D5).

Only called when an explanation is asked for. Everything said here stays true until the answer's ``valid_until``: dates, never durations.
"""

from __future__ import annotations

from typing import Final

from entitlements.policy.conditions import explain_condition
from entitlements.policy.inquiry import NEVER, Inquiry
from entitlements.policy.instants import date_of
from entitlements.policy.model import (
    AccessLevel,
    ConsideredSource,
    ExplainLevel,
    Explanation,
    FeatureKind,
    Obligation,
    Query,
    Source,
)
from entitlements.policy.reasons import REASONS, Code, Family
from entitlements.policy.sources import SOURCE_ORDER, Missed
from entitlements.policy.verdict import Verdict

_CODE_RULES: Final = {
    Code.POLICY_NOT_READY: ("A4",),
    Code.REVOKED: ("B3", "B4"),
    Code.COMPLIANCE_BLOCKED: ("B3", "B6"),
    Code.SUBSCRIPTION_SUSPENDED: ("B3", "B6", "D2"),
    Code.REGION_RESTRICTED: ("C2", "C3"),
    Code.NOT_IN_PLAN: ("D3",),
    Code.CONDITION_NOT_MET: ("C3", "C4"),
    Code.DEPENDENCY_MISSING: ("D1",),
    Code.VALUE_NOT_ALLOWED: ("B5",),
    Code.NO_SUBSCRIPTION: ("D3",),
}


def explain_lookup(query: Query, code: Code) -> Explanation:
    """Explain an answer that no source was looked at for."""
    reason = REASONS[code]
    engineer = (
        f"{reason.engineer_message} Customer {query.customer_id}, feature {query.feature}, product {query.product}."
    )
    return Explanation(reason.user_message, engineer, rules=_CODE_RULES.get(code, ("A3",)))


def explain_verdict(verdict: Verdict, code: Code, inquiry: Inquiry, obligations: tuple[Obligation, ...]) -> Explanation:
    """Explain a weighed verdict; the considered sources only at the level FULL."""
    reason = REASONS[code]
    considered: list[ConsideredSource] = sorted(inquiry.trace or (), key=_place)
    if verdict.winner.source is Source.CORE:
        considered.append(
            ConsideredSource(Source.CORE, verdict.feature.key, "", counted=True, note="grants", value=verdict.value)
        )
    return Explanation(
        user_message=reason.user_message,
        engineer_message=f"{reason.engineer_message} {_particulars(verdict, code, inquiry)}",
        rules=_rules(verdict, code, inquiry, obligations),
        considered=tuple(considered) if inquiry.query.explain is ExplainLevel.FULL else (),
        failed_conditions=_failed_conditions(verdict, code, inquiry),
        suspension_cause=verdict.cause_of(code),
    )


def _place(line: ConsideredSource) -> tuple[int, str, str, str]:
    return (SOURCE_ORDER[line.source], line.id, line.subscription_id, line.note)


def _particulars(verdict: Verdict, code: Code, inquiry: Inquiry) -> str:
    query = inquiry.query
    parts = [f"Customer {query.customer_id}, feature {query.feature}"]
    winner = verdict.winner
    if REASONS[code].family is Family.ALLOW:
        by = f"granted by {winner.source.name.lower()} {winner.id}"
        parts.append(by + (f" of subscription {winner.subscription_id}" if winner.subscription_id else ""))
        if winner.trial_end is not None and winner.trial_end != NEVER:
            parts.append(f"the trial ends at {date_of(winner.trial_end)}")
        if verdict.restrictions.capping is not None:
            parts.append(f"suspension {verdict.restrictions.capping.id} caps the access level")
    elif code is Code.REVOKED and verdict.sources.revoked is not None:
        parts.append(f"denied by override {verdict.sources.revoked.id}")
    elif code in {Code.SUBSCRIPTION_SUSPENDED, Code.COMPLIANCE_BLOCKED} and verdict.restrictions.denying is not None:
        parts.append(f"denied by suspension {verdict.restrictions.denying.id}")
    elif code is Code.DEPENDENCY_MISSING and verdict.missing_code is not None:
        parts.append(f"required feature {verdict.missing_key} is not allowed: {verdict.missing_code.name}")
    if inquiry.edge != NEVER:
        parts.append(f"may change at {date_of(inquiry.edge)}")
    return "; ".join(parts) + "."


def _rules(verdict: Verdict, code: Code, inquiry: Inquiry, obligations: tuple[Obligation, ...]) -> tuple[str, ...]:
    rules = {"A3", "B2", "B3"}
    allowed = REASONS[code].family is Family.ALLOW
    if allowed:
        rules.add("D4")
        if verdict.feature.kind is FeatureKind.CONFIG:
            rules.add("B5")
        if verdict.winner.source is Source.OVERRIDE:
            rules.add("B4")
        if verdict.winner.subscription_id:
            rules.add("B7")
        if verdict.cap is not AccessLevel.FULL or verdict.restrictions.subscriptions:
            rules.add("B6")
    else:
        rules.update(_CODE_RULES.get(code, ("B7", "D2")))
        rules.add("D1")
    if inquiry.edge != NEVER or obligations:
        rules.add("E2")
    return tuple(sorted(rules))


def _failed_conditions(verdict: Verdict, code: Code, inquiry: Inquiry) -> tuple[str, ...]:
    """Return the clauses that failed: of the nearest miss, that is the source with the fewest, or of the availability."""
    if code is Code.REGION_RESTRICTED and verdict.feature.available_when is not None:
        return tuple(
            f"available_when: {reason}"
            for reason in explain_condition(verdict.feature.available_when, inquiry.attributes)
        )
    if code is not Code.CONDITION_NOT_MET:
        return ()
    misses = [(miss, explain_condition(miss.condition, inquiry.attributes)) for miss in verdict.sources.missed]
    miss, reasons = min(misses, key=lambda pair: (len(pair[1]), _miss_place(pair[0])))
    return tuple(f"{miss.source.name.lower()} {miss.id}: {reason}" for reason in reasons)


def _miss_place(miss: Missed) -> tuple[int, str, str]:
    return (SOURCE_ORDER[miss.source], miss.id, miss.subscription_id)
