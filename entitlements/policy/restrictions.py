"""What suspensions take away: a deny, a cap on the access level, or a subscription (semantics B6)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from entitlements.policy.inquiry import Inquiry
from entitlements.policy.model import COMPLIANCE_CAUSES, AccessLevel, Suspension, SuspensionScope
from entitlements.policy.reasons import PRECEDENCE, Code

_NOTHING: Final[Mapping[str, Suspension]] = MappingProxyType({})


class Restrictions(NamedTuple):
    """The suspensions that hold now: the one that denies, the one that caps lowest, and the lowest of each subscription."""

    denying: Suspension | None = None
    capping: Suspension | None = None
    subscriptions: Mapping[str, Suspension] = _NOTHING


UNRESTRICTED: Final = Restrictions()


def code_of(suspension: Suspension) -> Code:
    """Return the code with which a suspension denies."""
    return Code.COMPLIANCE_BLOCKED if suspension.cause in COMPLIANCE_CAUSES else Code.SUBSCRIPTION_SUSPENDED


def restrict(feature: str, inquiry: Inquiry) -> Restrictions:
    """Return what the customer's suspensions do to one feature now. Among equals the smallest id is named."""
    denying: Suspension | None = None
    capping: Suspension | None = None
    subscriptions: dict[str, Suspension] = {}
    for suspension in sorted(inquiry.customer.suspensions, key=_severity):
        if suspension.scope is SuspensionScope.FEATURE and suspension.target != feature:
            continue
        if not inquiry.inside(suspension.window):
            continue
        if suspension.scope is SuspensionScope.SUBSCRIPTION:
            subscriptions.setdefault(suspension.target, suspension)
        elif suspension.access is AccessLevel.NONE:
            denying = denying or suspension
        elif suspension.access is not AccessLevel.FULL:
            capping = capping or suspension
    return Restrictions(denying, capping, subscriptions)


def _severity(suspension: Suspension) -> tuple[int, int, str]:
    return (suspension.access, PRECEDENCE[code_of(suspension)], suspension.id)
