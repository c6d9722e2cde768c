"""The sentences of the reason table: for each code one that an end user may read and one for the engineer (semantics D5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "POLICY_NOT_READY": (
        "We cannot check your access yet; please try again in a moment.",
        "The sidecar has not received a complete policy set yet; nothing is known about the customer.",
    ),
    "POLICY_TOO_STALE": (
        "We could not refresh your access rights for too long, so a precaution decided.",
        "The policy is older than the feature's freshness ladder accepts, and the ladder's last rung decided.",
    ),
    "FALLBACK_ALLOW": (
        "You may use this feature while we restore the access service.",
        "The records could not answer; a configured fallback allows.",
    ),
    "FALLBACK_DENY": (
        "This feature is not available while we restore the access service.",
        "The records could not answer; the fallback denies.",
    ),
    "INTERNAL": (
        "Something went wrong on our side; please try again.",
        "The evaluation failed; the sidecar's log has the error.",
    ),
    "CUSTOMER_UNKNOWN": (
        "We do not know this account.",
        "The customer is absent from a complete policy set.",
    ),
    "CUSTOMER_ARCHIVED": (
        "This account is closed.",
        "The customer is archived.",
    ),
    "RESOURCE_UNKNOWN": (
        "We do not know this workspace.",
        "The resource does not belong to the customer.",
    ),
    "FEATURE_UNKNOWN": (
        "This feature does not exist.",
        "The feature is absent from the product's catalogue.",
    ),
    "FEATURE_RETIRED": (
        "This feature is no longer offered.",
        "The feature was retired in the catalogue.",
    ),
    "TYPE_MISMATCH": (
        "This request does not fit the feature.",
        "The requested value is of another type than the feature's.",
    ),
    "LICENSE_MISSING": (
        "No licence is installed.",
        "No licence file was found.",
    ),
    "LICENSE_INVALID": (
        "The installed licence is not valid.",
        "The licence's signature does not verify.",
    ),
    "LICENSE_EXPIRED": (
        "The licence has expired.",
        "The licence's end lies in the past.",
    ),
    "LICENSE_NOT_YET_VALID": (
        "The licence is not valid yet.",
        "The licence's start lies in the future.",
    ),
    "LICENSE_REVOKED": (
        "The licence was revoked.",
        "The licence is on the revocation list.",
    ),
    "LICENSE_SUPERSEDED": (
        "A newer licence replaced this one.",
        "A licence with a higher serial supersedes this one.",
    ),
    "LICENSE_NODE_MISMATCH": (
        "The licence belongs to another machine.",
        "The licence is bound to another node.",
    ),
    "LICENSE_CLOCK_TAMPERED": (
        "The machine's clock does not look right.",
        "The clock was moved back against the licence's record of time.",
    ),
    "LICENSE_CHECKIN_OVERDUE": (
        "The licence must be renewed online.",
        "The licence has not checked in for longer than it allows.",
    ),
    "NO_SUBSCRIPTION": (
        "You have no subscription yet.",
        "The customer never had a subscription of this product.",
    ),
    "SUBSCRIPTION_PENDING": (
        "Your subscription is waiting for approval or payment.",
        "No subscription is live; the best one waits for approval or for its first payment.",
    ),
    "SUBSCRIPTION_NOT_STARTED": (
        "Your subscription has not started yet.",
        "No subscription is live; the best one starts later.",
    ),
    "SUBSCRIPTION_SUSPENDED": (
        "Your access is suspended.",
        "A suspension removes the access; its cause is in the explanation.",
    ),
    "PAYMENT_REQUIRED": (
        "A payment is overdue.",
        "No subscription is live; the best one is past due beyond its grace.",
    ),
    "TRIAL_EXPIRED": (
        "Your trial has ended.",
        "No subscription is live; the best one is a trial that ended without conversion.",
    ),
    "SUBSCRIPTION_EXPIRED": (
        "Your subscription has expired.",
        "No subscription is live; the best one reached the end of its term.",
    ),
    "SUBSCRIPTION_CANCELED": (
        "Your subscription was cancelled.",
        "No subscription is live; the best one was cancelled.",
    ),
    "REVOKED": (
        "This feature was withdrawn from your account.",
        "An override denies the feature to this customer.",
    ),
    "REGION_RESTRICTED": (
        "This feature is not available in your region.",
        "The feature's availability condition is not met by the attributes.",
    ),
    "COMPLIANCE_BLOCKED": (
        "This feature is blocked for legal reasons.",
        "A compliance, export or legal-hold suspension denies.",
    ),
    "NOT_IN_PLAN": (
        "Your plan does not include this feature.",
        "A subscription is live, and none that is live includes the feature.",
    ),
    "DEPENDENCY_MISSING": (
        "This feature needs another one that you do not have.",
        "A feature that this one requires is not allowed.",
    ),
    "CONDITION_NOT_MET": (
        "This feature is not available in this situation.",
        "Every source of the feature has a condition that is not met.",
    ),
    "VALUE_NOT_ALLOWED": (
        "Your plan does not reach this far.",
        "The requested value lies outside the granted one.",
    ),
    "SEAT_NOT_ASSIGNED": (
        "You have no seat.",
        "The subject holds no seat.",
    ),
    "SEAT_LIMIT_REACHED": (
        "All seats are taken.",
        "The seat pool is full.",
    ),
    "CONCURRENCY_LIMIT_REACHED": (
        "Too many people are using this right now.",
        "No floating lease is free.",
    ),
    "QUOTA_EXCEEDED": (
        "You have used up your allowance for this period.",
        "The limit of the period is used up.",
    ),
    "CREDITS_EXHAUSTED": (
        "You have no credits left.",
        "No grant has credits left.",
    ),
    "BUDGET_EXCEEDED": (
        "The spending limit is reached.",
        "A spending cap is reached.",
    ),
    "RATE_LIMITED": (
        "Too many requests; please slow down.",
        "The rate limit of the feature is exceeded.",
    ),
    "ENTITLED": (
        "You have access.",
        "A plan or an add-on of a live subscription grants the feature.",
    ),
    "ENTITLED_CORE": (
        "You have access.",
        "The feature is core; every existing customer has it.",
    ),
    "ENTITLED_TRIAL": (
        "You have access during your trial.",
        "A subscription in its trial grants the feature.",
    ),
    "ENTITLED_OVERRIDE": (
        "You have access.",
        "An override grants the feature to this customer.",
    ),
    "ENTITLED_PROMOTION": (
        "You have access for a limited time.",
        "A promotion grants the feature.",
    ),
    "ENTITLED_GRACE": (
        "You still have access; please check your subscription soon.",
        "The feature is granted within a grace period.",
    ),
    "ENTITLED_OVERAGE": (
        "You have access beyond your allowance; extra use is charged.",
        "The feature is granted beyond a soft limit.",
    ),
}
"""Code name -> (for the end user, for the engineer)."""
