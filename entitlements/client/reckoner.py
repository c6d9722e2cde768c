"""Decides in the application's own process, from the store that the sidecar keeps: the same `decide`, the same ages, the same codes.

Whatever the store cannot answer is left to the sidecar: every method returns None for a question that has to be asked there. So no answer of
this module is a fallback; those are the sidecar's and the caller's (semantics F4).
"""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

from entitlements.client.figures import Count, Detour, LocalFigures, Tally
from entitlements.client.question import Question
from entitlements.client.ruling import Said
from entitlements.client.store_answer import StoreAnswer
from entitlements.client.wording import Key, TooLarge, call_of, key_of, ordinary_query, plain_query, refusal
from entitlements.local.forks import shared_reader
from entitlements.local.memory import Memory
from entitlements.local.premises import Premises, Version, is_behind, premises_of
from entitlements.local.records import DecodedRecords
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Moment, Outcome, Sitting
from entitlements.local.steady_clock import SteadyClock
from entitlements.local.vantage import Vantage
from entitlements.policy.ids import ProductId, customer_record_key
from entitlements.policy.model import Query
from entitlements.runtime.boot import read_boot_id
from entitlements.runtime.clock import Clock, SystemClock
from entitlements.store.errors import CorruptStore, StoreError
from entitlements.store.layout import StoreState, feed_directory_name
from entitlements.store.reader import StoreView
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import CheckCall


class Kept(NamedTuple):
    """What was said, what it rests on, and where it is counted."""

    said: Said
    premises: Premises
    counted: Count


