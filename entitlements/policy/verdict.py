"""A verdict in the making: what denies, what grants, and what restricts one feature."""

from __future__ import annotations

from entitlements.policy.model import AccessLevel, Feature, Value
from entitlements.policy.reasons import Code
from entitlements.policy.restrictions import Restrictions, code_of
from entitlements.policy.sources import NOBODY, Grant, Sources


class Verdict:
    """Filled step by step by ``decide``; ``code`` is None as long as nothing denies."""

    __slots__ = (
        "access",
        "cap",
        "code",
        "explicit",
        "feature",
        "missing",
        "missing_code",
        "missing_key",
        "restrictions",
        "sources",
        "value",
        "winner",
    )

    def __init__(self, feature: Feature, sources: Sources, restrictions: Restrictions) -> None:
        """Start undecided."""
        self.feature = feature
        self.sources = sources
        self.restrictions = restrictions
        capping = restrictions.capping
        self.cap = AccessLevel.FULL if capping is None else capping.access
        self.code: Code | None = None
        self.explicit = False
        self.winner: Grant = NOBODY
        self.access = AccessLevel.NONE
        self.value: Value | None = None
        self.missing: Feature | None = None
        self.missing_key = ""
        self.missing_code: Code | None = None

    def explicit_codes(self) -> list[Code]:
        """Return the codes of the denies that stand in the records."""
        codes = [] if self.sources.revoked is None else [Code.REVOKED]
        denying = self.restrictions.denying
        return codes if denying is None else [*codes, code_of(denying)]

    def miss(self, key: str, feature: Feature | None, code: Code) -> None:
        """Deny because a required feature is not allowed, and keep why."""
        self.code = Code.DEPENDENCY_MISSING
        self.missing, self.missing_key, self.missing_code = feature, key, code

    def cause_of(self, code: Code) -> str:
        """Return the cause of the suspension that denied with this code or, on an allow, of the one that caps; else nothing."""
        denying = self.restrictions.denying
        if denying is not None and code_of(denying) is code:
            return denying.cause
        if code in {Code.SUBSCRIPTION_SUSPENDED, Code.COMPLIANCE_BLOCKED}:
            return self.sources.cause
        if self.code is not None:
            return ""
        capping = self.restrictions.subscriptions.get(self.winner.subscription_id, self.restrictions.capping)
        return "" if capping is None or capping.access is AccessLevel.FULL else capping.cause

    def __repr__(self) -> str:
        """Show the feature and how it stands."""
        state = "allowed so far" if self.code is None else self.code.name
        return f"<Verdict [{self.feature.key} | {state}]>"
