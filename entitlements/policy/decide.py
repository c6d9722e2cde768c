"""The only place where a verdict is made: ``decide(query, records, now) -> Decision``.

Order of thought (semantics B3): explicit deny, then override, then the most generous of plan, add-on, trial and promotion, then the
core default, then nothing. Which code a deny carries is a question of its own (semantics D1). The rules by letter, with every
choice they leave open: docs/semantics.md.
"""

from __future__ import annotations

from typing import Final

from entitlements.policy.combine import combine, fits, rule_of, within
from entitlements.policy.explain import explain_lookup, explain_verdict
from entitlements.policy.freshness import RETRY_AFTER_MS
from entitlements.policy.ids import FeatureKey, Millis
from entitlements.policy.inquiry import NEVER, Inquiry
from entitlements.policy.model import (
    AccessLevel,
    CombineRule,
    Decision,
    ExplainLevel,
    Feature,
    FeatureKind,
    Obligation,
    Query,
    Records,
    Remedy,
    Source,
    Value,
)
from entitlements.policy.reasons import PRECEDENCE, REASONS, Code, RemedyAction
from entitlements.policy.restrictions import UNRESTRICTED, restrict
from entitlements.policy.sources import SOURCE_ORDER, Grant, Sources
from entitlements.policy.verdict import Verdict

WARN_TRIAL_MS: Final = Millis(7 * 86_400_000)
"""WARN_TRIAL_ENDING is set this long before the end of the granting trial."""

_CODES: Final = {
    Source.PLAN: Code.ENTITLED,
    Source.ADDON: Code.ENTITLED,
    Source.TRIAL: Code.ENTITLED_TRIAL,
    Source.OVERRIDE: Code.ENTITLED_OVERRIDE,
    Source.PROMOTION: Code.ENTITLED_PROMOTION,
    Source.CORE: Code.ENTITLED_CORE,
}
_ALLOW_CODES: Final = tuple(
    _CODES.get(source, Code.ENTITLED) for source in Source
)  # by number: hashing an enum is slow
_new: Final = tuple.__new__
_SOLD: Final = frozenset({RemedyAction.UPGRADE, RemedyAction.RENEW})


def decide(query: Query, records: Records, now: Millis) -> Decision:
    """Return the answer of the records to a valid question at an instant (UTC milliseconds); never raises on valid records."""
    if not records.complete:
        return _answer_lookup(query, Code.POLICY_NOT_READY, None)
    customer = records.customer(query.customer_id)
    if customer is None:
        return _answer_lookup(query, Code.CUSTOMER_UNKNOWN, None)
    if customer.archived:
        return _answer_lookup(query, Code.CUSTOMER_ARCHIVED, None)
    feature = records.feature(query.feature)
    if feature is None:
        return _answer_lookup(query, Code.FEATURE_UNKNOWN, None)
    inquiry = Inquiry(query, records, customer, now)
    if feature.retired_at_ms is not None and inquiry.turns_at(feature.retired_at_ms):
        return _answer_lookup(query, Code.FEATURE_RETIRED, feature)
    wanted = query.requested_value
    if wanted is not None and (feature.kind is FeatureKind.SWITCH or not fits(feature, wanted)):
        return _answer_lookup(query, Code.TYPE_MISMATCH, feature, inquiry.edge)
    verdict = _weigh(feature, inquiry)
    if feature.requires and _may_report(verdict, Code.DEPENDENCY_MISSING):
        _require(verdict, inquiry)
    if wanted is not None and verdict.code is None and not within(wanted, verdict.value):
        verdict.code = Code.VALUE_NOT_ALLOWED
    return _answer(verdict, inquiry)


