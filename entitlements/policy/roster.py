"""Which customers are held, in which order they go when there is no room, and who is known not to exist.

Two queues, after segmented LRU (Karedla, Love and Wherry, 1994): a customer starts on probation and is settled when it is used in a second
interval; probation goes first. So a scan over customers that are each asked about once does not push out those that are asked about
again and again. Absent ones are bounded and aged by themselves and push out nobody. Nothing here reads a clock or does I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from entitlements.policy.ids import CustomerId, Millis
from entitlements.policy.working_set import Delta, customer_of

SETTLED_SHARE: Final = 0.8
ABSENT_SHARE: Final = 0.1
ABSENT_LEAST: Final = 1_000
"""At least so many absences are remembered; of larger sets, a tenth of its customers."""
ABSENT_LIFE_MS: Final = Millis(60_000)
"""An absence is asked for again after this. A delta that creates the customer ends it at once."""


class Roster:
    """The customers of one product that are held. Instants are monotonic milliseconds."""

    __slots__ = ("_absent", "_most", "_most_absent", "_most_settled", "_probation", "_settled")

    def __init__(self, most: int) -> None:
        """Hold at most so many customers; ValueError below one."""
        if most < 1:
            raise ValueError(f"a working set holds at least one customer, not {most}")
        self._most = most
        self._most_settled = int(most * SETTLED_SHARE)
        self._most_absent = max(ABSENT_LEAST, int(most * ABSENT_SHARE))
        self._probation: OrderedDict[CustomerId, bool] = OrderedDict()
        self._settled: OrderedDict[CustomerId, None] = OrderedDict()
        self._absent: OrderedDict[CustomerId, Millis] = OrderedDict()

    @property
    def customers(self) -> int:
        """Return how many customers are held."""
        return len(self._probation) + len(self._settled)

    @property
    def absences(self) -> int:
        """Return how many are known not to exist."""
        return len(self._absent)

    def __contains__(self, customer: CustomerId) -> bool:
        return customer in self._settled or customer in self._probation or customer in self._absent

    def begin(self, held: Iterable[CustomerId] = (), absent: Iterable[CustomerId] = (), now_ms: int = 0) -> None:
        """Start with what a store holds; in which order it was used is not known."""
        self._probation = OrderedDict.fromkeys(held, True)
        self._settled = OrderedDict()
        self._absent = OrderedDict.fromkeys(absent, Millis(now_ms + ABSENT_LIFE_MS))

    def take(self, customer: CustomerId, now_ms: int, *, absent: bool) -> None:
        """Hold a customer, or know of its absence, from now on."""
        if absent:
            self._probation.pop(customer, None)
            self._settled.pop(customer, None)
            self._absent[customer] = Millis(now_ms + ABSENT_LIFE_MS)
            self._absent.move_to_end(customer)
            return
        self._absent.pop(customer, None)
        if customer not in self._settled and customer not in self._probation:
            self._probation[customer] = False

    def use(self, customers: Iterable[CustomerId]) -> None:
        """Hear who was asked about in an interval; who is not held is ignored."""
        for customer in customers:
            if customer in self._settled:
                self._settled.move_to_end(customer)
            elif customer in self._probation:
                self._second_use(customer)
        while len(self._settled) > self._most_settled:
            oldest, _ = self._settled.popitem(last=False)
            self._probation[oldest] = True

    def _second_use(self, customer: CustomerId) -> None:
        if self._probation[customer]:
            del self._probation[customer]
            self._settled[customer] = None
        else:  # the use for which it was fetched
            self._probation[customer] = True
            self._probation.move_to_end(customer)

    def follow(self, deltas: Iterable[Delta], now_ms: int) -> None:
        """Hear of deltas that were applied: a held customer that was removed is absent, an absent one that was made is held."""
        for delta in deltas:
            for op in delta.ops:
                customer = customer_of(op.key)
                if customer is not None and customer in self:
                    self.take(customer, now_ms, absent=op.body is None)

    def surplus(self, now_ms: int, most: int) -> Sequence[CustomerId]:
        """Return at most so many of those that have to go, and forget them: no room, or an absence that has had its time."""
        going: list[CustomerId] = []
        while len(going) < most and self.customers > self._most:
            going.append((self._probation or self._settled).popitem(last=False)[0])
        overdue = max(0, len(self._absent) - self._most_absent)
        for index, (customer, until_ms) in enumerate(islice(self._absent.items(), most - len(going))):
            if index >= overdue and until_ms > now_ms:
                break
            going.append(customer)
        for customer in going:
            self._absent.pop(customer, None)
        return going

    def forget(self, customers: Iterable[CustomerId]) -> None:
        """Hold some no longer, because they could not be written."""
        for customer in customers:
            self._probation.pop(customer, None)
            self._settled.pop(customer, None)
            self._absent.pop(customer, None)

    def by_use(self) -> list[CustomerId]:
        """Return who is held, the last used first."""
        return [*reversed(self._settled), *reversed(self._probation)]

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Roster [{self.customers} of {self._most} | {len(self._settled)} settled | {self.absences} absent]>"
