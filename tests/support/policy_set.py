"""A policy set held in dictionaries: what suites of the policy core decide from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from entitlements.policy.ids import customer_record_key, feature_record_key, plan_record_key
from entitlements.policy.model import Customer, Feature, PlanVersion


@dataclass(frozen=True)
class PolicySet:
    """Records of one product, complete unless said otherwise."""

    features: Mapping[str, Feature] = field(default_factory=dict)
    plans: Mapping[str, PlanVersion] = field(default_factory=dict)
    customers: Mapping[str, Customer] = field(default_factory=dict)
    complete: bool = True

    @classmethod
    def of(cls, records: Iterable[Feature | PlanVersion | Customer], *, complete: bool = True) -> PolicySet:
        """Return a policy set of these records."""
        everything = tuple(records)
        return cls(
            {feature_record_key(each.key): each for each in everything if isinstance(each, Feature)},
            {plan_record_key(each.ref): each for each in everything if isinstance(each, PlanVersion)},
            {customer_record_key(each.id): each for each in everything if isinstance(each, Customer)},
            complete,
        )

    def feature(self, key: str) -> Feature | None:
        """Return a feature or None."""
        return self.features.get(feature_record_key(key))

    def plan(self, ref: str) -> PlanVersion | None:
        """Return a plan or add-on version or None."""
        return self.plans.get(plan_record_key(ref))

    def customer(self, customer_id: str) -> Customer | None:
        """Return a customer or None."""
        return self.customers.get(customer_record_key(customer_id))
