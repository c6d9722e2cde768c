"""How far an answer can be trusted: the freshness ladder, and the fallbacks for when records cannot answer (semantics F1-F7).

Ages are milliseconds since the newest verified heartbeat was issued. Nothing here renews an age.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from entitlements.policy.ids import FeatureKey, Millis
from entitlements.policy.model import (
    AccessLevel,
    Decision,
    Explanation,
    Ladder,
    Obligation,
    OnTooStale,
    Remedy,
    Source,
    Value,
)
from entitlements.policy.reasons import REASONS, Code, RemedyAction

RETRY_AFTER_MS: Final = Millis(1_000)
"""A heartbeat comes each second: asking again sooner cannot help."""


class FreshnessState(IntEnum):
    """Age of the policy against a feature's ladder. Numbers equal the protobuf enum."""

    FRESH = 1
    STALE = 2
    TOO_STALE = 3


class ServedFrom(IntEnum):
    """The tier that answered. Numbers equal the protobuf enum."""

    LIVE = 1
    LAST_KNOWN_GOOD = 2
    SIGNED_LICENSE = 3
    STATIC_FALLBACK = 4
    CALLER_FALLBACK = 5


@dataclass(frozen=True, slots=True)
class StaticFallback:
    """What the sidecar's own configuration answers for a feature when records cannot."""

    allowed: bool
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class CallerFallback:
    """What the caller asked to be answered when records cannot."""

    allowed: bool
    value: Value | None = None


def state_of(ladder: Ladder, age_ms: int) -> FreshnessState:
    """Return the rung of an age: each rung begins exactly at its instant, as windows do."""
    if age_ms < ladder.fresh_for_ms:
        return FreshnessState.FRESH
    if age_ms < ladder.fresh_for_ms + ladder.stale_ok_for_ms:
        return FreshnessState.STALE
    return FreshnessState.TOO_STALE


def next_edge_ms(ladder: Ladder, age_ms: int) -> Millis | None:
    """Return how many milliseconds from now the next rung begins if no news arrives; None on the last rung."""
    if age_ms < ladder.fresh_for_ms:
        return Millis(ladder.fresh_for_ms - age_ms)
    last = ladder.fresh_for_ms + ladder.stale_ok_for_ms
    return Millis(last - age_ms) if age_ms < last else None


def apply_ladder(decision: Decision, ladder: Ladder, age_ms: int, default_value: Value | None = None) -> Decision:
    """Return what may still be answered at this age; ``default_value`` is the feature's, for an allow without a value.

    Up to the last rung, and under LAST_VALUE, that is the decision itself. ALLOW and DENY replace the verdict and keep the
    records' own code as ``underlying_code``; READ_ONLY lowers the level of an allow. An explicit deny always stays.
    """
    if decision.explicit_deny or state_of(ladder, age_ms) is not FreshnessState.TOO_STALE:
        return decision
    match ladder.on_too_stale:
        case OnTooStale.ALLOW:
            return _allow_too_stale(decision, default_value)
        case OnTooStale.DENY:
            return _deny_too_stale(decision)
        case OnTooStale.READ_ONLY if decision.allowed and decision.access_level > AccessLevel.READ_ONLY:
            return decision._replace(
                access_level=AccessLevel.READ_ONLY,
                obligations=(*decision.obligations, Obligation.READ_ONLY),
                explanation=_with_rule(decision.explanation, "F2"),
            )
        case _:
            return decision


def _allow_too_stale(decision: Decision, default_value: Value | None) -> Decision:
    if decision.allowed:
        return decision._replace(
            code=Code.POLICY_TOO_STALE,
            underlying_code=decision.code,
            explanation=_with_rule(decision.explanation, "F2", Code.POLICY_TOO_STALE),
        )
    return decision._replace(
        allowed=True,
        code=Code.POLICY_TOO_STALE,
        access_level=decision.access_cap,
        source=Source.DEFAULT,
        value=default_value,
        obligations=(Obligation.READ_ONLY,) if decision.access_cap is AccessLevel.READ_ONLY else (),
        remedy=None,
        retry_after_ms=None,
        underlying_code=decision.code,
        explanation=_with_rule(decision.explanation, "F2", Code.POLICY_TOO_STALE),
    )


def _deny_too_stale(decision: Decision) -> Decision:
    return decision._replace(
        allowed=False,
        code=Code.POLICY_TOO_STALE,
        access_level=AccessLevel.NONE,
        source=Source.DEFAULT,
        value=None,
        obligations=(),
        remedy=Remedy(RemedyAction.RETRY, contact=decision.remedy.contact if decision.remedy else ""),
        retry_after_ms=RETRY_AFTER_MS,
        underlying_code=decision.code,
        explanation=_with_rule(decision.explanation, "F2", Code.POLICY_TOO_STALE),
    )


def _with_rule(explanation: Explanation | None, rule: str, code: Code | None = None) -> Explanation | None:
    """Add the rule that was walked last; with a code, its sentences take the place of the records' own."""
    if explanation is None:
        return None
    rules = (*explanation.rules, rule)
    if code is None:
        return replace(explanation, rules=rules)
    reason = REASONS[code]
    engineer = f"{reason.engineer_message} The records say: {explanation.engineer_message}"
    return replace(explanation, rules=rules, user_message=reason.user_message, engineer_message=engineer)


def fallback_decision(
    feature: FeatureKey,
    cause: Code,
    static: StaticFallback | None,
    caller: CallerFallback | None,
    *,
    explain: bool = False,
) -> tuple[Decision, ServedFrom]:
    """Return the answer when records cannot give one: the sidecar's fallback, else the caller's, else deny (semantics F4).

    ``cause`` (POLICY_NOT_READY or INTERNAL) becomes the underlying code. Nothing but an explicit fallback allows.
    """
    chosen = static or caller
    allowed = chosen is not None and chosen.allowed
    served_from = ServedFrom.CALLER_FALLBACK if static is None and caller is not None else ServedFrom.STATIC_FALLBACK
    code = Code.FALLBACK_ALLOW if allowed else Code.FALLBACK_DENY
    decision = Decision(
        feature=feature,
        allowed=allowed,
        code=code,
        access_level=AccessLevel.FULL if allowed else AccessLevel.NONE,
        source=Source.DEFAULT,
        value=chosen.value if chosen is not None and allowed else None,
        remedy=None if allowed else Remedy(RemedyAction.RETRY),
        retry_after_ms=RETRY_AFTER_MS,
        underlying_code=cause,
        explanation=_explain_fallback(code, cause, static, caller) if explain else None,
    )
    return decision, served_from


def _explain_fallback(
    code: Code, cause: Code, static: StaticFallback | None, caller: CallerFallback | None
) -> Explanation:
    if static is not None:
        who = "the sidecar's static fallback for the feature answered"
    elif caller is not None:
        who = "the sidecar has no static fallback for the feature; the caller's fallback answered"
    else:
        who = "neither the sidecar nor the caller has a fallback for the feature; the default is to deny"
    engineer = f"{REASONS[cause].engineer_message} So {who}."
    return Explanation(REASONS[code].user_message, engineer, rules=("F4",))