def _weigh(feature: Feature, inquiry: Inquiry) -> Verdict:
    """Weigh one feature by itself, what it requires and what is wanted of it aside."""
    restrictions = restrict(feature.key, inquiry) if inquiry.customer.suspensions else UNRESTRICTED
    sources = Sources(feature, inquiry, restrictions)
    verdict = Verdict(feature, sources, restrictions)
    denies: list[Code] = []
    if restrictions.denying is not None or sources.revoked is not None:
        verdict.explicit = True
        denies += verdict.explicit_codes()
    if feature.available_when is not None and not inquiry.holds(feature.available_when):
        verdict.explicit = True
        denies.append(Code.REGION_RESTRICTED)
    grants = sources.grants
    if sources.override is not None:
        _grant_override(verdict, sources.override.id, sources.override.value, grants)
    elif grants:
        _grant_most_generous(verdict, grants)
    elif feature.core:
        _grant(verdict, Grant(Source.CORE, feature.key, "", AccessLevel.FULL), AccessLevel.FULL, feature.default_value)
    else:
        inquiry.edge = min(inquiry.edge, inquiry.absence_edge)
        verdict.explicit = verdict.explicit or sources.suspended
        denies.append(_absence(sources))
    if denies:
        verdict.code = denies[0] if len(denies) == 1 else min(denies, key=PRECEDENCE.__getitem__)
    return verdict


def _absence(sources: Sources) -> Code:
    """Return why nothing grants (semantics C4, D3)."""
    if not sources.live:
        return sources.absence
    return Code.CONDITION_NOT_MET if sources.included else Code.NOT_IN_PLAN


def _grant_override(verdict: Verdict, id_: str, value: Value | None, grants: list[Grant]) -> None:
    """An override allows by itself and replaces the value; without one it leaves the value to the others (semantics B4)."""
    if value is None or verdict.feature.kind is FeatureKind.SWITCH:
        value, _ = _combined(verdict.feature, grants)
    _grant(verdict, Grant(Source.OVERRIDE, id_, "", AccessLevel.FULL), AccessLevel.FULL, value)


def _grant_most_generous(verdict: Verdict, grants: list[Grant]) -> None:
    """The highest access level and the combined value win, each for itself; one of the value's givers is named (semantics B5)."""
    grant, feature = grants[0], verdict.feature
    if (
        len(grants) == 1 and grant.times == 1
    ):  # nothing to combine: nearly always so, and half the price of the long way
        value = grant.value
        if feature.kind is FeatureKind.SWITCH:
            value = None
        elif value is None:
            value = feature.default_value
        elif type(value) is tuple:
            value, _ = _combined(feature, grants)
        _grant(verdict, grant, grant.access, value)
        return
    value, givers = _combined(feature, grants)
    access = grant.access
    for grant in grants:
        if grant.access > access:  # noqa: PLR1730  max() costs more than the whole loop
            access = grant.access
    _grant(verdict, _winner(givers), access, value)


def _grant(verdict: Verdict, winner: Grant, access: AccessLevel, value: Value | None) -> None:
    verdict.winner = winner
    cap = verdict.cap
    verdict.access = access if access <= cap else cap  # noqa: FURB136  a comparison costs a third of min()
    verdict.value = value


def _combined(feature: Feature, grants: list[Grant]) -> tuple[Value | None, list[Grant]]:
    """Return the combined value (the default when no source has one) and the grants that gave it."""
    if feature.kind is FeatureKind.SWITCH or not grants:
        return feature.default_value if feature.kind is FeatureKind.CONFIG else None, grants
    rule = rule_of(feature)
    ordered = sorted(grants, key=_order) if rule is CombineRule.ANY and len(grants) > 1 else grants
    pairs = [(grant.value, grant.times) for grant in ordered if grant.value is not None]
    if not pairs:
        return feature.default_value, grants
    value = combine(rule, pairs)
    if len(grants) == 1:
        return value, grants
    return value, [grant for grant in grants if grant.value == value] or [
        grant for grant in grants if grant.value is not None
    ]


def _order(grant: Grant) -> tuple[int, str, str]:
    return (SOURCE_ORDER[grant.source], grant.id, grant.subscription_id)


def _winner(grants: list[Grant]) -> Grant:
    """Return the grant to name: the highest access level, then source order, then the smallest ids (semantics D4)."""
    best = grants[0]
    for grant in grants:
        if grant is best:
            continue
        if grant.access != best.access:
            better = grant.access > best.access
        elif grant.source != best.source:
            better = SOURCE_ORDER[grant.source] < SOURCE_ORDER[best.source]
        else:
            better = (grant.id, grant.subscription_id) < (best.id, best.subscription_id)
        if better:
            best = grant
    return best


