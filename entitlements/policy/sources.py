"""What grants a feature to a customer now: items of live subscriptions, promotions, overrides (semantics B1-B3, C4)."""

from __future__ import annotations

from typing import Final, NamedTuple

from entitlements.policy.combine import fits
from entitlements.policy.inquiry import Inquiry
from entitlements.policy.model import (
    ALWAYS,
    AccessLevel,
    Condition,
    ConsideredSource,
    Feature,
    Override,
    OverrideEffect,
    PlanEntitlement,
    PlanVersion,
    Promotion,
    Source,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    Suspension,
    Value,
)
from entitlements.policy.reasons import Code
from entitlements.policy.restrictions import Restrictions, code_of
from entitlements.policy.timeline import LEAST_REPAIR_FIRST, Standing, stand

_ORDER: Final = (Source.OVERRIDE, Source.PLAN, Source.ADDON, Source.PROMOTION, Source.TRIAL, Source.CORE)
SOURCE_ORDER: Final = tuple(_ORDER.index(source) if source in _ORDER else len(_ORDER) for source in Source)
"""Place of each source (by its number) among sources that are otherwise equal (semantics D4)."""

_new: Final = tuple.__new__
"""Makes a named tuple past its own constructor, whose frame costs three times what making the tuple does."""

GRANTS: Final = "grants"
_ALLOWS: Final = "allows"
_DENIES: Final = "denies"
_EXCLUDED: Final = "its window excludes this instant"
_FOREIGN: Final = "its value is none that the feature takes"
_UNMET: Final = "its condition is not met"
_COUNTED: Final = frozenset({GRANTS, _ALLOWS, _DENIES})

Held = tuple[SubscriptionItem, PlanVersion, PlanEntitlement]


class Grant(NamedTuple):
    """A source that grants; ``times`` counts under SUM, ``trial_end`` is set when it is a trial."""

    source: Source
    id: str
    subscription_id: str
    access: AccessLevel
    value: Value | None = None
    times: int = 1
    trial_end: int | None = None


NOBODY: Final = Grant(Source.NOTHING, "", "", AccessLevel.NONE)
"""The winner as long as nothing grants."""


class Missed(NamedTuple):
    """A source whose condition does not hold."""

    source: Source
    id: str
    subscription_id: str
    condition: Condition


