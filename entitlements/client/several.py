"""Batches and lists, decided in the application's process: many questions on one version of each product and at one instant (semantics G1, G2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

from entitlements.client.answer import Answer
from entitlements.client.channel import Failure
from entitlements.client.figures import Detour
from entitlements.client.question import BadQuestion, Question
from entitlements.client.reckoner import Kept, Reckoner, is_held
from entitlements.client.wording import TooLarge, refusal
from entitlements.local.premises import is_behind
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Sitting
from entitlements.policy.ids import feature_record_key
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView
from entitlements.v1 import check_service_pb2
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import MAX_ITEMS, CheckCall, ListCall, decode_list

PAGE_OF_KEYS: Final = 256
_FEATURES: Final = feature_record_key("")


class _Left(Exception):  # noqa: N818 - not an error: the way out of a batch that the sidecar has to answer
    """The questions are left to the sidecar, all of them. `why` is None when that was counted already."""

    def __init__(self, why: Detour | None) -> None:
        super().__init__(why)
        self.why = why


class _Item(NamedTuple):
    """One question of a batch: whose shelf it reads, what is remembered of it, and its call unless that is not needed yet."""

    question: Question
    shelf: Shelf
    kept: Kept | None
    call: CheckCall | None


def decide_batch(
    reckoner: Reckoner, questions: Sequence[Question], *, even_behind: bool = False
) -> list[Answer | BadQuestion] | None:
    """Answer up to 500 questions, a bad one with its BadQuestion; None when the whole batch is left to the sidecar.

    BadQuestion is raised for a batch that is bad as a whole. Answers are taken from the memory and not put into it: what a batch has read
    is not told apart by question.
    """
    if not questions:
        raise BadQuestion(f"items is empty; ask 1-{MAX_ITEMS} questions", "items")
    if len(questions) > MAX_ITEMS:
        raise BadQuestion(f"items has {len(questions)} questions; ask at most {MAX_ITEMS} in one batch", "items")
    batch = _Batch(reckoner, even_behind=even_behind)
    try:
        with batch:
            return batch.answers(questions)
    except _Left as left:
        if left.why is not None:
            reckoner.leave(left.why, len(questions))
        return None
    except StoreError as error:
        reckoner.failed(reckoner.own, error)
        return None


def decide_batch_late(
    reckoner: Reckoner, questions: Sequence[Question], failure: Failure
) -> list[Answer | BadQuestion] | None:
    """Answer a batch from a store that is behind, marked so, after the sidecar did not (semantics F6); None where that is no matter."""
    if failure.bug is not None or not any(question.min_version for question in questions):
        return None
    return decide_batch(reckoner, questions, even_behind=True)


def decide_late(reckoner: Reckoner, question: Question, failure: Failure) -> Answer | None:
    """Answer one question from a store that is behind, as `decide_batch_late`."""
    if failure.bug is not None or not question.min_version:
        return None
    return reckoner.ask(question, even_behind=True)


class _Batch(ExitStack):
    """The views of one batch, one for each product, all open until its end."""

    def __init__(self, reckoner: Reckoner, *, even_behind: bool) -> None:
        super().__init__()
        self._reckoner = reckoner
        self._even_behind = even_behind
        self._sittings: dict[str, Sitting] = {}

    def answers(self, questions: Sequence[Question]) -> list[Answer | BadQuestion]:
        """Answer in order."""
        items = [self._item(index, question) for index, question in enumerate(questions)]
        self._open({item.shelf.product: item.shelf for item in items if isinstance(item, _Item)}.values())
        return [
            item if isinstance(item, BadQuestion) else self._answer(item, index) for index, item in enumerate(items)
        ]

    def _item(self, index: int, question: Question) -> _Item | BadQuestion:
        reckoner = self._reckoner
        kept = reckoner.kept(reckoner.key_of(question))
        if kept is not None:
            return _Item(question, kept.premises.shelf, kept, None)
        call = self._call(index, question)
        if isinstance(call, BadQuestion):
            return call
        shelf = reckoner.shelf(call.query.product)
        if shelf is None:
            raise _Left(Detour.NO_STORE)
        return _Item(question, shelf, None, call)

    def _call(self, index: int, question: Question) -> CheckCall | BadQuestion:
        try:
            return self._reckoner.call(question)[0]
        except TooLarge:
            raise _Left(Detour.TOO_LARGE) from None
        except FieldError as error:
            return refusal(error.within(f"items[{index}]"))
        except BadQuestion as error:
            return BadQuestion(f"items[{index}]: {error}", f"items[{index}].{error.field}".rstrip("."))

    def _open(self, shelves: Iterable[Shelf]) -> None:
        """Open a view on each product's store, then read the clock once."""
        opened: list[tuple[Shelf, StoreView, StoreState]] = []
        for shelf in shelves:
            view = self.enter_context(shelf.reader.view())
            state = view.state()
            why_not = self._reckoner.why_not(state)
            if state is None or why_not is not None:
                raise _Left(why_not)
            opened.append((shelf, view, state))
            self._reckoner.vantage.take_note(shelf, state)
        moment = self._reckoner.vantage.moment()
        self._now_ms = moment.now_ms
        for shelf, view, state in opened:
            self._sittings[shelf.product] = self._reckoner.sit(shelf, view, state, moment)

    def _answer(self, item: _Item, index: int) -> Answer | BadQuestion:
        sitting = self._sittings[item.shelf.product]
        remembered = None if item.kept is None else self._reckoner.give_again(item.kept, sitting, self._now_ms)
        if remembered is not None:
            return remembered
        call = item.call or self._call(index, item.question)
        if isinstance(call, BadQuestion):
            return call
        query, as_of_ms, wanted, _ = call
        behind = wanted is not None and is_behind(sitting.state, wanted)
        if behind and not self._even_behind:
            raise _Left(Detour.BEHIND)
        outcome = sitting.decide(query, as_of_ms, behind=behind)
        if sitting.state is not None and sitting.state.partial and not is_held(sitting, query.customer_id):
            raise _Left(Detour.NOT_HELD)
        answer = self._reckoner.give(outcome, as_of_ms, sitting)
        if answer is None:
            raise _Left(None)
        return answer