class Reckoner:
    """Decides for one default product and for any other whose store lies beside it. Thread-safe; begins anew in the child of a fork.

    LIVE is measured from when this began: an application can vouch only for heartbeats that came while it was looking, and a sidecar that
    died just before leaves a store that looks young for a while (semantics F3).
    """

    def __init__(
        self,
        store_dir: Path,
        product: str,
        *,
        answers: int,
        records: int,
        clock: Clock | None = None,
    ) -> None:
        """Open nothing yet: a store is looked for at the first question, and may appear later."""
        self.product = ProductId(product)
        self._store_dir = store_dir
        self._clock = clock or SystemClock()
        self._boot_id = read_boot_id()
        self._this_boot = self._boot_id or "unknown"  # no state says that, so none is of this boot then
        self._answers = answers
        self._records = records
        self.begin()
        _reckoners.add(self)

    def begin(self) -> None:
        """Know nothing, and look from now on. No lock is kept: another thread may have held it when this process was forked."""
        self.vantage = Vantage(SteadyClock(self._clock), self._boot_id)
        self.tally = Tally()
        self._memory: Memory[Key, Kept] = Memory(self._answers)
        self._shelves: dict[str, Shelf] = {}
        self._id_prefix = secrets.token_hex(4) + "-"
        self._ids = itertools.count(1)
        self._trouble = ""

    def close(self) -> None:
        """Let go of the stores, which are closed when no other client of this process reads them; a later question opens them again."""
        self._memory = Memory(self._answers)
        self._shelves = {}

    @property
    def own(self) -> Shelf:
        """What is kept for the default product, whether there is a store of it or not."""
        return self._shelves.get(self.product) or self._shelve(self.product)

    def plain(self, customer_id: str, feature: str) -> StoreAnswer | None:
        """Answer a question that has no other fields. BadQuestion for one that can never be answered."""
        key = (customer_id, feature)
        try:
            kept = self._memory.get(key)
        except TypeError:  # no text, and nothing that can be looked up either
            return self.ask(Question(customer_id, feature))
        if kept is not None:
            answer = self._recall(kept)
            if answer is not None:
                return answer
        query = plain_query(customer_id, feature, self.product)
        return self.ask(Question(customer_id, feature)) if query is None else self._decide(self.own, key, query)

    def ask(self, question: Question, *, even_behind: bool = False) -> StoreAnswer | None:
        """Answer any question. One whose version the store has not reached is left to the sidecar, unless `even_behind`."""
        key = self.key_of(question)
        kept = self.kept(key)
        if kept is not None:
            answer = self._recall(kept)
            if answer is not None:
                return answer
        try:
            call, small = self.call(question)
        except TooLarge:
            self.leave(Detour.TOO_LARGE)
            return None
        except FieldError as error:
            raise refusal(error) from None
        shelf = self.shelf(call.query.product)
        if shelf is None:
            self.leave(Detour.NO_STORE)
            return None
        query, as_of_ms, wanted, _ = call
        return self._decide(shelf, key if small else None, query, as_of_ms, wanted, even_behind=even_behind)

    def call(self, question: Question) -> tuple[CheckCall, bool]:
        """Return a question as it is decided, and whether it is small enough to be remembered; raises as `call_of` does."""
        short = ordinary_query(question, self.product)
        if short is not None:
            return CheckCall(short, None, None, None), True
        return call_of(question, self.product, self.vantage.now_ms())

    @staticmethod
    def key_of(question: Question) -> Key | None:
        """Return what an answer is remembered by, None when it is not, also when part of the question cannot be looked up."""
        try:
            key = key_of(question)
            hash(key)
        except TypeError:
            return None
        return key

    def kept(self, key: Key | None) -> Kept | None:
        """Return what is remembered under a key; whether it is still true is the caller's question."""
        return None if key is None else self._memory.get(key)

    def shelf(self, product: str) -> Shelf | None:
        """Return what is kept for a product; None when it is another than the default and there is no store of it."""
        if product == self.product:
            return self.own
        found = self._shelves.get(product)
        if found is None and (self._store_dir / feed_directory_name(product)).is_dir():
            found = self._shelve(ProductId(product))
        return found

    def _shelve(self, product: ProductId) -> Shelf:
        reader = shared_reader(self._store_dir / feed_directory_name(product))
        return self._shelves.setdefault(product, Shelf(product, reader, DecodedRecords(self._records)))

    def why_not(self, state: StoreState | None) -> Detour | None:
        """Return why a store in this state does not answer here; None when it does.

        A state of this boot was written by a main process that had verified the store, or had taken it from a verified snapshot.
        """
        if state is None:
            return Detour.NO_STORE
        if not state.complete:
            return Detour.INCOMPLETE
        return None if state.boot_id == self._this_boot else Detour.UNVERIFIED

    def sit(self, shelf: Shelf, view: StoreView, state: StoreState, moment: Moment) -> Sitting:
        """Return what decides on a view at a moment that is read after `take_note` of the state."""
        return Sitting(shelf, view, state, moment, self.failed)

    def give(self, outcome: Outcome, as_of_ms: int | None, sitting: Sitting) -> StoreAnswer | None:
        """Return a new decision as an answer; None when it is none, because something broke inside and was counted."""
        if outcome.freshness is None or sitting.state is None:
            return None
        self.tally.count(outcome.decision.code, outcome.served_from).decided += 1
        said = Said(outcome, as_of_ms)
        return StoreAnswer(
            said, outcome.freshness, sitting.state, sitting.age_ms, outcome.valid_until_ms, self.next_id()
        )

    def give_again(self, kept: Kept, sitting: Sitting, now_ms: int) -> StoreAnswer | None:
        """Return a remembered answer in a sitting; None when it has to be decided there."""
        state, premises = sitting.state, kept.premises
        if state is None or not self.vantage.true_on(premises, sitting):
            return None
        rung = premises.rung(now_ms, sitting.age_ms)
        if rung is None:
            return None
        kept.counted.recalled += 1
        return StoreAnswer(kept.said, rung[0], state, sitting.age_ms, rung[1], self.next_id())

    def next_id(self) -> str:
        """Return an id that no other answer of any process carries."""
        return self._id_prefix + f"{next(self._ids):x}"

    def leave(self, why: Detour, questions: int = 1) -> None:
        """Count questions that are left to the sidecar."""
        self.tally.detour(why, questions)

    def failed(self, shelf: Shelf, error: Exception) -> None:
        """Count a question that is left to the sidecar because something broke here; it meets the same record, and reports it."""
        if isinstance(error, CorruptStore):
            shelf.corrupt += 1
        self._trouble = f"{shelf.product}: {error}"
        self.tally.detour(Detour.UNREADABLE if isinstance(error, StoreError) else Detour.INTERNAL)

    def figures(self) -> LocalFigures:
        """Return what was counted."""
        return self.tally.figures(self.own.reader.trouble or self._trouble)

    def _recall(self, kept: Kept) -> StoreAnswer | None:
        standing = self.vantage.standing(kept.premises)
        if standing is None:
            return None
        freshness, state, age, until, revalidated = standing
        if revalidated:
            kept.counted.revalidated += 1
        else:
            kept.counted.recalled += 1
        return StoreAnswer(kept.said, freshness, state, age, until, self.next_id())

    def _decide(
        self,
        shelf: Shelf,
        key: Key | None,
        query: Query,
        as_of_ms: int | None = None,
        wanted: Version | None = None,
        *,
        even_behind: bool = False,
    ) -> StoreAnswer | None:
        try:
            with shelf.reader.view() as view:
                state = view.state()
                if state is None or not state.complete or state.boot_id != self._this_boot:
                    self.leave(self.why_not(state) or Detour.NO_STORE)
                    return None
                behind = wanted is not None and is_behind(state, wanted)
                if behind and not even_behind:
                    self.leave(Detour.BEHIND)
                    return None
                vantage = self.vantage
                vantage.take_note(shelf, state)
                sitting = Sitting(shelf, view, state, vantage.moment(), self.failed)
                outcome = sitting.decide(query, as_of_ms, behind=behind)
                if state.partial and not is_held(sitting, query.customer_id):
                    self.leave(Detour.NOT_HELD)
                    return None
        except StoreError as error:
            self.failed(shelf, error)
            return None
        if outcome.freshness is None:  # something broke inside, and has been counted
            return None
        said = Said(outcome, as_of_ms)
        counted = self.tally.count(outcome.decision.code, outcome.served_from)
        counted.decided += 1
        if key is not None and not behind and self._answers:
            premises = premises_of(outcome, sitting, wanted)
            if premises is not None:
                self._memory.put(key, Kept(said, premises, counted))
        return StoreAnswer(
            said,
            outcome.freshness,
            state,
            sitting.age_ms,
            outcome.valid_until_ms,
            self._id_prefix + f"{next(self._ids):x}",
        )

    def __repr__(self) -> str:
        """Show the product and what is remembered."""
        return f"<Reckoner [{self.product} | {self.own.reader!r} | {self._memory!r}]>"


def is_held(sitting: Sitting, customer_id: str) -> bool:
    """Return whether a partial set holds anything about a customer who was just asked about, be it that there is none."""
    return sitting.records.reads.get(customer_record_key(customer_id)) is not None


_reckoners: WeakSet[Reckoner] = WeakSet()


def _begin_anew() -> None:
    for reckoner in list(_reckoners):
        reckoner.begin()


os.register_at_fork(
    after_in_child=_begin_anew
)  # after the readers were taken up: entitlements.local.forks is imported first