def _may_report(verdict: Verdict, code: Code) -> bool:
    return verdict.code is None or PRECEDENCE[code] < PRECEDENCE[verdict.code]


def _require(verdict: Verdict, inquiry: Inquiry) -> None:
    """Deny when a feature that this one needs, directly or through others, is not allowed by itself.

    Looking at each feature of the closure once makes cycles harmless: features that need each other stand or fall together.
    """
    trace, inquiry.trace = inquiry.trace, None
    seen = {verdict.feature.key}
    pending = list(verdict.feature.requires)
    for key in pending:
        if key in seen:
            continue
        seen.add(key)
        needed = inquiry.records.feature(key)
        if needed is None or (needed.retired_at_ms is not None and inquiry.turns_at(needed.retired_at_ms)):
            verdict.miss(key, needed, Code.FEATURE_UNKNOWN if needed is None else Code.FEATURE_RETIRED)
            break
        found = _weigh(needed, inquiry)
        if found.code is not None:
            verdict.miss(key, needed, found.code)
            verdict.explicit = verdict.explicit or found.explicit
            break
        pending += needed.requires
    inquiry.trace = trace


def _answer(verdict: Verdict, inquiry: Inquiry) -> Decision:
    code, explain = verdict.code, inquiry.query.explain
    winner, access = verdict.winner, verdict.access
    obligations: tuple[Obligation, ...] = ()
    if code is not None:
        allowed, access, value, remedy = False, AccessLevel.NONE, None, _remedy(verdict, code)
        source = Source.OVERRIDE if code is Code.REVOKED else Source.NOTHING
    else:
        code = Code.ENTITLED_GRACE if access is AccessLevel.GRACE else _ALLOW_CODES[winner.source]
        allowed, value, remedy, source = True, verdict.value, None, winner.source
        end = winner.trial_end
        if end is not None and end != NEVER and inquiry.turns_at(end - WARN_TRIAL_MS):
            obligations = (Obligation.WARN_TRIAL_ENDING,)
        if access is AccessLevel.READ_ONLY:
            obligations = (*obligations, Obligation.READ_ONLY)
    edge = inquiry.edge
    # By position and past the tuple's own constructor, whose frame and fourteen names cost three times what making the tuple does.
    return _new(
        Decision,
        (
            verdict.feature.key,
            allowed,
            code,
            access,
            source,
            value,
            None if edge == NEVER else edge,
            obligations,
            remedy,
            None,
            verdict.explicit,
            verdict.cap,
            None,
            None if explain is ExplainLevel.NONE else explain_verdict(verdict, code, inquiry, obligations),
        ),
    )


def _remedy(verdict: Verdict, code: Code) -> Remedy:
    """Name the repair; plans are those that include what is missing, which may be the required feature."""
    action = REASONS[code].remedy
    if code is Code.SUBSCRIPTION_SUSPENDED and verdict.cause_of(code) == "non_payment":
        action = RemedyAction.FIX_PAYMENT
    missing = verdict.feature
    if code is Code.DEPENDENCY_MISSING:
        if verdict.missing is None:
            return Remedy(RemedyAction.CONTACT_ADMIN, contact=missing.contact)
        missing = verdict.missing
    return Remedy(action, missing.sold_in_plans if action in _SOLD else (), missing.contact)


def _answer_lookup(query: Query, code: Code, feature: Feature | None, edge: int = NEVER) -> Decision:
    """Answer before any source is looked at (semantics A3, A4)."""
    return Decision(
        feature=FeatureKey(query.feature),
        allowed=False,
        code=code,
        access_level=AccessLevel.NONE,
        valid_until=None if edge == NEVER else Millis(edge),
        remedy=Remedy(REASONS[code].remedy, contact=feature.contact if feature else ""),
        retry_after_ms=RETRY_AFTER_MS if code is Code.POLICY_NOT_READY else None,
        explicit_deny=code in {Code.CUSTOMER_ARCHIVED, Code.FEATURE_RETIRED, Code.TYPE_MISMATCH},
        explanation=None if query.explain is ExplainLevel.NONE else explain_lookup(query, code),
    )
