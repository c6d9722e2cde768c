"""The static fallbacks of a sidecar: what it answers, per product and feature, while records cannot answer (semantics F4).

    {"version": 1, "products": {"suite": {"exports": "allow", "audit": "deny", "projects": {"verdict": "allow", "value": 3}}}}

A value is written as in a catalogue: true or false, a whole number, a text, a list of texts, or "unlimited" for a number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from entitlements.local.shelf import NONE, Fallbacks
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import id_problem
from entitlements.policy.model import UNLIMITED, Value


class FallbackError(Exception):
    """The file of static fallbacks is wrong: the path inside it, the problem, the remedy."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


def load_fallbacks(file: Path | None, products: Iterable[str]) -> Fallbacks:
    """Read the file; no file is no fallback. FallbackError names what is wrong, products that are not served included."""
    if file is None:
        return NONE
    try:
        document = json.loads(file.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise FallbackError(str(file), f"cannot be read ({error.strerror})", "name a readable JSON file") from None
    except (ValueError, RecursionError) as error:
        raise FallbackError(str(file), f"is no JSON ({error})", "write a JSON document") from None
    return parse_fallbacks(document, frozenset(products))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return made


def parse_fallbacks(document: object, products: frozenset[str]) -> Fallbacks:
    """Return the fallbacks of a parsed document."""
    top = _object(document, "the file", {"version", "products"})
    if top.get("version") != 1:
        raise FallbackError("version", "is not 1", "write 1, the only version so far")
    found: dict[str, Mapping[str, StaticFallback]] = {}
    for product, features in _object(top.get("products", {}), "products").items():
        if product not in products:
            raise FallbackError(
                f"products.{product}", "is not served by this sidecar", "remove it, or add the product to the settings"
            )
        found[product] = {
            _id(feature, f"products.{product}"): _fallback(entry, f"products.{product}.{feature}")
            for feature, entry in _object(features, f"products.{product}").items()
        }
    return found


def _object(value: object, path: str, allowed: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FallbackError(path, "is not an object", "write {...}")
    unknown = sorted(set(value) - allowed) if allowed is not None else []
    if unknown:
        raise FallbackError(path, f"has the unknown field {unknown[0]}", f"use only {', '.join(sorted(allowed or ()))}")
    return value


def _id(value: str, path: str) -> str:
    problem = id_problem(value)
    if problem is not None:
        raise FallbackError(path, f"has a feature key that {problem}", "write the feature's key as in the catalogue")
    return value


def _fallback(entry: object, path: str) -> StaticFallback:
    if isinstance(entry, str):
        return StaticFallback(_allowed(entry, path))
    fields = _object(entry, path, {"verdict", "value"})
    allowed = _allowed(fields.get("verdict"), f"{path}.verdict")
    if "value" not in fields:
        return StaticFallback(allowed)
    if not allowed:
        raise FallbackError(f"{path}.value", "goes with a deny", "remove it: a deny has no value")
    return StaticFallback(allowed, _value(fields["value"], f"{path}.value"))


def _allowed(verdict: object, path: str) -> bool:
    if verdict not in {"allow", "deny"}:
        raise FallbackError(path, f"is {verdict!r}", "write allow or deny")
    return verdict == "allow"


def _value(value: object, path: str) -> Value:
    if value == "unlimited":
        return UNLIMITED
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(sorted(set(value)))
    raise FallbackError(
        path, "has no type that a value can have", "write true, false, a whole number, a text or a list of texts"
    )
