"""The questions as plain data: what every peer is told of customers and plans, and what it must answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Ask = Callable[[str, str], bool]
"""May this customer use this feature? One call of a peer, by customer and feature key."""


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """A small world and questions about it, without any of the product's own types.

    Attributes:
        customers: Customer id -> plan.
        plans: Plan -> the features it holds.
        features: All features in the order of the catalogue.
        pairs: Customer, feature, and whether the answer must be yes.
    """

    customers: Mapping[str, str]
    plans: Mapping[str, Sequence[str]]
    features: Sequence[str]
    pairs: Sequence[tuple[str, str, bool]]

    def plans_with(self, feature: str) -> list[str]:
        """Return the plans that hold a feature."""
        return [plan for plan, held in self.plans.items() if feature in held]

    def write(self, path: Path) -> None:
        """Write as JSON, for a process in another environment."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Questionnaire:
        """Read what `write` wrote."""
        plain = json.loads(path.read_text(encoding="utf-8"))
        pairs = [(customer, feature, bool(allowed)) for customer, feature, allowed in plain["pairs"]]
        return cls(plain["customers"], plain["plans"], plain["features"], pairs)
