"""Answers Check: request bytes to response bytes, from the decision cache or from one version of the store.

A hit costs one look at the store's state, two clock readings and the tail of the message; the body is the remembered one. Freshness,
valid_until and decision id travel in that tail, which protobuf merges into the body, so a remembered body stays right while its age moves.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Collection, Mapping
from time import perf_counter
from typing import Final

from entitlements.local.premises import Version, is_behind, premises_of
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Outcome, Sitting, fall_back
from entitlements.local.steady_clock import SteadyClock
from entitlements.local.vantage import Vantage
from entitlements.policy.ids import ProductId
from entitlements.policy.reasons import Code
from entitlements.store.errors import CorruptStore, StoreError
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import CheckCall, decode_check, plain_check
from entitlements.wire.responses import encode_decision, encode_id_prefix, encode_standing
from sidecar.serving.cache import Answer, DecisionCache
from sidecar.serving.errands import Errands
from sidecar.serving.tally import CHECK, Count, Tally
from sidecar.serving.transports.seam import Call, NotYet

REPLY_SHARE: Final = 0.1
REPLY_MARGIN_S: Final = 0.01
"""What a call that waits for a version keeps of its deadline, to be answered within it: a tenth, and ten milliseconds."""


class Engine:
    """Decides single checks, and gives sittings to whoever decides several at once."""

    def __init__(
        self,
        shelves: Mapping[ProductId, Shelf],
        default_product: ProductId,
        clock: SteadyClock,
        cache: DecisionCache,
        tally: Tally,
        report: Callable[[str, Exception], None],
        *,
        boot_id: str,
        min_version_wait_ms: int,
        errands: Errands | None = None,
    ) -> None:
        """Start answering for the products on the shelves. `report(product, error)` is told of what breaks inside.

        With errands, customers that a partial set does not hold are waited for.
        """
        self.errands = errands
        self.shelves = shelves
        self.default_product = default_product
        self.tally = tally
        self.vantage = Vantage(clock, boot_id)
        self.cache = cache
        self._report = report
        self._wait_s = min_version_wait_ms / 1000
        self._id_field = encode_id_prefix(secrets.token_hex(4).encode() + b"-", 12)
        self._ids = itertools.count(1)

    def check(self, request: bytes, call: Call) -> bytes:
        """Answer one Check. FieldError for a caller's bug; NotYet to be asked again when the store has moved."""
        started = perf_counter()
        answer = self.cache.get(request)
        if answer is not None:
            standing = self.vantage.standing(answer.premises)
            if standing is not None:
                freshness, state, age, valid_until, revalidated = standing
                tail = encode_standing(freshness, state.epoch, state.seq, age, valid_until)
                self.tally.recalled(answer.count, perf_counter() - started, revalidated=revalidated)
                if self.errands is not None:
                    self.errands.recalled(answer.premises)
                return answer.body + tail + self.next_id()
        try:
            question = plain_check(request, self.default_product, self.shelves)
            if question is None:
                question = decode_check(request, self.default_product, self.vantage.now_ms(), self.shelves)
            response, count = self._answer(request, question, call)
        except (FieldError, NotYet):
            self.tally.missed()
            raise
        self.tally.decided(count, perf_counter() - started)
        return response

    def _answer(self, request: bytes, question: CheckCall, call: Call | None) -> tuple[bytes, Count]:
        """Decide a question on the store as it is; without a call, it has waited already. Also returns what counts the answer."""
        query, as_of_ms, wanted, caller = question
        shelf = self.shelves[query.product]
        try:
            with shelf.reader.view() as view:
                state = view.state()
                behind = wanted is not None and is_behind(state, wanted)
                if state is not None:
                    self.vantage.take_note(shelf, state)
                sitting = Sitting(shelf, view, state, self.vantage.moment(), self.failed)
                if call is not None and (behind or self.errands is not None):
                    versions = {shelf.product: wanted} if behind and wanted is not None else {}
                    lacking = {shelf.product: (query.customer_id,)} if sitting.lacks(query.customer_id) else {}
                    self.wait_for(versions, lacking, call, lambda: self._answer_late(request, question))
                if self.errands is not None:
                    self.errands.used(shelf.product, query.customer_id)
                outcome = sitting.decide(query, as_of_ms, caller, behind=behind)
        except StoreError as error:
            self.failed(shelf, error)
            return self.give_fallback(fall_back(shelf, query, Code.INTERNAL, caller))
        if call is None and wanted is not None:
            self.tally_wait(behind=behind)
        memorable = as_of_ms is None and not behind
        body, count = self.give(request if memorable else None, outcome, sitting, wanted, as_of_ms)
        state = sitting.state
        if state is None or outcome.freshness is None:
            tail = encode_standing(0, 0, 0, 0, outcome.valid_until_ms)
        else:
            tail = encode_standing(outcome.freshness, state.epoch, state.seq, sitting.age_ms, outcome.valid_until_ms)
        return body + tail + self.next_id(), count

    def _answer_late(self, request: bytes, question: CheckCall) -> bytes:
        response, count = self._answer(request, question, None)
        self.tally.answered(count)
        return response

    def give(
        self, request: bytes | None, outcome: Outcome, sitting: Sitting, wanted: Version | None, as_of_ms: int | None
    ) -> tuple[bytes, Count]:
        """Return the body of a new decision and what counts it, and remember it by its request, when there is one and it may be."""
        decision = outcome.decision
        body = encode_decision(decision, outcome.served_from, as_of_ms)
        count = self.tally.answers(decision.code, outcome.served_from)
        if request is not None:
            premises = premises_of(outcome, sitting, wanted)
            if premises is not None:
                self.cache.put(request, Answer(body, premises, count))
        return body, count

    def give_fallback(self, outcome: Outcome) -> tuple[bytes, Count]:
        """Return the whole message of an answer that no policy was needed for, and what counts it."""
        body = encode_decision(outcome.decision, outcome.served_from)
        tail = encode_standing(0, 0, 0, 0, outcome.valid_until_ms)
        return body + tail + self.next_id(), self.tally.answers(outcome.decision.code, outcome.served_from)

    def next_id(self) -> bytes:
        """Return the encoded field of a decision id that no other answer of any sidecar carries.

        Ids have one length, so that nothing has to be measured: twelve digits last for 89 years of 100,000 answers a second.
        """
        return b"%b%012x" % (self._id_field, next(self._ids))

    def failed(self, shelf: Shelf, error: Exception) -> None:
        """Count and report what broke inside while answering for a product."""
        if isinstance(error, CorruptStore):
            shelf.corrupt += 1
            self.tally.corrupt(shelf.product)
        self.tally.failed(CHECK)
        self._report(shelf.product, error)

    def wait_for(
        self,
        versions: Mapping[ProductId, Version],
        lacking: Mapping[ProductId, Collection[str]],
        call: Call,
        finish: Callable[[], bytes],
    ) -> None:
        """Raise what asks the transport to come back when every product has reached its version and holds the customers it lacks.

        Or too late for more waiting. Returns when there is nothing to wait for, or nothing that could come.
        """
        awaited = self.errands.fetch(lacking) if lacking and self.errands is not None else None
        if not versions and awaited is None:
            return
        longest_s = max(self._wait_s if versions else 0.0, 0.0 if awaited is None else awaited.wait_s)
        remaining = call.time_remaining()
        if remaining is not None:
            longest_s = min(longest_s, max(0.0, remaining * (1 - REPLY_SHARE) - REPLY_MARGIN_S))
        self.tally.wait_moved(1)

        def ready() -> bool:
            return all(self._reached(*pair) for pair in versions.items()) and (awaited is None or awaited.ready())

        def come_back() -> bytes:
            self.tally.wait_moved(-1)
            if awaited is not None:
                awaited.settle()
            return finish()

        raise NotYet(ready, longest_s, come_back)

    def _reached(self, product: ProductId, wanted: tuple[int, int]) -> bool:
        try:
            with self.shelves[product].reader.view() as view:
                return not is_behind(view.state(), wanted)
        except StoreError:
            return False

    def tally_wait(self, *, behind: bool) -> None:
        """Count a call that has waited for a version."""
        (self.tally.waited_behind if behind else self.tally.waited_reached)()

    def __repr__(self) -> str:
        """Show what it answers for."""
        return f"<Engine [{', '.join(self.shelves)} | {self.cache!r}]>"
