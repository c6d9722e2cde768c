"""Answers BatchCheck and ListEntitlements: many questions on one version of each product and at one instant (semantics G1, G2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeAlias

import grpc

from entitlements.local.premises import Version, is_behind
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import fall_back
from entitlements.policy.freshness import RETRY_AFTER_MS
from entitlements.policy.ids import ProductId, customer_record_key, feature_record_key
from entitlements.policy.reasons import Code
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView
from entitlements.wire.batch_items import decode_item, split_batch
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import CheckCall, ListCall, decode_list
from entitlements.wire.responses import encode_batch, encode_list, says_allowed
from entitlements.wire.status import abort_with
from sidecar.serving.cache import Answer
from sidecar.serving.engine import Engine
from sidecar.serving.round import Round
from sidecar.serving.tally import BATCH, LIST
from sidecar.serving.transports.seam import Call, Refused

PAGE_OF_KEYS: Final = 256
_FEATURES: Final = feature_record_key("")
_CUSTOMERS: Final = customer_record_key("")
_Question: TypeAlias = Answer | CheckCall | FieldError
"""What is known of an item before the store is looked at: an answer that may still be true, a question to decide, a caller's bug."""


@dataclass(slots=True)
class _Opened:
    """One product's version that a batch is decided on; without a view when the store could not be opened."""

    view: StoreView | None
    state: StoreState | None

    def lacks(self, customers: set[str]) -> list[str]:
        """Return the customers of whom a partial set holds nothing; none when that cannot be read, which whoever decides meets again."""
        if self.view is None or self.state is None or not self.state.complete or not self.state.partial:
            return []
        try:
            return [one for one in customers if self.view.version_of(customer_record_key(one)) is None]
        except StoreError:
            return []


