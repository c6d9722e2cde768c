"""The vectors against the sidecar's engine, bytes to bytes, over a real store and a clock that stands still: every case, none skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from entitlements.policy.freshness import next_edge_ms
from entitlements.runtime.clock import ManualClock
from entitlements.wire.errors import FieldError
from tests.support.answers import Answer, answer_of_response, request_of, static_fallback_of
from tests.support.engines import Bench, make_bench
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.vectors import Case, expected_matches, load_vectors
from tests.support.worlds import WorldStores, damage_records

NOW_MS = now_ms()
MONO_MS = 10 * 86_400_000
CASES = load_vectors(NOW_MS)


class Stores:
    """Keeps the stores of one file's world at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = ""
        self._stores: WorldStores | None = None

    def of(self, case: Case) -> tuple[Path, WorldStores]:
        """Return directory and stores of a case's world."""
        directory = self.folder / case.file
        if self._stores is None or self._file != case.file:
            self.close()
            self._file, self._stores = case.file, WorldStores.write(case.world, directory)
            self._stores.close()  # one process opens an LMDB file once: what follows opens it for writing, then for reading
        return directory, self._stores

    def close(self) -> None:
        """Close what is open."""
        if self._stores is not None:
            self._stores.close()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Return what writes stores as cases need them."""
    made = Stores(tmp_path_factory.mktemp("e"))
    yield made
    made.close()


def prepared(case: Case, stores: Stores, tmp_path: Path) -> tuple[Bench, tuple[int, int] | None]:
    """Return an engine in the case's condition, and where the next rung of its ladder falls."""
    products = [product["key"] for product in case.world["products"]]
    fallback = static_fallback_of(case)
    fallbacks = {} if fallback is None else {case.product: {case.query["feature"]: fallback}}
    clock = ManualClock(NOW_MS, MONO_MS)
    if not case.ready:
        return make_bench(tmp_path, products, clock, fallbacks=fallbacks), None
    if case.fault:
        WorldStores.write(case.world, tmp_path).close()
        damage_records(SignedFeed(case.product).directory(tmp_path), "c/")
        return make_bench(tmp_path, products, clock, fallbacks=fallbacks), None
    directory, written = stores.of(case)
    if case.product in written.writers:
        with SignedFeed(case.product).writer(directory) as writer:
            writer.pulse(NOW_MS - case.age_ms, NOW_MS - case.age_ms, MONO_MS - case.age_ms)
    edge_ms = next_edge_ms(written.ladder(case.product, case.query["feature"]), case.age_ms)
    edge = None if edge_ms is None else (NOW_MS + edge_ms, NOW_MS + edge_ms)
    return make_bench(directory, products, clock, fallbacks=fallbacks), edge


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_engine_answers_as_the_vector_says(case: Case, stores: Stores, tmp_path: Path) -> None:
    """Asked anew and asked again from the decision cache, the answer is what the vector expects, to the millisecond."""
    bench, edge = prepared(case, stores, tmp_path)
    request = request_of(case).SerializeToString()
    first, again = (answer(bench, request) for _ in range(2))
    assert expected_matches(case.expect, first, ladder_edge_ms=edge) == []
    assert again == first
    asked = 1.0 if bench.counted("entitlements_decision_cache_total", result="hit") else 2.0
    assert bench.counted("entitlements_decision_cache_total", result="miss") == asked


def answer(bench: Bench, request: bytes) -> Answer:
    """Return the neutral form of an answer or of a caller's error."""
    try:
        return answer_of_response(bench.ask(request))
    except FieldError as error:
        return {"error": {"field": error.field, "reason": error.reason.value}}
