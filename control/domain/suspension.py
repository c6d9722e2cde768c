"""What a suspension touches. Pure."""

from __future__ import annotations

from control.domain.account import Account, AccountSuspension
from control.domain.errors import Conflict
from entitlements.policy.model import SuspensionScope


def owner_of(account: Account, suspension: AccountSuspension) -> str:
    """Return the product whose feed a suspension touches, the empty text for all products.

    Raises Conflict when its target is not a subscription of this customer.
    """
    match suspension.scope:
        case SuspensionScope.CUSTOMER:
            return ""
        case SuspensionScope.FEATURE:
            return suspension.product or ""
        case SuspensionScope.SUBSCRIPTION:
            for subscription in account.subscriptions:
                if subscription.id == suspension.target:
                    return subscription.product
            remedy = "Write the id of one of its subscriptions"
            raise Conflict("target", f"{suspension.target!r} is not a subscription of this customer", remedy)
