"""Answers BatchCheck and ListEntitlements: many questions on one version of each product and at one instant (semantics G1, G2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import grpc

from entitlements.local.premises import is_behind
from entitlements.local.shelf import Shelf
from entitlements.local.sitting import Moment, Sitting, fall_back
from entitlements.policy.freshness import RETRY_AFTER_MS
from entitlements.policy.ids import ProductId, feature_record_key
from entitlements.policy.reasons import Code
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState
from entitlements.store.reader import StoreView
from entitlements.wire.errors import FieldError
from entitlements.wire.requests import CheckCall, ListCall, decode_batch, decode_list
from entitlements.wire.responses import encode_batch, encode_list
from entitlements.wire.status import abort_with
from sidecar.serving.engine import Engine
from sidecar.serving.tally import BATCH, LIST
from sidecar.serving.transports.seam import Call, Refused

PAGE_OF_KEYS: Final = 256
_FEATURES: Final = feature_record_key("")


@dataclass(slots=True)
class _Opened:
    """One product's version that a batch is decided on; without a view when the store could not be opened."""

    view: StoreView | None
    state: StoreState | None


class Several:
    """Decides several questions together, with the engine's clock, counters and ids."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose products are answered for."""
        self._engine = engine

    def batch(self, request: bytes, call: Call) -> bytes:
        """Answer a BatchCheck. FieldError when the batch itself is bad; a bad item fails alone."""
        started = perf_counter()
        engine = self._engine
        questions = decode_batch(request, engine.default_product, engine.vantage.now_ms(), engine.shelves)
        response = self._answer_batch(questions, call)
        engine.tally.took(BATCH, perf_counter() - started)
        return response

    def _answer_batch(self, questions: Sequence[CheckCall | FieldError], call: Call | None) -> bytes:
        engine = self._engine
        products = dict.fromkeys(one.query.product for one in questions if isinstance(one, CheckCall))
        with ExitStack() as stack:
            opened = {product: self._open(stack, engine.shelves[product]) for product in products}
            self._await(_newest_wanted(questions), opened, call, lambda: self._answer_batch(questions, None))
            moment = self._moment(opened)
            sittings = {product: self._sit(engine.shelves[product], part, moment) for product, part in opened.items()}
            return encode_batch([one if isinstance(one, FieldError) else self._one(one, sittings) for one in questions])

    def _open(self, stack: ExitStack, shelf: Shelf) -> _Opened:
        try:
            view = stack.enter_context(shelf.reader.view())
            return _Opened(view, view.state())
        except StoreError as error:
            self._engine.failed(shelf, error)
            return _Opened(None, None)

    def _await(
        self,
        wanted: dict[ProductId, tuple[int, int]],
        opened: dict[ProductId, _Opened],
        call: Call | None,
        late: Callable[[], bytes],
    ) -> None:
        behind = any(is_behind(opened[product].state, version) for product, version in wanted.items())
        if behind and call is not None:
            raise self._engine.not_yet(wanted, call, late)
        if wanted and call is None:
            self._engine.tally_wait(behind=behind)

    def _moment(self, opened: dict[ProductId, _Opened]) -> Moment:
        for product, part in opened.items():
            if part.state is not None:
                self._engine.vantage.take_note(self._engine.shelves[product], part.state)
        return self._engine.vantage.moment()

    def _sit(self, shelf: Shelf, opened: _Opened, moment: Moment) -> Sitting | None:
        if opened.view is None:
            return None
        return Sitting(shelf, opened.view, opened.state, moment, self._engine.failed)

    def _one(self, question: CheckCall, sittings: dict[ProductId, Sitting | None]) -> bytes:
        query, as_of_ms, wanted, caller = question
        sitting = sittings[query.product]
        if sitting is None:
            shelf = self._engine.shelves[query.product]
            return self._engine.encode(fall_back(shelf, query, Code.INTERNAL, caller), None, 0, None)
        behind = wanted is not None and is_behind(sitting.state, wanted)
        outcome = sitting.decide(query, as_of_ms, caller, behind=behind)
        return self._engine.encode(outcome, sitting.state, sitting.age_ms, as_of_ms)

    def list(self, request: bytes, call: Call) -> bytes:
        """Answer a ListEntitlements. FieldError for a caller's bug; UNAVAILABLE while there is no policy and no fallback to list."""
        started = perf_counter()
        engine = self._engine
        question = decode_list(request, engine.default_product, engine.vantage.now_ms(), engine.shelves)
        response = self._answer_list(question, call)
        engine.tally.took(LIST, perf_counter() - started)
        return response

    def _answer_list(self, question: ListCall, call: Call | None) -> bytes:
        engine = self._engine
        shelf = engine.shelves[question.product]
        wanted = {} if question.min_version is None else {question.product: question.min_version}
        with ExitStack() as stack:
            opened = {question.product: self._open(stack, shelf)}
            self._await(wanted, opened, call, lambda: self._answer_list(question, None))
            sitting = self._sit(shelf, opened[question.product], self._moment(opened))
            if sitting is None or sitting.state is None:
                return self._list_fallbacks(
                    question, shelf, Code.INTERNAL if sitting is None else Code.POLICY_NOT_READY
                )
            try:
                return self._page(question, sitting)
            except StoreError as error:
                engine.failed(shelf, error)
                return self._list_fallbacks(question, shelf, Code.INTERNAL)

    def _page(self, question: ListCall, sitting: Sitting) -> bytes:
        """Return one page of decisions in the order of feature keys, and where the next one begins."""
        answers: list[bytes] = []
        behind = question.min_version is not None and is_behind(sitting.state, question.min_version)
        prefix = _FEATURES + question.feature_prefix
        after, last = _FEATURES + question.after if question.after else "", ""
        while keys := sitting.records.keys(prefix, after, PAGE_OF_KEYS):
            for key in keys:
                if len(answers) == question.page_size:
                    return encode_list(answers, question.token_after(last))
                last = key.removeprefix(_FEATURES)
                outcome = sitting.decide(question.query(last), question.as_of_ms, behind=behind)
                if outcome.decision.allowed or not question.allowed_only:
                    answers.append(self._engine.encode(outcome, sitting.state, sitting.age_ms, question.as_of_ms))
            after = keys[-1]
        return encode_list(answers)

    def _list_fallbacks(self, question: ListCall, shelf: Shelf, cause: Code) -> bytes:
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
        answers = [self._engine.encode(outcome, None, 0, None) for _, outcome in page]
        return encode_list(answers, question.token_after(page[-1][0]) if more else "")


def _newest_wanted(questions: Sequence[CheckCall | FieldError]) -> dict[ProductId, tuple[int, int]]:
    wanted: dict[ProductId, tuple[int, int]] = {}
    for one in questions:
        if isinstance(one, CheckCall) and one.min_version is not None:
            product = one.query.product
            wanted[product] = max(wanted.get(product, one.min_version), one.min_version)
    return wanted
