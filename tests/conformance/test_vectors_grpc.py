"""The vectors against a real serving process over gRPC: requests as bytes, records from LMDB, answers off the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from entitlements.policy.freshness import next_edge_ms
from entitlements.v1 import check_service_pb2
from tests.support.answers import Answer, answer_of_response, request_of
from tests.support.processes import ServingProcess
from tests.support.signed_feed import SignedFeed, mono_ms, now_ms
from tests.support.vectors import Case, expected_matches, load_vectors
from tests.support.worlds import WorldStores, damage_records

CALL_S = 10
TOO_CLOSE_MS = 2_000
CASES = load_vectors(now_ms())


@dataclass
class Table:
    """A serving process over one world in one condition."""

    key: tuple[object, ...]
    process: ServingProcess
    stores: WorldStores | None

    def close(self) -> None:
        """Stop the process and close the stores."""
        self.process.stop()
        if self.stores is not None:
            self.stores.close()


class Tables:
    """Keeps one table at a time: cases of one file follow each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._table: Table | None = None

    def lay(self, case: Case) -> Table:
        """Return the table for a case, a new one when the world or its condition changes."""
        key = (case.file, case.ready, json.dumps(case.static_fallback), case.fault, _feature_of(case))
        if self._table is None or self._table.key != key:
            self.clear()
            self._number += 1
            self._table = self._make(case, key, self._folder / str(self._number))
        return self._table

    def _make(self, case: Case, key: tuple[object, ...], folder: Path) -> Table:
        products = [product["key"] for product in case.world["products"]]
        folder.mkdir()
        settings = {}
        if case.static_fallback is not None:
            given = case.static_fallback
            entry: dict[str, Any] = {"verdict": "allow" if given["allowed"] else "deny"}
            entry |= {"value": given["value"]} if "value" in given else {}
            written = {"version": 1, "products": {case.product: {case.query["feature"]: entry}}}
            (folder / "fallbacks.json").write_text(json.dumps(written), encoding="utf-8")
            settings["FALLBACKS"] = str(folder / "fallbacks.json")
        stores = WorldStores.write(case.world, folder / "store") if case.ready else None
        root = SignedFeed(products[0]).root_hex if stores is None else stores.root.public.hex()
        if case.fault and stores is not None:
            stores.close()
            damage_records(SignedFeed(case.product).directory(folder / "store"), "c/")
            stores = None
        return Table(key, ServingProcess(folder, ",".join(products), root, settings).start(), stores)

    def clear(self) -> None:
        """Stop what runs."""
        if self._table is not None:
            self._table.close()
            self._table = None


def _feature_of(case: Case) -> str:
    return str(case.query["feature"]) if case.static_fallback is not None else ""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """Return what starts serving processes as cases need them."""
    made = Tables(tmp_path_factory.mktemp("t"))
    yield made
    made.clear()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_sidecar_answers_as_the_vector_says(case: Case, tables: Tables) -> None:
    """The answer off the wire equals what the vector expects, in every field that it names; asked twice, it is the same."""
    if "frozen_clock" in case.needs:
        pytest.skip("needs a clock that stands still; runs against the engine in test_vectors_engine.py")
    table = tables.lay(case)
    edge: tuple[int, int] | None = None
    if table.stores is not None and case.product in table.stores.writers:
        ladder = table.stores.ladder(case.product, case.query["feature"])
        to_edge_ms = next_edge_ms(ladder, case.age_ms)
        if to_edge_ms is not None and to_edge_ms < min(TOO_CLOSE_MS, ladder.fresh_for_ms // 2):
            pytest.skip(f"the next rung is {to_edge_ms} ms away; runs against the engine in test_vectors_engine.py")
        issued_at_ms = now_ms() - case.age_ms
        table.stores.pulse(case.product, issued_at_ms, mono_ms() - case.age_ms)
        at = None if to_edge_ms is None else issued_at_ms + case.age_ms + to_edge_ms
        edge = None if at is None else (at - 3, at + 3)
    with table.process.stub() as stub:
        first, again = (ask(stub, request_of(case)) for _ in range(2))
    assert expected_matches(case.expect, first, ladder_edge_ms=edge) == []
    assert again == first


def ask(stub: Any, request: check_service_pb2.CheckRequest) -> Answer:
    """Return the neutral form of an answer or of a caller's error."""
    try:
        return answer_of_response(stub.Check(request, timeout=CALL_S))
    except grpc.RpcError as refusal:
        if refusal.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        trailing: Any = refusal.trailing_metadata()
        status = status_pb2.Status.FromString(dict(trailing)["grpc-status-details-bin"])
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(bad)
        return {"error": {"field": bad.field_violations[0].field, "reason": info.reason}}


def test_nearly_every_vector_runs_here() -> None:
    """What cannot be asked of a process with a running clock is a handful, so skipping never becomes the way out."""
    assert len(CASES) >= 200
    assert sum("frozen_clock" in case.needs for case in CASES) <= 5
