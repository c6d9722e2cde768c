"""The life of a subscription: each action takes a subscription and dates and returns the subscription that follows.

Pure. Which action fits which state is one table, `PERMITTED`. Dates may lie in the past as far as the current state reaches back (billing
systems report late), never before it; a cancellation is a date on a running subscription, so taking it back loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from control.domain.account import HeldSubscription, StateSpan, windows_meet
from control.domain.compile import effective_timeline
from control.domain.errors import Conflict
from entitlements.policy.ids import Millis, PlanRef, ProductId
from entitlements.policy.model import SubscriptionItem, SubscriptionState, Window


class Action(StrEnum):
    """What can be done with a subscription."""

    CHANGE_PLAN = "change_plan"
    ADD_ADDON = "add_addon"
    REMOVE_ADDON = "remove_addon"
    CONVERT_TRIAL = "convert_trial"
    EXTEND_TRIAL = "extend_trial"
    CANCEL = "cancel"
    UNCANCEL = "uncancel"
    MARK_PAST_DUE = "mark_past_due"
    ACTIVATE = "activate"
    RENEW = "renew"


_S: Final = SubscriptionState
_ENDED: Final = frozenset({_S.CANCELED, _S.EXPIRED})
_LIVING: Final = frozenset(SubscriptionState) - _ENDED
PERMITTED: Final[Mapping[Action, frozenset[SubscriptionState]]] = MappingProxyType(
    {
        Action.CHANGE_PLAN: _LIVING,
        Action.ADD_ADDON: _LIVING,
        Action.REMOVE_ADDON: _LIVING,
        Action.CONVERT_TRIAL: frozenset({_S.TRIALING}),
        Action.EXTEND_TRIAL: frozenset({_S.TRIALING}),
        Action.CANCEL: _LIVING,
        Action.UNCANCEL: _LIVING,
        Action.MARK_PAST_DUE: frozenset({_S.ACTIVE}),
        Action.ACTIVATE: frozenset({_S.PENDING_APPROVAL, _S.PENDING_PAYMENT, _S.SCHEDULED, _S.PAST_DUE, _S.SUSPENDED}),
        Action.RENEW: frozenset({_S.ACTIVE, _S.GRACE, _S.EXPIRED}),
    }
)
"""The states from which an action is possible."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a subscription begins and how far it reaches; instants in UTC milliseconds.

    A trial runs from the start until ``trial_until`` and then becomes ACTIVE only if it ``converts`` by itself. ``until`` ends the term, and
    ``grace_until`` lets access go on in grace after it. ``pending`` is PENDING_APPROVAL or PENDING_PAYMENT: nothing starts before `activate`.
    """

    start_ms: Millis
    trial_until_ms: Millis | None = None
    converts: bool = False
    until_ms: Millis | None = None
    grace_until_ms: Millis | None = None
    pending: SubscriptionState | None = None


def start(
    id_: str, product: ProductId, items: tuple[SubscriptionItem, ...], terms: Terms, now_ms: Millis
) -> HeldSubscription:
    """Return a new subscription; Conflict when its dates are out of order."""
    if terms.pending is not None:
        return HeldSubscription(id_, product, items, (StateSpan(terms.pending, Window(now_ms, None)),))
    spans: list[StateSpan] = []
    begin = terms.start_ms
    if begin > now_ms:
        spans.append(StateSpan(_S.SCHEDULED, Window(now_ms, begin)))
    if terms.trial_until_ms is not None:
        check_after("trial_until", terms.trial_until_ms, begin, "the start")
        spans.append(StateSpan(_S.TRIALING, Window(begin, terms.trial_until_ms)))
        begin = terms.trial_until_ms
    if terms.trial_until_ms is None or terms.converts:
        if terms.until_ms is not None:
            check_after("until", terms.until_ms, begin, "the start of the paid term")
        spans.append(StateSpan(_S.ACTIVE, Window(begin, terms.until_ms)))
        if terms.grace_until_ms is not None:
            if terms.until_ms is None:
                raise Conflict(
                    "grace_until", "is given without `until`", "Grace follows the end of a term; add `until`"
                )
            check_after("grace_until", terms.grace_until_ms, terms.until_ms, "the end of the term")
            spans.append(StateSpan(_S.GRACE, Window(terms.until_ms, terms.grace_until_ms)))
    return HeldSubscription(id_, product, items, tuple(spans))


def check_after(field: str, later: Millis, earlier: Millis, what: str) -> None:
    """Raise Conflict unless a date follows another."""
    if later <= earlier:
        raise Conflict(field, f"is not after {what}", "Give a later date")


def span_at(subscription: HeldSubscription, at_ms: Millis) -> StateSpan | None:
    """Return the span that contains an instant, or None in a gap, before the first and after the last."""
    spans = effective_timeline(subscription.timeline, subscription.cancel_at_ms)
    return next((span for span in spans if span.window.contains(at_ms)), None)


def state_at(subscription: HeldSubscription, at_ms: Millis) -> SubscriptionState:
    """Return the state at an instant: SCHEDULED before the first span, after the last PAST_DUE if it was that, else EXPIRED."""
    span = span_at(subscription, at_ms)
    if span is not None:
        return span.state
    spans = effective_timeline(subscription.timeline, subscription.cancel_at_ms)
    past = [each for each in spans if (each.window.from_ms or 0) <= at_ms]
    if not past:
        return _S.SCHEDULED
    return _S.PAST_DUE if past[-1].state is _S.PAST_DUE else _S.EXPIRED


def permit(action: Action, subscription: HeldSubscription, at_ms: Millis) -> None:
    """Raise Conflict when the state at an instant does not permit an action."""
    state = state_at(subscription, at_ms)
    if state not in PERMITTED[action]:
        states = ", ".join(sorted(each.name for each in PERMITTED[action]))
        raise Conflict(
            "state", f"is {state.name}, which {action.value} does not start from", f"Possible from: {states}"
        )


def before(timeline: tuple[StateSpan, ...], at_ms: Millis) -> tuple[StateSpan, ...]:
    """Return the timeline up to an instant."""
    kept = [span for span in timeline if span.window.from_ms is None or span.window.from_ms < at_ms]
    return tuple(
        span._replace(window=Window(span.window.from_ms, at_ms if end is None or end > at_ms else end))
        for span in kept
        for end in (span.window.until_ms,)
    )


def change_plan(
    subscription: HeldSubscription, at_ms: Millis, ref: PlanRef, quantity: int | None, addons: Collection[PlanRef]
) -> HeldSubscription:
    """Move to another plan version from an instant on; plan changes that were planned for later are dropped, add-ons stay."""
    permit(Action.CHANGE_PLAN, subscription, at_ms)
    plans = [item for item in subscription.items if item.ref not in addons]
    current = next((item for item in plans if item.window.contains(at_ms)), None)
    amount = quantity if quantity is not None else current.quantity if current else 1
    if current and (current.ref, current.quantity, current.window.until_ms) == (ref, amount, None):
        return subscription
    kept = [_ended(item, at_ms) for item in plans if item.window.from_ms is None or item.window.from_ms < at_ms]
    bought = SubscriptionItem(ref, amount, Window(at_ms, None))
    others = [item for item in subscription.items if item.ref in addons]
    return replace(subscription, items=(*kept, bought, *others))


def _ended(item: SubscriptionItem, at_ms: Millis) -> SubscriptionItem:
    end = item.window.until_ms
    return item if end is not None and end <= at_ms else item._replace(window=Window(item.window.from_ms, at_ms))


def add_addon(subscription: HeldSubscription, item: SubscriptionItem, now_ms: Millis) -> HeldSubscription:
    """Hold an add-on version; Conflict when a version of the same add-on is held at that time already."""
    permit(Action.ADD_ADDON, subscription, now_ms)
    for other in subscription.items:
        if _key(other.ref) == _key(item.ref) and windows_meet(other.window, item.window):
            if other == item:
                return subscription
            raise Conflict("ref", f"{other.ref!r} is held at the same time", "End that one first, then add this one")
    return replace(subscription, items=(*subscription.items, item))


def _key(ref: PlanRef) -> str:
    return ref.rpartition("@")[0]


def remove_addon(subscription: HeldSubscription, ref: PlanRef, at_ms: Millis, now_ms: Millis) -> HeldSubscription:
    """Stop holding an add-on version at an instant; Conflict when it is not held then."""
    permit(Action.REMOVE_ADDON, subscription, now_ms)
    held = [item for item in subscription.items if item.ref == ref and not _over(item, at_ms)]
    if not held:
        raise Conflict("ref", f"{ref!r} is not held at that time", "Give an add-on version that the subscription holds")
    items: list[SubscriptionItem] = []
    for item in subscription.items:
        if item not in held:
            items.append(item)
        elif item.window.from_ms is None or item.window.from_ms < at_ms:
            items.append(_ended(item, at_ms))
    if not items:
        raise Conflict("ref", "is the only thing the subscription holds", "Cancel the subscription instead")
    return replace(subscription, items=tuple(items))


def _over(item: SubscriptionItem, at_ms: Millis) -> bool:
    return item.window.until_ms is not None and item.window.until_ms <= at_ms
