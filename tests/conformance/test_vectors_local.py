"""The vectors against a client that decides in its own process: every case, the same answers as the sidecar's engine gives.

What the store cannot answer (no policy yet, a damaged record, a product of another sidecar) goes to an engine that stands where the sidecar
would, over its own copy of the store; it has the static fallbacks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from entitlements.client import Answer, BadQuestion, ExplainLevel, Fallback, LocalEntitlementClient, Question
from entitlements.policy.condition_json import parse_instant
from entitlements.policy.freshness import next_edge_ms
from entitlements.policy.model import Instant
from entitlements.runtime.clock import ManualClock
from entitlements.wire.errors import FieldError
from tests.support.answers import (
    Answer as Told,
)
from tests.support.answers import (
    answer_of_response,
    attribute_of,
    caller_fallback_of,
    static_fallback_of,
    value_of,
)
from tests.support.engines import Bench, Caller, make_bench
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.vectors import DEFAULT_PRODUCT, Case, expected_matches, load_vectors
from tests.support.worlds import WorldStores, damage_records

NOW_MS = now_ms()
MONO_MS = 10 * 86_400_000
CASES = load_vectors(NOW_MS)


class BackedClient(LocalEntitlementClient):
    """A client whose sidecar is an engine of this process."""

    bench: Bench

    def _call(self, method: str, request: bytes, timeout_s: float | None) -> bytes:
        assert (method.rpartition("/")[2], timeout_s) == ("Check", None)
        try:
            return self.bench.engine.check(request, Caller())
        except FieldError as error:
            raise BadQuestion(str(error), error.field) from None


class Stores:
    """Keeps the stores of one file's world at a time, one copy for the client and one for the engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = ""
        self.written: WorldStores | None = None

    def of(self, case: Case) -> tuple[Path, WorldStores]:
        """Return directory and stores of a case's world."""
        directory = self.folder / case.file
        if self.written is None or self._file != case.file:
            self._file, self.written = case.file, WorldStores.write(case.world, directory)
            self.written.close()
        return directory, self.written


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Return what writes stores as cases need them."""
    return Stores(tmp_path_factory.mktemp("l"))


@pytest.fixture
def prepared(
    request: pytest.FixtureRequest, stores: Stores, tmp_path: Path
) -> Iterator[tuple[Case, BackedClient, tuple[int, int] | None]]:
    """Return a client in the case's condition, and where the next rung of its ladder falls."""
    case: Case = request.param
    clock = ManualClock(NOW_MS, MONO_MS)
    fallback = static_fallback_of(case)
    fallbacks = {} if fallback is None else {case.product: {case.query["feature"]: fallback}}
    directory, edge = tmp_path / "store", None
    if case.fault:
        WorldStores.write(case.world, directory).close()
        damage_records(SignedFeed(case.product).directory(directory), "c/")
    elif case.ready:
        directory, written = stores.of(case)
        if case.product in written.writers:
            with SignedFeed(case.product).writer(directory) as writer:
                writer.pulse(NOW_MS - case.age_ms, NOW_MS - case.age_ms, MONO_MS - case.age_ms)
        edge_ms = next_edge_ms(written.ladder(case.product, case.query["feature"]), case.age_ms)
        edge = None if edge_ms is None else (NOW_MS + edge_ms, NOW_MS + edge_ms)
    else:
        directory.mkdir()
    shutil.copytree(directory, tmp_path / "sidecar")
    client = BackedClient(directory, product=DEFAULT_PRODUCT, clock=clock)
    products = [product["key"] for product in case.world["products"]]
    client.bench = make_bench(tmp_path / "sidecar", products, clock, fallbacks=fallbacks)
    yield case, client, edge
    client._reckoner.own.reader.close()  # an exception that pytest keeps would keep it open
    for shelf in client.bench.engine.shelves.values():
        shelf.reader.close()


@pytest.mark.parametrize("prepared", CASES, ids=lambda case: case.id, indirect=True)
def test_local_client_answers_as_the_vector_says(
    prepared: tuple[Case, BackedClient, tuple[int, int] | None],
) -> None:
    """Asked anew, from memory and in a batch, the answer is what the vector expects, and it is the sidecar's in every field."""
    case, client, edge = prepared
    question = question_of(case)
    first, again = asked(client, question), asked(client, question)
    wanted = dict(case.expect)
    if "error" in wanted:
        wanted["error"] = {"field": wanted["error"]["field"]}
    assert expected_matches(wanted, told(first), ladder_edge_ms=edge) == []
    assert told(again) == told(first)
    (together,) = client.batch([question]) if not case.fault and case.ready and served(case) else (first,)
    assert without_path(told(together)) == told(first)
    if isinstance(first, Answer):
        assert first.message is not None
        assert Answer.of_message(first.message) == first
        assert first.is_fallback == (case.fault != "" or not case.ready)
    figures = client.figures()
    here = case.ready and not case.fault and served(case)
    assert (figures.answered > 0) == (here and "error" not in case.expect)
    assert bool(figures.detours) == (not here and case.expect.get("error", {}).get("reason") != "FIELD_INVALID")


def served(case: Case) -> bool:
    """Tell whether there is a store of the product."""
    return case.product in {product["key"] for product in case.world["products"]}


def asked(client: LocalEntitlementClient, question: Question) -> Answer | BadQuestion:
    """Return the answer or the caller's error."""
    try:
        return client.ask(question)
    except BadQuestion as error:
        return error


def told(reply: Answer | BadQuestion) -> Told:
    """Return the neutral form of a reply."""
    if isinstance(reply, BadQuestion):
        return {"error": {"field": reply.field}}
    assert reply.message is not None
    return answer_of_response(reply.message)


def without_path(answer: Told) -> Told:
    """Return a batch's reply as if it had been asked alone."""
    error = answer.get("error")
    return answer if error is None else {"error": {"field": error["field"].removeprefix("items[0].")}}


def question_of(case: Case) -> Question:
    """Return the case's question as an application writes it."""
    query = dict(case.query)
    fields: dict[str, Any] = {
        name: query[name]
        for name in ("product", "subject_id", "resource_id", "quantity", "min_version")
        if name in query
    }
    if "requested_value" in query:
        fields["requested_value"] = value_of(query["requested_value"])
    if "as_of" in query:
        fields["as_of"] = instant(parse_instant(query["as_of"]))
    if "explain" in query:
        fields["explain"] = ExplainLevel[query["explain"]]
    fallback = caller_fallback_of(case)
    if fallback is not None:
        fields["fallback"] = Fallback(fallback.allowed, fallback.value)
    attributes = {name: attribute_of(value) for name, value in query.get("attributes", {}).items()}
    fields["attributes"] = {
        name: instant(value) if isinstance(value, Instant) else value for name, value in attributes.items()
    }
    return Question(query["customer_id"], query["feature"], **fields)


def instant(given: Instant) -> datetime:
    """Return an instant as Python has it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=given.ms)
