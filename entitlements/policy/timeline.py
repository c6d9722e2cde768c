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

_STATE_CODES: Final = {
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
_AFTER_CODES: Final = {
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
    """Access at an instant; ``code`` says why there is none. ``trial_end`` is set in a trial, NEVER when it is open."""

    access: AccessLevel
    code: Code | None
    trial_end: int | None = None
    state: SubscriptionState | None = None


def stand(spans: Sequence[Span], inquiry: Inquiry) -> Standing:
    """Return where a timeline stands now. Spans are sorted and do not overlap; a gap is judged by the span before it."""
    before: SubscriptionState | None = None
    code = Code.SUBSCRIPTION_NOT_STARTED
    for index, span in enumerate(spans):
        state, access, window = span
        if inquiry.inside(window):
            if access is not AccessLevel.NONE:
                trial_end = _trial_end(spans, index) if state is SubscriptionState.TRIALING else None
                return Standing(access, None, trial_end, state)
            if state is SubscriptionState.EXPIRED and before is SubscriptionState.TRIALING:
                return Standing(access, Code.TRIAL_EXPIRED, None, state)
            return Standing(access, _STATE_CODES[state], None, state)
        if window.from_ms is not None and inquiry.now < window.from_ms:
            break
        if state is SubscriptionState.EXPIRED and before is SubscriptionState.TRIALING:
            code = Code.TRIAL_EXPIRED
        else:
            code = _AFTER_CODES[state]
        before = state
    return Standing(AccessLevel.NONE, code, None, before if code is Code.SUBSCRIPTION_SUSPENDED else None)


def _trial_end(spans: Sequence[Span], index: int) -> int:
    """Return when the trial ends: an extension is a further trial span that begins where the last one ends."""
    end = spans[index].window.until_ms
    for state, _, window in spans[index + 1 :]:
        if end is None or state is not SubscriptionState.TRIALING or window.from_ms != end:
            break
        end = window.until_ms
    return NEVER if end is None else end
