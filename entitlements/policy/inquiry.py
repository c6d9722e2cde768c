"""One question being answered: the instant, the next instant at which anything looked at changes, the attributes, the trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from entitlements.policy.conditions import TIME, compiled
from entitlements.policy.model import (
    Attribute,
    Condition,
    ConsideredSource,
    Customer,
    ExplainLevel,
    Instant,
    Query,
    Records,
    Window,
)

NEVER: Final = 1 << 63
"""Later than every instant."""


class Inquiry:
    """What one decision looks at, and what it learns about time while looking (semantics E2).

    Every window and every condition is asked through it, so ``edge`` ends as the earliest later instant at which any of them
    changes. Edges that matter only when nothing grants are collected apart, in ``absence_edge``.
    """

    __slots__ = ("_attributes", "absence_edge", "customer", "edge", "now", "query", "records", "trace")

    def __init__(self, query: Query, records: Records, customer: Customer, now: int) -> None:
        """Start with nothing looked at."""
        self.query = query
        self.records = records
        self.customer = customer
        self.now = now
        self.edge = NEVER
        self.absence_edge = NEVER
        self.trace: list[ConsideredSource] | None = None if query.explain is ExplainLevel.NONE else []
        self._attributes: dict[str, Attribute] | None = None

    def inside(self, window: Window) -> bool:
        """Return whether now lies in a window, and remember when that changes."""
        from_ms, until_ms = window
        if from_ms is not None and self.now < from_ms:
            if from_ms < self.edge:  # noqa: PLR1730  half the price of min() in the most called function of all
                self.edge = from_ms
            return False
        if until_ms is not None:
            if self.now >= until_ms:
                return False
            if until_ms < self.edge:  # noqa: PLR1730  as above
                self.edge = until_ms
        return True

    def turns_at(self, instant: int) -> bool:
        """Return whether an instant has come, and remember it when not."""
        if self.now >= instant:
            return True
        self.edge = min(self.edge, instant)
        return False

    def holds(self, condition: Condition) -> bool:
        """Return whether a condition holds, and remember when time alone may change that."""
        made = compiled(condition)
        for edge in made.edges:
            if self.now < edge < self.edge:
                self.edge = edge
        return made.holds(self.attributes)

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """All attributes under their full names; what the records and the engine say cannot be overridden (semantics C2)."""
        if self._attributes is None:
            query = self.query
            merged = {name: value for name, value in query.attributes.items() if not name.startswith("customer.")}
            for name, value in self.customer.attributes.items():
                merged["customer." + name] = value
            merged[TIME] = Instant(self.now)
            merged["request.product"] = query.product
            for name, given in (("subject.id", query.subject_id), ("resource.id", query.resource_id)):
                if given:
                    merged[name] = given
                else:
                    merged.pop(name, None)
            self._attributes = merged
        return self._attributes

    def __repr__(self) -> str:
        """Show what is asked, when, and the next edge."""
        edge = "never" if self.edge == NEVER else self.edge
        return f"<Inquiry [{self.customer.id} {self.query.feature} at {self.now} | next edge {edge}]>"
