"""A decision as JSON, in the field names of CheckResponse."""

from __future__ import annotations

from control.api.schemas.decisions import (
    ConsideredReply,
    DecisionReply,
    ExplainReply,
    FreshnessReply,
    RemedyReply,
)
from entitlements.policy.condition_json import render_instant
from entitlements.policy.model import UNLIMITED, Decision, Explanation, Instant, Source, Value
from entitlements.policy.reasons import RemedyAction

ValueJson = bool | int | str | list[str]


def instant_text(ms: int) -> str:
    """Return ISO 8601 in UTC with milliseconds."""
    return render_instant(Instant(ms))


def duration_text(ms: int) -> str:
    """Return ``1s`` or ``1500ms``."""
    return f"{ms}ms" if ms % 1000 else f"{ms // 1000}s"


def value_json(value: Value | None) -> ValueJson | None:
    """Return a value as the catalogue document writes it."""
    if value is UNLIMITED:
        return "unlimited"
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    raise TypeError(f"{value!r} is no value")


def decision_reply(decision: Decision, freshness: FreshnessReply, as_of_ms: int | None) -> DecisionReply:
    """Return the answer; the tier is LIVE, because the control plane decides on its own records."""
    remedy = decision.remedy
    return DecisionReply(
        feature=decision.feature,
        allowed=decision.allowed,
        code=decision.code.name,
        access_level=decision.access_level.name,
        value=value_json(decision.value),
        source=None if decision.source is Source.NOTHING else decision.source.name,
        served_from="LIVE",
        freshness=freshness,
        valid_until=None if decision.valid_until is None else instant_text(decision.valid_until),
        obligations=[obligation.name for obligation in decision.obligations],
        remedy=None
        if remedy is None or remedy.action is RemedyAction.NOTHING
        else RemedyReply(action=remedy.action.name, plan_ids=list(remedy.plan_ids), contact=remedy.contact),
        retry_after=None if decision.retry_after_ms is None else duration_text(decision.retry_after_ms),
        underlying_code=None if decision.underlying_code is None else decision.underlying_code.name,
        explain=None if decision.explanation is None else _explain(decision.explanation),
        as_of=None if as_of_ms is None else instant_text(as_of_ms),
    )


def _explain(explanation: Explanation) -> ExplainReply:
    return ExplainReply(
        user_message=explanation.user_message,
        engineer_message=explanation.engineer_message,
        rules=list(explanation.rules),
        considered=[
            ConsideredReply(
                source=each.source.name,
                id=each.id,
                subscription_id=each.subscription_id,
                counted=each.counted,
                note=each.note,
                value=value_json(each.value),
            )
            for each in explanation.considered
        ],
        failed_conditions=list(explanation.failed_conditions),
        suspension_cause=explanation.suspension_cause,
    )
