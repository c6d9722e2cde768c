"""The vectors themselves: well-formed, well-named, and complete. Their outcomes are tested in tests/conformance."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from entitlements.policy.reasons import NOT_PRODUCED, Code
from tests.support.vectors import FOLDER, expected_matches, load_vectors, vector_files

ROOT = Path(__file__).resolve().parents[3]
NOW_MS = 1_795_000_000_000
CASES = load_vectors(NOW_MS)

SHOWN_ELSEWHERE = {
    "B8": ("tests/property/test_decide.py", "an order is a property of all records, not of one"),
    "E1": ("tests/unit/sidecar", "the guard of the clock"),
    "E4": ("tests/unit/control", "offsets are resolved when a window is written"),
    "F3": ("tests/unit/sidecar", "depends on when the process started"),
    "F5": ("tests/unit/client", "the client library's own fallback"),
    "F6": ("tests/unit/sidecar", "waiting for a version; the vectors show the form of the token"),
    "F7": ("tests/unit/sidecar", "ages belong to the store, which no answer writes"),
    "G1": ("tests/unit/wire/test_requests.py", "batches are read item by item; one version for all is the engine's"),
    "G2": ("tests/unit/sidecar", "a list is many answers"),
    "H1": ("tests/unit/control", "positions of writes"),
    "H3": ("tests/property/test_store_model.py", "a delta is applied whole"),
}
"""Rules that no single question shows, or not wholly -> where they are tested, and why there."""


def rules_of_the_page() -> list[str]:
    """Return the letters of docs/semantics.md, in order."""
    return re.findall(r"^\*\*([A-H]\d)\*\*", (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", vector_files())
def test_files_follow_the_schema(name: str) -> None:
    """Every file is a world and its cases, in the form that tests/vectors/schema.json describes."""
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors(
        json.loads((FOLDER / name).read_text(encoding="utf-8"))
    )
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_index_lists_every_file_in_order() -> None:
    """No file is forgotten, and the numbers give the order."""
    on_disk = sorted(path.name for path in FOLDER.glob("*.json") if path.name not in {"index.json", "schema.json"})
    assert vector_files() == on_disk
    assert [int(name[:2]) for name in on_disk] == list(range(1, len(on_disk) + 1))


def test_there_are_enough_and_no_name_stands_twice() -> None:
    """At least 200 cases; each has a name of its own, and no question is asked twice in one file."""
    assert len(CASES) >= 200
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
    asked = Counter(
        json.dumps(
            [case.file, case.query, case.age_ms, case.ready, case.static_fallback, case.fault, case.expect],
            sort_keys=True,
        )
        for case in CASES
    )
    assert [question for question, count in asked.items() if count > 1] == []


def test_every_rule_is_shown_or_listed() -> None:
    """Each rule of docs/semantics.md has a case, or stands in SHOWN_ELSEWHERE with a place that exists."""
    shown = {rule for case in CASES for rule in case.rules}
    rules = rules_of_the_page()
    assert len(rules) == len(set(rules)) == 37
    assert shown <= set(rules)
    assert set(rules) - shown <= set(SHOWN_ELSEWHERE) <= set(rules)
    assert [place for place, _ in SHOWN_ELSEWHERE.values() if not (ROOT / place).exists()] == []


def test_every_code_is_shown_or_listed_as_later() -> None:
    """Each reachable code is expected by a case, as code or as underlying code; the others are NOT_PRODUCED."""
    told = [case.expect.get(field) for case in CASES for field in ("code", "underlying_code")]
    assert {Code[name] for name in told if name} == set(Code) - NOT_PRODUCED


def test_every_optional_ability_is_used() -> None:
    """A runner that claims an ability gets cases for it, and most cases need none."""
    needed = Counter(need for case in CASES for need in case.needs)
    assert set(needed) == {"age", "not_ready", "static_fallback", "fault", "error", "frozen_clock"}
    assert sum(not case.needs for case in CASES) >= 200


def test_instants_move_with_the_run() -> None:
    """The same case an hour later has all instants an hour later."""
    later = load_vectors(NOW_MS + 3_600_000)
    texts = [case.query["as_of"] for case in CASES if "as_of" in case.query]
    assert texts
    assert len(set(texts) & {case.query["as_of"] for case in later if "as_of" in case.query}) < len(set(texts))
    assert "now" not in {text[:3] for text in texts}


def test_the_comparison_finds_differences() -> None:
    """The matcher is no rubber stamp: each kind of field that differs is told, a missing one too."""
    answer = {
        "allowed": True,
        "code": "ENTITLED",
        "value": 1,
        "valid_until": None,
        "remedy": None,
        "explain": {
            "rules": ["B3"],
            "considered": [{"source": "PLAN", "id": "pro@1", "note": "grants"}],
            "failed_conditions": [],
        },
    }
    assert expected_matches({"allowed": True, "code": "ENTITLED", "value": 1, "valid_until": None}, answer) == []
    wrong: tuple[dict[str, Any], ...] = (
        {"allowed": False},
        {"code": "REVOKED"},
        {"value": True},
        {"value": None},
        {"valid_until": "2026-01-01T00:00:00.000Z"},
        {"remedy": {"action": "UPGRADE"}},
        {"explain": None},
        {"explain": {"rules_include": ["B4"]}},
        {"explain": {"failed_conditions": ["x"]}},
        {"explain": {"considered": []}},
        {"explain": {"considered": [{"source": "ADDON"}]}},
        {"explain": {"considered": [{"source": "PLAN", "note_contains": "denies"}]}},
        {"error": {"field": "feature"}},
        {"source": "PLAN"},
    )
    for expect in wrong:
        assert len(expected_matches(expect, answer)) == 1, expect
    assert expected_matches({"allowed": True}, {**answer, "error": {"field": "x"}}) != []
    assert expected_matches({"error": {"field": "x"}}, {"error": {"field": "y"}}) != []


def test_the_ladder_may_cut_the_validity_and_nothing_else() -> None:
    """A runner with ages accepts its next rung where the records would hold longer, never where they would not."""
    early, rung, late = (f"2026-01-01T0{hour}:00:00.000Z" for hour in (1, 2, 3))
    window = (1_767_232_800_000 - 5, 1_767_232_800_000 + 5)
    assert expected_matches({"valid_until": None}, {"valid_until": rung}, ladder_edge_ms=window) == []
    assert expected_matches({"valid_until": late}, {"valid_until": rung}, ladder_edge_ms=window) == []
    assert expected_matches({"valid_until": early}, {"valid_until": early}, ladder_edge_ms=window) == []
    assert expected_matches({"valid_until": early}, {"valid_until": rung}, ladder_edge_ms=window) != []
    assert expected_matches({"valid_until": None}, {"valid_until": late}, ladder_edge_ms=window) != []
    assert expected_matches({"valid_until": late}, {"valid_until": None}, ladder_edge_ms=window) != []
