"""The vectors against the control plane's preview: each world applied over REST to its own database, each question asked over REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from control.store.policy_records import StoredRecords
from entitlements.policy.freshness import next_edge_ms
from entitlements.policy.model import DEFAULT_LADDER
from tests.support.control_rest import ControlRest, control_rest
from tests.support.signed_feed import now_ms
from tests.support.vectors import Case, expected_matches, load_vectors

NOW_MS = now_ms()
CASES = load_vectors(NOW_MS)
UNTOLD = frozenset({"served_from"})
"""A preview is always the control plane's own view; which tier of a sidecar would answer is not its question."""


def unaskable(case: Case) -> str:
    """Return why a preview cannot be asked this, empty when it can."""
    if case.needs & {"not_ready", "fault", "static_fallback"}:
        return "a control plane always has its records and no sidecar's fallbacks"
    return "a control plane has no version to wait for" if "min_version" in case.query else ""


ASKABLE = [case for case in CASES if not unaskable(case)]


class Worlds:
    """Keeps the control plane of one file's world at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = ""
        self._stack = ExitStack()
        self._rest: ControlRest | None = None

    def of(self, case: Case) -> ControlRest:
        """Return a control plane that holds a case's world."""
        if self._rest is None or case.file != self._file:
            self.close()
            place = self.folder / case.file
            place.mkdir()
            self._file = case.file
            self._rest = self._stack.enter_context(control_rest(place, NOW_MS))
            self._rest.done("POST", "/apply", {"document": case.world})
        return self._rest

    def close(self) -> None:
        """Close what is open."""
        self._stack.close()
        self._rest = None


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Return what applies worlds as cases need them."""
    made = Worlds(tmp_path_factory.mktemp("preview"))
    yield made
    made.close()


def question_of(case: Case) -> dict[str, Any]:
    """Return the body of a preview. A caller's fallback is left out: it counts only where records are missing."""
    question = {name: value for name, value in case.query.items() if name != "fallback"}
    question = {"explain": "NONE", **question, "product": case.product}
    if "age" in case.needs:
        question["policy_age"] = f"{case.age_ms}ms"
    return question


def neutral(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a preview's answer as the vectors write answers."""
    wait = reply["retry_after"]
    return {
        **{name: value for name, value in reply.items() if name != "retry_after"},
        "source": reply["source"] or "NOTHING",
        "retry_after_ms": None if wait is None else int(wait[:-2]) if wait.endswith("ms") else int(wait[:-1]) * 1_000,
        "freshness": reply["freshness"]["state"],
        "remedy": reply["remedy"],
        "explain": reply["explain"],
    }


def rung_of(case: Case, rest: ControlRest) -> tuple[int, int] | None:
    """Return the instant at which the feature's next rung comes for a policy of the case's age."""
    with rest.store.reading() as connection:
        feature = StoredRecords(connection, case.product).feature(case.query["feature"])
    edge_ms = next_edge_ms(DEFAULT_LADDER if feature is None else feature.ladder, case.age_ms)
    return None if edge_ms is None else (NOW_MS + edge_ms, NOW_MS + edge_ms)


@pytest.mark.parametrize("case", ASKABLE, ids=lambda case: case.id)
def test_preview_answers_as_the_vector_says(case: Case, worlds: Worlds) -> None:
    """The control plane says beforehand what a sidecar will answer, to the millisecond; a caller's bug is a 4xx with its field."""
    answer = worlds.of(case).call("POST", "/decisions:preview", question_of(case))
    body = answer.json()
    if "error" in case.expect:
        assert 400 <= answer.status_code < 500
        assert case.expect["error"]["field"] in [error["field"] for error in body["errors"]]
        assert all(error["remedy"] for error in body["errors"])
        return
    assert answer.status_code == 200, body
    found = neutral(body)
    edge = rung_of(case, worlds.of(case)) if "age" in case.needs else None
    assert expected_matches(case.expect, found, ladder_edge_ms=edge, untold=UNTOLD) == []


def test_only_what_no_preview_has_is_left_out() -> None:
    """Nearly every vector is asked; the rest needs a sidecar without records, and is run there."""
    left_out = {case.file: unaskable(case) for case in CASES if unaskable(case)}
    assert set(left_out) <= {"02-bad-input.json", "16-freshness-and-fallback.json", "01-lookup.json"}
    assert len(ASKABLE) >= 470
