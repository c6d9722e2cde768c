"""Where a subscription stands on its timeline, and the code that says why it is not live (semantics B7, D2, D3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from entitlements.policy.inquiry import NEVER, Inquiry
from entitlements.policy.model import AccessLevel, Span, SubscriptionState
from entitlements.policy.reasons import Code

LEAST_REPAIR_FIRST: Final = {
    code: rank
    for rank, code in enumerate(
        (
            Code.PAYMENT_REQUIRED,
            Code.SUBSCRIPTION_PENDING,
            Code.SUBSCRIPTION_NOT_STARTED,
            Code.SUBSCRIPTION_SUSPENDED,
            Code.COMPLIANCE_BLOCKED,
            Code.TRIAL_EXPIRED,
            Code.SUBSCRIPTION_EXPIRED,
            Code.SUBSCRIPTION_CANCELED,
        )
    )
}
"""Codes of a subscription that is not live; the smallest number needs least to be repaired (semantics D2)."""

_WITHIN: Final = {
    SubscriptionState.PENDING_APPROVAL: Code.SUBSCRIPTION_PENDING,
    SubscriptionState.PENDING_PAYMENT: Code.SUBSCRIPTION_PENDING,
    SubscriptionState.SCHEDULED: Code.SUBSCRIPTION_NOT_STARTED,
    SubscriptionState.TRIALING: Code.SUBSCRIPTION_SUSPENDED,  # the product maps a running state to no access: it suspends
    SubscriptionState.ACTIVE: Code.SUBSCRIPTION_SUSPENDED,
    SubscriptionState.PAST_DUE: Code.PAYMENT_REQUIRED,
    SubscriptionState.GRACE: Code.SUBSCRIPTION_EXPIRED,
    SubscriptionState.SUSPENDED: Code.SUBSCRIPTION_SUSPENDED,
    SubscriptionState.CANCELED: Code.SUBSCRIPTION_CANCELED,
    SubscriptionState.EXPIRED: Code.SUBSCRIPTION_EXPIRED,
}
_AFTER: Final = {
    SubscriptionState.PENDING_APPROVAL: Code.SUBSCRIPTION_EXPIRED,
    SubscriptionState.PENDING_PAYMENT: Code.SUBSCRIPTION_EXPIRED,
    SubscriptionState.SCHEDULED: Code.SUBSCRIPTION_NOT_STARTED,
    SubscriptionState.TRIALING: Code.TRIAL_EXPIRED,
    SubscriptionState.ACTIVE: Code.SUBSCRIPTION_EXPIRED,
    SubscriptionState.PAST_DUE: Code.PAYMENT_REQUIRED,
    SubscriptionState.GRACE: Code.SUBSCRIPTION_EXPIRED,
    SubscriptionState.SUSPENDED: Code.SUBSCRIPTION_SUSPENDED,
    SubscriptionState.CANCELED: Code.SUBSCRIPTION_CANCELED,
    SubscriptionState.EXPIRED: Code.SUBSCRIPTION_EXPIRED,
}


class Standing(NamedTuple):
    """Access at an instant.

    Without access ``code`` says why and ``state`` is the span that decided that; in a trial ``trial_end`` is set, NEVER when open.
    """

    access: AccessLevel
    code: Code | None
    trial_end: int | None = None
    state: SubscriptionState | None = None


_LIVE: Final = tuple(Standing(AccessLevel(max(1, number)), None) for number in range(AccessLevel.FULL + 1))
"""The usual standings, by access level, made once."""


def stand(spans: Sequence[Span], inquiry: Inquiry) -> Standing:
    """Return where a timeline stands now. Spans are sorted and do not overlap; a gap is judged by the span before it."""
    now, passed = inquiry.now, -1
    for index, (state, access, window) in enumerate(spans):
        if inquiry.inside(window):
            if access is not AccessLevel.NONE:
                if state is SubscriptionState.TRIALING:
                    return Standing(access, None, _trial_end(spans, index))
                return _LIVE[access]
            return Standing(access, _code_within(spans, index), None, state)
        if window.from_ms is not None and now < window.from_ms:
            break
        passed = index
    if passed < 0:
        return Standing(AccessLevel.NONE, Code.SUBSCRIPTION_NOT_STARTED)
    return Standing(AccessLevel.NONE, _code_after(spans, passed), None, spans[passed].state)


def _code_within(spans: Sequence[Span], index: int) -> Code:
    return Code.TRIAL_EXPIRED if _ended_trial(spans, index) else _WITHIN[spans[index].state]


def _code_after(spans: Sequence[Span], index: int) -> Code:
    return Code.TRIAL_EXPIRED if _ended_trial(spans, index) else _AFTER[spans[index].state]


def _ended_trial(spans: Sequence[Span], index: int) -> bool:
    """Return whether a span is the expiry that follows a trial."""
    return spans[index].state is SubscriptionState.EXPIRED and (
        index > 0 and spans[index - 1].state is SubscriptionState.TRIALING
    )


def _trial_end(spans: Sequence[Span], index: int) -> int:
    """Return when the trial ends: an extension is a further trial span that begins where the last one ends."""
    end = spans[index].window.until_ms
    for state, _, window in spans[index + 1 :]:
        if end is None or state is not SubscriptionState.TRIALING or window.from_ms != end:
            break
        end = window.until_ms
    return NEVER if end is None else end