class Sources:
    """Everything that was found about one feature of one customer; nothing here says allow or deny yet."""

    __slots__ = (
        "absence",
        "cause",
        "feature",
        "grants",
        "included",
        "inquiry",
        "live",
        "missed",
        "override",
        "restrictions",
        "revoked",
        "suspended",
    )

    def __init__(self, feature: Feature, inquiry: Inquiry, restrictions: Restrictions) -> None:
        """Look at every source of the feature."""
        self.feature = feature
        self.inquiry = inquiry
        self.restrictions = restrictions
        self.grants: list[Grant] = []
        self.missed: list[Missed] = []
        self.override: Override | None = None
        self.revoked: Override | None = None
        self.live = False
        """At least one subscription gives access now."""
        self.included = False
        """A live subscription includes the feature, conditions aside."""
        self.suspended = False
        """A suspension took a subscription away."""
        self.absence: Code = Code.NO_SUBSCRIPTION
        """Why no subscription is live: the one whose repair needs least (semantics D2)."""
        self.cause = ""
        customer = inquiry.customer
        for override in customer.overrides:
            if override.feature == feature.key:
                outcome = self._look_at_override(override)
                self._note(Source.OVERRIDE, override.id, "", outcome, override.value)
        for subscription in customer.subscriptions:
            self._look_at_subscription(subscription)
        if feature.promotions or customer.promotions:
            self._look_at_promotions((*feature.promotions, *customer.promotions))

    def _note(self, source: Source, id_: str, subscription_id: str, outcome: str, value: Value | None = None) -> None:
        trace = self.inquiry.trace
        if trace is not None:
            trace.append(ConsideredSource(source, id_, subscription_id, outcome in _COUNTED, outcome, value))

    def _look_at_override(self, override: Override) -> str:
        if not self.inquiry.inside(override.window):
            return _EXCLUDED
        if override.effect is OverrideEffect.DENY:
            if self.revoked is None or override.id < self.revoked.id:
                self.revoked = override
            return _DENIES
        if override.value is not None and not fits(self.feature, override.value):
            return _FOREIGN
        if self.override is None or override.id < self.override.id:
            self.override = override
        return _ALLOWS

    def _look_at_subscription(self, subscription: Subscription) -> None:
        inquiry = self.inquiry
        held = self._held(subscription)
        suspended = self.restrictions.subscriptions
        suspension = suspended.get(subscription.id) if suspended else None
        if held:
            standing = stand(subscription.spans, inquiry)
        else:  # cannot grant; when its standing changes matters only while nothing else grants
            inquiry.edge, inquiry.absence_edge = inquiry.absence_edge, inquiry.edge
            standing = stand(subscription.spans, inquiry)
            inquiry.edge, inquiry.absence_edge = inquiry.absence_edge, inquiry.edge
        access = standing.access if suspension is None else min(standing.access, suspension.access)
        if access is AccessLevel.NONE:
            code = self._fail(standing, suspension)
            for item, plan, entitlement in held:
                self._note(_source(plan), item.ref, subscription.id, f"not live: {code.name}", entitlement.value)
            return
        self.live = True
        for item, plan, entitlement in held:
            source = Source.TRIAL if standing.trial_end is not None else _source(plan)
            outcome = self._look_at_item(source, subscription.id, item, entitlement)
            if outcome is GRANTS:
                times = item.quantity if plan.addon else 1
                value = entitlement.value
                self.grants.append(
                    _new(Grant, (source, item.ref, subscription.id, access, value, times, standing.trial_end))
                )
            if inquiry.trace is not None:
                self._note(source, item.ref, subscription.id, outcome, entitlement.value)

    def _held(self, subscription: Subscription) -> list[Held]:
        """Return the items that name the feature."""
        key = self.feature.key
        find_plan = self.inquiry.records.plan
        held = []
        for item in subscription.items:
            plan = find_plan(item.ref)
            entitlement = None if plan is None else plan.entitlements.get(key)
            if plan is not None and entitlement is not None:
                held.append((item, plan, entitlement))
            elif plan is None:
                self._note(Source.PLAN, item.ref, subscription.id, "the plan version is not in the policy set")
            else:
                self._note(_source(plan), item.ref, subscription.id, "does not include the feature")
        return held

    def _fail(self, standing: Standing, suspension: Suspension | None) -> Code:
        """Remember why a subscription is not live; one that fails twice needs the greater of the two repairs."""
        code, cause = standing.code, ""
        if suspension is not None and suspension.access is AccessLevel.NONE:
            self.suspended = True
            by_suspension = code_of(suspension)
            if code is None or LEAST_REPAIR_FIRST[by_suspension] >= LEAST_REPAIR_FIRST[code]:
                code, cause = by_suspension, suspension.cause
        elif standing.state is SubscriptionState.SUSPENDED:
            self.suspended = True
        code = code or Code.SUBSCRIPTION_SUSPENDED
        best = self.absence
        if best is Code.NO_SUBSCRIPTION or (LEAST_REPAIR_FIRST[code], cause) < (LEAST_REPAIR_FIRST[best], self.cause):
            self.absence, self.cause = code, cause
        return code

    def _look_at_item(self, source: Source, id_: str, item: SubscriptionItem, entitlement: PlanEntitlement) -> str:
        if item.window is not ALWAYS and not self.inquiry.inside(item.window):
            return _EXCLUDED
        if entitlement.value is not None and not fits(self.feature, entitlement.value):
            return _FOREIGN
        self.included = True
        if entitlement.condition is not None and not self.inquiry.holds(entitlement.condition):
            self.missed.append(Missed(source, item.ref, id_, entitlement.condition))
            return _UNMET
        return GRANTS

    def _look_at_promotions(self, promotions: tuple[Promotion, ...]) -> None:
        for promotion in promotions:
            if promotion.feature == self.feature.key:
                outcome = self._look_at_promotion(promotion)
                self._note(Source.PROMOTION, promotion.id, "", outcome, promotion.value)

    def _look_at_promotion(self, promotion: Promotion) -> str:
        inquiry = self.inquiry
        value, condition = promotion.value, promotion.condition
        if not inquiry.inside(promotion.window):
            return _EXCLUDED
        if value is not None and not fits(self.feature, value):
            return _FOREIGN
        if condition is not None and not inquiry.holds(condition):
            self.missed.append(Missed(Source.PROMOTION, promotion.id, "", condition))
            return _UNMET
        self.grants.append(Grant(Source.PROMOTION, promotion.id, "", AccessLevel.FULL, value))
        return GRANTS


def _source(plan: PlanVersion) -> Source:
    return Source.ADDON if plan.addon else Source.PLAN
