"""Loads the test vectors for any runner: worlds and cases with resolved instants, and the comparison of an answer with what is expected.

A runner does ``for case in load_vectors(now_ms)``, skips what ``case.needs`` and it cannot express, loads ``case.world`` (a catalogue document), asks
``case.query`` about ``case.product``, brings its answer into the neutral form (``tests/support/answers.py``) and asserts that
``expected_matches(case.expect, answer)`` is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from entitlements.policy.condition_json import parse_instant, render_instant
from entitlements.policy.model import Instant

FOLDER: Final = Path(__file__).resolve().parents[1] / "vectors"
DEFAULT_PRODUCT: Final = "suite"
SOON_MS: Final = 10 * 60_000
_INSTANT: Final = re.compile(r"now(?:([+-])(\d+)(ms|s|m|h|d))?")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One question in one world, and what must be answered. All instants are ISO-8601 texts by now.

    ``needs`` names what a runner must be able to do beside asking: ``age`` (let the policy be ``age_ms`` old), ``not_ready`` (no policy set yet),
    ``static_fallback`` (configure one for the feature asked about), ``fault`` (make the evaluation fail), ``frozen_clock`` (now must be exactly
    the ``now_ms`` of loading), ``error`` (tell a caller's error by field). An empty set runs anywhere.
    """

    file: str
    name: str
    rules: tuple[str, ...]
    now_ms: int
    world: Json
    product: str
    query: Json
    expect: Json
    age_ms: int
    ready: bool
    static_fallback: Json | None
    fault: str
    needs: frozenset[str]

    @property
    def id(self) -> str:
        """Return a readable identifier, unique over all files."""
        return f"{self.file.removesuffix('.json')}: {self.name}"

    def __repr__(self) -> str:
        """Show file and name."""
        return f"<Case [{self.id}]>"


def vector_files() -> list[str]:
    """Return the names of the vector files in the order of the index."""
    files: list[str] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["files"]
    return files


@lru_cache
def _document(name: str) -> Json:
    document: Json = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return document


def load_vectors(now_ms: int) -> list[Case]:
    """Return every case of every file, with instants relative to ``now_ms`` resolved; cases of one file share one world object."""
    return [case for name in vector_files() for case in _cases(name, now_ms)]


def _cases(name: str, now_ms: int) -> Iterator[Case]:
    document = _document(name)
    world = _resolve(document["world"], now_ms)
    soon = {
        customer["id"]
        for customer in document["world"].get("customers", ())
        if any(_is_soon(t) for t in _texts(customer))
    }
    for case in document["cases"]:
        query = case["query"]
        yield Case(
            file=name,
            name=case["name"],
            rules=tuple(case["rules"]),
            now_ms=now_ms,
            world=world,
            product=query.get("product") or DEFAULT_PRODUCT,
            query=_resolve(query, now_ms),
            expect=_resolve(case["expect"], now_ms),
            age_ms=case.get("age_ms", 0),
            ready=case.get("ready", True),
            static_fallback=case.get("static_fallback"),
            fault=case.get("fault", ""),
            needs=_needs(case, frozen=query["customer_id"] in soon or any(_is_soon(text) for text in _texts(case))),
        )


def _needs(case: Json, *, frozen: bool) -> frozenset[str]:
    found = {
        "age": "age_ms" in case,
        "not_ready": not case.get("ready", True),
        "static_fallback": "static_fallback" in case,
        "fault": "fault" in case,
        "error": "error" in case["expect"],
        "frozen_clock": frozen,
    }
    return frozenset(name for name, needed in found.items() if needed)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _texts(element)


def _offset_ms(text: str) -> int | None:
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    sign, amount, unit = match.groups()
    return 0 if sign is None else int(f"{sign}{amount}") * _UNIT_MS[unit]


def _is_soon(text: str) -> bool:
    offset = _offset_ms(text)
    return offset is not None and 0 < offset < SOON_MS


def _resolve(value: Any, now_ms: int) -> Any:
    if isinstance(value, str):
        offset = _offset_ms(value)
        return value if offset is None else render_instant(Instant(now_ms + offset))
    if isinstance(value, dict):
        return {key: _resolve(element, now_ms) for key, element in value.items()}
    return [_resolve(element, now_ms) for element in value] if isinstance(value, list) else value


def expected_matches(
    expect: Json,
    answer: Json,
    *,
    ladder_edge_ms: tuple[int, int] | None = None,
    untold: frozenset[str] = frozenset(),
) -> list[str]:
    """Return the differences between what is expected and a neutral answer; empty when it matches.

    Only what ``expect`` names is compared. ``ladder_edge_ms`` is the range of instants in which the feature's next freshness rung falls: a
    runner whose answers carry an age passes it, and a later (or missing) expected ``valid_until`` may then be cut to it.
    ``untold`` names fields that the runner's surface does not have at all.
    """
    differences = []
    for field, wanted in expect.items():
        if field in untold:
            continue
        found = answer.get(field)
        if field == "valid_until":
            differences += _compare_valid_until(wanted, found, ladder_edge_ms)
        elif field in {"remedy", "error", "explain"}:
            differences += _compare_part(field, wanted, found)
        elif found != wanted or type(found) is not type(wanted):
            differences.append(f"{field}: expected {wanted!r}, got {found!r}")
    if "error" in answer and "error" not in expect:
        differences.append(f"error: none expected, got {answer['error']!r}")
    return differences


def _compare_valid_until(wanted: str | None, found: str | None, ladder: tuple[int, int] | None) -> list[str]:
    if wanted == found:
        return []
    if ladder is not None and found is not None:
        first, last = ladder
        wanted_ms = None if wanted is None else parse_instant(wanted).ms
        if first <= parse_instant(found).ms <= last and (wanted_ms is None or wanted_ms >= first):
            return []
    return [f"valid_until: expected {wanted!r}, got {found!r}, next rung {ladder!r}"]


def _compare_part(field: str, wanted: Json | None, found: Json | None) -> list[str]:
    if wanted is None or found is None:
        return [] if wanted is found else [f"{field}: expected {wanted!r}, got {found!r}"]
    differences = []
    for name, value in wanted.items():
        if name == "considered":
            differences += _compare_considered(value, found["considered"])
        elif name == "rules_include":
            missing = [rule for rule in value if rule not in found["rules"]]
            differences += [f"{field}.rules: {missing} are not among {found['rules']}"] if missing else []
        elif name.endswith("_contains"):
            text = found[name.removesuffix("_contains")]
            differences += [] if value in text else [f"{field}: {value!r} is not in {text!r}"]
        elif found.get(name) != value:
            differences.append(f"{field}.{name}: expected {value!r}, got {found.get(name)!r}")
    return differences


def _compare_considered(wanted: Sequence[Json], found: Sequence[Json]) -> list[str]:
    if not wanted:
        return [f"explain.considered: none expected, got {found!r}"] if found else []
    return [
        f"explain.considered: nothing like {line!r} in {found!r}"
        for line in wanted
        if not any(_is_like(line, other) for other in found)
    ]


def _is_like(line: Json, other: Json) -> bool:
    return all(
        value in other["note"] if name == "note_contains" else other.get(name) == value for name, value in line.items()
    )