def decide_page(
    reckoner: Reckoner, request: check_service_pb2.ListEntitlementsRequest
) -> tuple[list[Answer], str] | None:
    """Answer one page of a list: its answers in the order of feature keys, and the token of the next page, empty for the last.

    None when it is left to the sidecar, which understands the token. BadQuestion for a caller's bug.
    """
    try:
        call = decode_list(request.SerializeToString(), reckoner.product, reckoner.vantage.now_ms())
    except FieldError as error:
        raise refusal(error) from None
    shelf = reckoner.shelf(call.product)
    if shelf is None:
        reckoner.leave(Detour.NO_STORE)
        return None
    try:
        with shelf.reader.view() as view:
            state = view.state()
            why_not = reckoner.why_not(state)
            if state is None or why_not is not None:
                reckoner.leave(why_not or Detour.NO_STORE)
                return None
            reckoner.vantage.take_note(shelf, state)
            return _page(reckoner, call, reckoner.sit(shelf, view, state, reckoner.vantage.moment()))
    except StoreError as error:
        reckoner.failed(shelf, error)
        return None


def _page(reckoner: Reckoner, call: ListCall, sitting: Sitting) -> tuple[list[Answer], str] | None:
    answers: list[Answer] = []
    prefix = _FEATURES + call.feature_prefix
    after, last = _FEATURES + call.after if call.after else "", ""
    while keys := sitting.records.keys(prefix, after, PAGE_OF_KEYS):
        for key in keys:
            if len(answers) == call.page_size:
                return answers, call.token_after(last)
            last = key.removeprefix(_FEATURES)
            outcome = sitting.decide(call.query(last))
            if sitting.state is not None and sitting.state.partial and not is_held(sitting, call.customer_id):
                reckoner.leave(Detour.NOT_HELD)
                return None
            if outcome.decision.allowed or not call.allowed_only:
                answer = reckoner.give(outcome, None, sitting)
                if answer is None:
                    return None
                answers.append(answer)
        after = keys[-1]
    return answers, ""