class Several:
    """Decides several questions together, with the engine's clock, counters and ids."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose products are answered for."""
        self._engine = engine

    def batch(self, request: bytes, call: Call) -> bytes:
        """Answer a BatchCheck. FieldError when the batch itself is bad; a bad item fails alone."""
        return self._answer_batch(split_batch(request), call, perf_counter())

    def _answer_batch(self, items: Sequence[bytes], call: Call | None, started: float | None) -> bytes:
        engine = self._engine
        recall = engine.cache.get
        questions = [recall(item) or self._question(item, index) for index, item in enumerate(items)]
        with ExitStack() as stack:
            opened = {product: self._open(stack, engine.shelves[product]) for product in _products_of(questions)}
            about = {} if engine.errands is None else _customers_of(questions)
            self._await(_newest_wanted(questions), about, opened, call, lambda: self._answer_batch(items, None, None))
            rounds = self._sit(opened)
            response = encode_batch(
                [
                    question if isinstance(question, FieldError) else self._one(question, item, index, rounds)
                    for index, (question, item) in enumerate(zip(questions, items, strict=True))
                ]
            )
        self._count(BATCH, rounds.values(), started)
        return response

    def _question(self, item: bytes, index: int) -> CheckCall | FieldError:
        engine = self._engine
        return decode_item(item, index, engine.default_product, engine.vantage.now_ms(), engine.shelves)

    def _one(
        self, question: Answer | CheckCall, item: bytes, index: int, rounds: dict[ProductId, Round]
    ) -> bytes | FieldError:
        if isinstance(question, CheckCall):
            return rounds[question.query.product].decide(question, item)
        part = rounds[question.premises.shelf.product]
        response = part.recall(question)
        if response is not None:
            return response
        decoded = self._question(item, index)
        return decoded if isinstance(decoded, FieldError) else part.decide(decoded, item)

    def _open(self, stack: ExitStack, shelf: Shelf) -> _Opened:
        try:
            view = stack.enter_context(shelf.reader.view())
            return _Opened(view, view.state())
        except StoreError as error:
            self._engine.failed(shelf, error)
            return _Opened(None, None)

    def _await(
        self,
        wanted: dict[ProductId, Version],
        about: dict[ProductId, set[str]],
        opened: dict[ProductId, _Opened],
        call: Call | None,
        late: Callable[[], bytes],
    ) -> None:
        behind = any(is_behind(opened[product].state, version) for product, version in wanted.items())
        if call is not None:
            lacking = {product: left for product, keys in about.items() if (left := opened[product].lacks(keys))}
            if behind or lacking:
                self._engine.wait_for(wanted if behind else {}, lacking, call, late)
        elif wanted:
            self._engine.tally_wait(behind=behind)
        if self._engine.errands is not None:
            for product, customers in about.items():
                for customer in customers:
                    self._engine.errands.used(product, customer)

    def _sit(self, opened: dict[ProductId, _Opened]) -> dict[ProductId, Round]:
        """Read the clock once, after every product's version is open, and begin the rounds."""
        engine = self._engine
        for product, part in opened.items():
            if part.state is not None:
                engine.vantage.take_note(engine.shelves[product], part.state)
        moment = engine.vantage.moment()
        return {
            product: Round(engine, engine.shelves[product], part.view, part.state, moment)
            for product, part in opened.items()
        }

    def _count(self, method: str, rounds: Iterable[Round], started: float | None) -> None:
        seconds = None if started is None else perf_counter() - started
        for part in rounds:
            self._engine.tally.together(method, part.counts, seconds, (part.hits, part.revalidated, part.misses))
            seconds = None

    def list(self, request: bytes, call: Call) -> bytes:
        """Answer a ListEntitlements. FieldError for a caller's bug; UNAVAILABLE while there is no policy and no fallback to list."""
        started = perf_counter()
        engine = self._engine
        question = decode_list(request, engine.default_product, engine.vantage.now_ms(), engine.shelves)
        return self._answer_list(question, call, started)

    def _answer_list(self, question: ListCall, call: Call | None, started: float | None) -> bytes:
        engine = self._engine
        shelf = engine.shelves[question.product]
        wanted = {} if question.min_version is None else {question.product: question.min_version}
        with ExitStack() as stack:
            opened = {question.product: self._open(stack, shelf)}
            about: dict[ProductId, set[str]] = {question.product: {question.customer_id}}
            self._await(wanted, about, opened, call, lambda: self._answer_list(question, None, None))
            part = self._sit(opened)[question.product]
            try:
                if part.sitting is None:
                    response = self._list_fallbacks(question, shelf, Code.INTERNAL, part)
                elif part.sitting.state is None:
                    response = self._list_fallbacks(question, shelf, Code.POLICY_NOT_READY, part)
                else:
                    response = self._page(question, part)
            except StoreError as error:
                engine.failed(shelf, error)
                response = self._list_fallbacks(question, shelf, Code.INTERNAL, part)
        self._count(LIST, (part,), started)
        return response

    def _page(self, question: ListCall, part: Round) -> bytes:
        """Return one page of decisions in the order of feature keys, and where the next one begins."""
        answers: list[bytes] = []
        cache, keys_of = self._engine.cache, part.keys
        as_check = question.as_checks(self._engine.default_product)
        prefix = _FEATURES + question.feature_prefix
        after, last = _FEATURES + question.after if question.after else "", ""
        while keys := keys_of(prefix, after, PAGE_OF_KEYS):
            for key in keys:
                if len(answers) == question.page_size:
                    return encode_list(answers, question.token_after(last))
                last = key[len(_FEATURES) :]
                item = None if as_check is None else as_check(last)
                known = None if item is None else cache.get(item)
                response = None if known is None else part.recall(known)
                if response is None:
                    response = part.decide(question.about(last), item)
                if question.allowed_only and not says_allowed(response):
                    part.counts.pop()
                else:
                    answers.append(response)
            after = keys[-1]
        return encode_list(answers)

    def _list_fallbacks(self, question: ListCall, shelf: Shelf, cause: Code, part: Round) -> bytes:
        """Return what static fallbacks say; which other features exist is unknown without a policy."""
        features = sorted((key for key in shelf.fallbacks if key.startswith(question.feature_prefix)), key=str.encode)
        if not shelf.fallbacks:
            raise Refused(
                *abort_with(
                    grpc.StatusCode.UNAVAILABLE,
                    f"no policy of {shelf.product} can be read, so its features are unknown; try again, or configure static fallbacks",
                    cause.name,
                    {"product": shelf.product},
                    RETRY_AFTER_MS,
                )
            )
        left = [feature for feature in features if feature.encode() > question.after.encode()]
        outcomes = [(feature, fall_back(shelf, question.query(feature), cause, None)) for feature in left]
        listed = [pair for pair in outcomes if pair[1].decision.allowed or not question.allowed_only]
        page = listed[: question.page_size]
        more = len(listed) > len(page)
        part.counts.clear()
        answers = [part.give_fallback(outcome) for _, outcome in page]
        return encode_list(answers, question.token_after(page[-1][0]) if more else "")


def _products_of(questions: Iterable[_Question]) -> dict[ProductId, None]:
    """Return the products that are asked about, in the order of their first question."""
    return dict.fromkeys(
        one.premises.shelf.product if isinstance(one, Answer) else one.query.product
        for one in questions
        if not isinstance(one, FieldError)
    )


def _customers_of(questions: Iterable[_Question]) -> dict[ProductId, set[str]]:
    """Return the customers that are asked about; of a remembered answer, its customer's record is the first that was read."""
    about: dict[ProductId, set[str]] = {}
    for one in questions:
        if isinstance(one, Answer):
            key = next(iter(one.premises.reads))
            about.setdefault(one.premises.shelf.product, set()).add(key[len(_CUSTOMERS) :])
        elif not isinstance(one, FieldError):
            about.setdefault(one.query.product, set()).add(one.query.customer_id)
    return about


def _newest_wanted(questions: Iterable[_Question]) -> dict[ProductId, Version]:
    wanted: dict[ProductId, Version] = {}
    for one in questions:
        if isinstance(one, FieldError):
            continue
        if isinstance(one, Answer):
            product, version = one.premises.shelf.product, one.premises.min_version
        else:
            product, version = one.query.product, one.min_version
        if version is not None:
            wanted[product] = max(wanted.get(product, version), version)
    return wanted
