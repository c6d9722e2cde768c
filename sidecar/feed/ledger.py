"""What the working set of one feed holds, kept beside the store's writer: told of every write, asked before every taking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from entitlements.policy.feed_state_value import Position
from entitlements.policy.ids import CustomerId, customer_record_key
from entitlements.policy.roster import Roster
from entitlements.policy.working_set import Delta, Finding, Proof, Recollection, customer_of
from entitlements.runtime.clock import Clock
from entitlements.store.layout import ABSENT
from entitlements.store.writer import StoreWriter

KEYS_AT_ONCE = 1_000


class Ledger:
    """Recollection and roster of one store. `customers_before` are those that the last replacing of everything left behind."""

    def __init__(self, room: int, clock: Clock) -> None:
        """Hold at most `room` customers; nothing is held yet."""
        self._clock = clock
        self._recollection = Recollection()
        self.roster = Roster(room)
        self.customers_before: list[CustomerId] = []
        self.past_is_open = False
        """The store has come to a position whose past is not known; a log may tell it."""

    @property
    def position(self) -> Position | None:
        """Return where the store stands."""
        return self._recollection.position

    def begin(self, writer: StoreWriter) -> None:
        """Take over what a verified store holds; one that holds the whole set is about to be replaced, and holds nothing for us."""
        state = writer.state
        if state is None or not state.complete or not state.partial:
            return
        self._begin_at(Position(state.epoch, state.seq, state.chain))
        held: list[CustomerId] = []
        absent: list[CustomerId] = []
        prefix = after = customer_record_key("")
        with writer.reader().view() as view:
            while keys := view.keys(prefix, after, KEYS_AT_ONCE):
                for key in keys:
                    customer, found = customer_of(key), view.get(key)
                    if customer is not None and found is not None:
                        (absent if found[1] == ABSENT else held).append(customer)
                after = customer_record_key(keys[-1].removeprefix(prefix))
        self.roster.begin(held, absent, self._clock.monotonic_ms())

    def applied(self, deltas: Iterable[Delta]) -> None:
        """Hear of deltas that were written."""
        deltas = tuple(deltas)
        self._recollection.follow(deltas)
        self.roster.follow(deltas, self._clock.monotonic_ms())

    def replaced(self, position: Position) -> None:
        """Hear that a catalogue took the place of everything."""
        self.customers_before = self.roster.by_use() or self.customers_before
        self._begin_at(position)
        self.roster.begin()

    def _begin_at(self, position: Position) -> None:
        self._recollection.begin(position)
        self.past_is_open = True

    @property
    def oldest(self) -> Position | None:
        """Return the earliest position of which a proof is believed."""
        return self._recollection.oldest

    def recall(self, deltas: Sequence[Delta]) -> bool:
        """Remember verified deltas that led to the oldest position; False when there is no going on."""
        return self._recollection.recall(deltas)

    def judge(self, proof: Proof) -> Finding:
        """Return what a proof is worth."""
        return self._recollection.judge(proof)

    def take(self, customers: Iterable[tuple[CustomerId, bool]]) -> None:
        """Hold customers, each with whether it is absent."""
        now_ms = self._clock.monotonic_ms()
        for customer, absent in customers:
            self.roster.take(customer, now_ms, absent=absent)

    def surplus(self, most: int) -> Sequence[CustomerId]:
        """Return at most so many that have to go now; they are forgotten here."""
        return self.roster.surplus(self._clock.monotonic_ms(), most)

    def __repr__(self) -> str:
        """Show what is held and remembered."""
        return f"<Ledger [{self.roster!r} | {self._recollection!r}]>"
