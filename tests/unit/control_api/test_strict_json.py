"""Bodies are read as a careful person reads them."""

import pytest

from control.api.problems import ProblemError
from control.api.strict_json import MAX_DEPTH, JsonError, parse_body, parse_json


def test_plain_json_is_read() -> None:
    """Everything that JSON can say and a document needs comes through."""
    assert parse_json('{"a": [1, -2, true, null, "ä\\n"], "b": {}}'.encode()) == {
        "a": [1, -2, True, None, "ä\n"],
        "b": {},
    }


@pytest.mark.parametrize(
    "raw, field",
    [
        (b'{"key": 1, "key": 2}', "key"),
        (b'{"a": {"b": {"c": 1, "c": 1}}}', "c"),
        (b"[NaN]", "body"),
        (b"[-Infinity]", "body"),
        (b"[1e999]", "body"),
        (b"[123456789012345678901234567890]", "body"),
        (b'"\\ud800"', "body"),
        (b'{"a": ["x\\u0000"]}', "a[0]"),
        (b"\xff\xfe", "body"),
        (b"", "body"),
        (b"{}{}", "body"),
        (b"{'a': 1}", "body"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "body"),
        (b"[" * 1_000_000, "body"),
    ],
)
def test_bad_json_is_refused_with_place_and_remedy(raw: bytes, field: str) -> None:
    """Each refusal names where it is and what to write instead."""
    with pytest.raises(JsonError) as refused:
        parse_json(raw)
    assert field == refused.value.field
    assert refused.value.problem
    assert refused.value.remedy


def test_brackets_inside_texts_are_no_depth() -> None:
    """Only real nesting counts, also when quotes are escaped."""
    text = "[" * 500 + '\\"' + "{" * 500
    assert [text.replace('\\"', '"')] == parse_json(f'["{text}"]'.encode())


def test_a_surrogate_pair_is_text() -> None:
    """Escapes that form one character are fine."""
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_a_refused_body_is_a_400_problem() -> None:
    """The REST edge turns it into problem+json with one field error."""
    with pytest.raises(ProblemError) as refused:
        parse_body(b'{"a": 1, "a": 2}')
    assert refused.value.status_code == 400
    assert [error.field for error in refused.value.errors] == ["a"]
