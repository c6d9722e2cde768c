"""The fixed set of questions that every subject is asked: 1,000 customers, 20 features, 3 plans, 600 pairs with known verdicts.

The verdicts come from the vendor's plain rule, written out here a second time and without our engine: a plan holds the first third, the first
two thirds, or all of the features, and customer number N has plan N modulo three. Whoever answers otherwise is wrong, our sidecar included.
The same seed gives the same pairs everywhere: 345 allowed, 255 denied, in one shuffled order.

    for pair in PAIRS:
        pair.customer, pair.plan, pair.feature, pair.allowed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks import world
from entitlements.v1 import check_service_pb2

SEED: Final = 20261125
CUSTOMER_COUNT: Final = 1_000
ALLOWED: Final = 345
DENIED: Final = 255

FEATURES: Final = tuple(f"feature-{index:02d}" for index in range(world.FEATURES))
"""Keys of all features, in the order in which plans take them up."""

PLANS: Final[Mapping[str, frozenset[str]]] = {
    plan: frozenset(FEATURES[: world.FEATURES * level // 3]) for level, plan in enumerate(world.PLANS, 1)
}
"""Plan -> the features it holds; nothing else makes a feature allowed."""

CUSTOMERS: Final = tuple(f"customer-{number:07d}" for number in range(CUSTOMER_COUNT))


@dataclass(frozen=True, slots=True)
class Pair:
    """One question and its verdict: may `customer`, who has `plan`, use `feature`?"""

    customer: str
    plan: str
    feature: str
    allowed: bool

    def message(self) -> check_service_pb2.CheckRequest:
        """Return the question as our sidecar is asked it."""
        return check_service_pb2.CheckRequest(customer_id=self.customer, feature=self.feature)

    @property
    def request(self) -> bytes:
        """Return the same, serialized."""
        return self.message().SerializeToString()


def plan_of(customer: str) -> str:
    """Return the plan of a customer; KeyError for one who is not in the set."""
    number = int(customer.removeprefix("customer-"))
    if not 0 <= number < CUSTOMER_COUNT:
        raise KeyError(customer)
    return world.PLANS[number % len(world.PLANS)]


def is_allowed(customer: str, feature: str) -> bool:
    """Return the verdict by the vendor's plain rule."""
    return feature in PLANS[plan_of(customer)]


def _pairs() -> tuple[Pair, ...]:
    random = Random(SEED)
    every = [(customer, feature) for customer in CUSTOMERS for feature in FEATURES]
    random.shuffle(every)
    verdicts = [
        Pair(customer, plan_of(customer), feature, is_allowed(customer, feature)) for customer, feature in every
    ]
    chosen = [pair for pair in verdicts if pair.allowed][:ALLOWED] + [pair for pair in verdicts if not pair.allowed][
        :DENIED
    ]
    random.shuffle(chosen)
    return tuple(chosen)


PAIRS: Final[tuple[Pair, ...]] = _pairs()
"""The questions, in the order in which generators cycle through them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How the questions are put: `batch` of them in one call, all about one customer or not, with what payload.

    Payloads: `plain` (customer and feature, nothing else), `attributes` (four request attributes), `explain` (with a full explanation), `1KiB`
    (attributes that make the request a kibibyte long). A subject that cannot be asked so says None (`Subject.questions`).
    """

    batch: int = 1
    same_customer: bool = False
    payload: str = "plain"

    def groups(self) -> tuple[tuple[Pair, ...], ...]:
        """Return the pairs of each call of one cycle.

        Consecutive pairs of the fixed set; for one customer, the first `batch` features of each customer that the set names.
        """
        if self.same_customer:
            names = dict.fromkeys(pair.customer for pair in PAIRS)
            features = FEATURES[: self.batch]
            return tuple(
                tuple(Pair(name, plan_of(name), feature, is_allowed(name, feature)) for feature in features)
                for name in names
            )
        count = len(PAIRS)
        return tuple(
            tuple(PAIRS[(start + offset) % count] for offset in range(self.batch))
            for start in range(0, count, self.batch)
        )
