"""Actions that change the timeline of a subscription: trial, cancellation, payment, renewal. Pure; see `subscription`."""

from __future__ import annotations

from dataclasses import replace

from control.domain.account import HeldSubscription, StateSpan
from control.domain.errors import Conflict
from control.domain.subscription import Action, before, check_after, permit, span_at
from entitlements.policy.ids import Millis
from entitlements.policy.model import SubscriptionState, Window


def convert_trial(subscription: HeldSubscription, at_ms: Millis | None, now_ms: Millis) -> HeldSubscription:
    """Let a trial become ACTIVE at an instant, at its end when none is given; what was planned after it is dropped."""
    trial = _trial(Action.CONVERT_TRIAL, subscription, now_ms)
    end = trial.window.until_ms
    at = at_ms if at_ms is not None else end if end is not None else now_ms
    _not_before_span("at", at, trial)
    if end is not None and at > end:
        raise Conflict("at", "is after the trial's end", "Convert at its end or earlier, or extend the trial first")
    return _continued(subscription, at, StateSpan(SubscriptionState.ACTIVE, Window(at, None)))


def extend_trial(subscription: HeldSubscription, until_ms: Millis, now_ms: Millis) -> HeldSubscription:
    """Move a trial's end; what begins where the trial ended moves with it."""
    trial = _trial(Action.EXTEND_TRIAL, subscription, now_ms)
    check_after("until", until_ms, now_ms, "now")
    spans: list[StateSpan] = []
    for span in subscription.timeline:
        start, end = span.window
        if span == trial:
            spans.append(span._replace(window=Window(start, until_ms)))
        elif start is not None and start == trial.window.until_ms:
            if end is not None and end <= until_ms:
                raise Conflict(
                    "until", f"is after the end of {span.state.name}", "Give an earlier end, or renew instead"
                )
            spans.append(span._replace(window=Window(until_ms, end)))
        else:
            spans.append(span)
    return replace(subscription, timeline=tuple(spans))


def _trial(action: Action, subscription: HeldSubscription, now_ms: Millis) -> StateSpan:
    permit(action, subscription, now_ms)
    return next(span for span in subscription.timeline if span.window.contains(now_ms))


def cancel(subscription: HeldSubscription, at_ms: Millis, now_ms: Millis) -> HeldSubscription:
    """End a subscription at an instant; until then it stays as it is."""
    permit(Action.CANCEL, subscription, now_ms)
    current = span_at(subscription, now_ms)
    if current is not None:
        _not_before_span("at", at_ms, current)
    return replace(subscription, cancel_at_ms=at_ms)


def uncancel(subscription: HeldSubscription, now_ms: Millis) -> HeldSubscription:
    """Take back a cancellation that has not come yet."""
    permit(Action.UNCANCEL, subscription, now_ms)
    if subscription.cancel_at_ms is None:
        raise Conflict("state", "no cancellation is planned", "Nothing needs to be done")
    return replace(subscription, cancel_at_ms=None)


def mark_past_due(
    subscription: HeldSubscription, at_ms: Millis, grace_until_ms: Millis, now_ms: Millis
) -> HeldSubscription:
    """Note a failed payment: access goes on in grace until an instant and ends there, unless `activate` comes first."""
    permit(Action.MARK_PAST_DUE, subscription, now_ms)
    check_after("grace_until", grace_until_ms, at_ms, "the failed payment")
    _check_span("at", at_ms, subscription, now_ms)
    return _continued(subscription, at_ms, StateSpan(SubscriptionState.PAST_DUE, Window(at_ms, grace_until_ms)))


def activate(
    subscription: HeldSubscription, at_ms: Millis, until_ms: Millis | None, now_ms: Millis
) -> HeldSubscription:
    """Let a subscription be ACTIVE from an instant: approved, paid, or started early."""
    permit(Action.ACTIVATE, subscription, now_ms)
    return _active(subscription, at_ms, until_ms, now_ms)


def renew(subscription: HeldSubscription, at_ms: Millis, until_ms: Millis | None, now_ms: Millis) -> HeldSubscription:
    """Begin another term, or let the running one end later; what was planned after it, and a cancellation, are dropped."""
    permit(Action.RENEW, subscription, now_ms)
    current = span_at(subscription, now_ms)
    renewed = replace(subscription, cancel_at_ms=None)
    if current is None or current.state is not SubscriptionState.ACTIVE:
        return _active(renewed, at_ms, until_ms, now_ms)
    if until_ms is not None:
        check_after("until", until_ms, now_ms, "now")
    start = current.window.from_ms
    kept = tuple(span for span in before(subscription.timeline, now_ms) if span.window.from_ms != start)
    longer = StateSpan(SubscriptionState.ACTIVE, Window(start, until_ms))
    return replace(renewed, timeline=(*kept, longer))


def _active(subscription: HeldSubscription, at_ms: Millis, until_ms: Millis | None, now_ms: Millis) -> HeldSubscription:
    if until_ms is not None:
        check_after("until", until_ms, at_ms, "`at`")
    _check_span("at", at_ms, subscription, now_ms)
    return _continued(subscription, at_ms, StateSpan(SubscriptionState.ACTIVE, Window(at_ms, until_ms)))


def _check_span(field: str, at_ms: Millis, subscription: HeldSubscription, now_ms: Millis) -> None:
    current = span_at(subscription, now_ms)
    if current is not None:
        _not_before_span(field, at_ms, current)
        return
    past = [span.window.until_ms for span in subscription.timeline if span.window.until_ms is not None]
    ended = max((end for end in past if end <= now_ms), default=None)
    if ended is not None and at_ms < ended:
        raise Conflict(field, "lies before the end of the last state", "Give that end or a later date")


def _not_before_span(field: str, at_ms: Millis, span: StateSpan) -> None:
    if span.window.from_ms is not None and at_ms < span.window.from_ms:
        raise Conflict(field, f"lies before the present state {span.state.name} began", "Give a later date")


def _continued(subscription: HeldSubscription, at_ms: Millis, span: StateSpan) -> HeldSubscription:
    return replace(subscription, timeline=(*before(subscription.timeline, at_ms), span))
