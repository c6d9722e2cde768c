"""The file of static fallbacks is read strictly: a typo must not turn into a deny at three in the morning."""

from pathlib import Path

import pytest

from entitlements.policy.freshness import StaticFallback
from entitlements.policy.model import UNLIMITED
from sidecar.serving.fallbacks import FallbackError, load_fallbacks, parse_fallbacks


def one(entry: object) -> dict[str, object]:
    """Return a document with one feature."""
    return {"version": 1, "products": {"suite": {"exports": entry}}}


@pytest.mark.parametrize(
    "entry, fallback",
    [
        ("allow", StaticFallback(True)),
        ("deny", StaticFallback(False)),
        ({"verdict": "allow", "value": 5}, StaticFallback(True, 5)),
        ({"verdict": "allow", "value": "unlimited"}, StaticFallback(True, UNLIMITED)),
        ({"verdict": "allow", "value": ["b", "a", "b"]}, StaticFallback(True, ("a", "b"))),
        ({"verdict": "allow", "value": False}, StaticFallback(True, False)),
    ],
)
def test_entry_is_read(entry: object, fallback: StaticFallback) -> None:
    """Short and long form."""
    assert parse_fallbacks(one(entry), frozenset({"suite"})) == {"suite": {"exports": fallback}}


@pytest.mark.parametrize(
    "document, words",
    [
        ([], "the file is not an object; write {...}"),
        ({"version": 2}, "version is not 1; write 1"),
        ({"version": 1, "product": {}}, "the file has the unknown field product; use only products, version"),
        (one("yes"), "products.suite.exports is 'yes'; write allow or deny"),
        (one({"verdict": "deny", "value": 1}), "products.suite.exports.value goes with a deny"),
        (one({"verdict": "allow", "value": 1.5}), "products.suite.exports.value has no type that a value can have"),
        (one({"value": 1}), "products.suite.exports.verdict is None"),
        ({"version": 1, "products": {"other": {}}}, "products.other is not served by this sidecar"),
        (
            {"version": 1, "products": {"suite": {" x": "deny"}}},
            "has a feature key that must not start or end with white space",
        ),
    ],
)
def test_mistake_is_named_with_its_path(document: object, words: str) -> None:
    """Path, problem, remedy."""
    with pytest.raises(FallbackError) as caught:
        parse_fallbacks(document, frozenset({"suite"}))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", ["{", '{"a": 1, "a": 2}', "[" * 100_000, "\x00"])
def test_file_that_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    """Broken, ambiguous, too deep."""
    file = tmp_path / "f.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(FallbackError, match="is no JSON"):
        load_fallbacks(file, ["suite"])


def test_no_file_is_no_fallback() -> None:
    """The default of the chain is to deny."""
    assert load_fallbacks(None, ["suite"]) == {}
