"""The short way from a question to what is decided says what the long way through a message says, or says nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from entitlements.client import BadQuestion, ExplainLevel, Fallback, Question
from entitlements.client.wording import call_of, ordinary_query, plain_query
from entitlements.policy.ids import ProductId
from entitlements.wire.errors import FieldError

SUITE = ProductId("suite")
ODD = ["", " x", "x ", "é", "a\nb", "x" * 128, "x" * 129, "\ud800", b"x", 7, None, "a b", "request.time"]
ids: st.SearchStrategy[Any] = st.sampled_from(["acme", "exports", "a-1", *ODD]) | st.text(max_size=3)
names: st.SearchStrategy[Any] = st.sampled_from(
    [
        "region",
        "time",
        "product",
        "x" * 32,
        "x" * 33,
        "a.b",
        "request.region",
        "subject.id",
        "customer.tier",
        "",
        "é",
        1,
    ]
)
values: st.SearchStrategy[Any] = st.sampled_from(
    [
        "eu",
        "",
        "x" * 64,
        "x" * 300,
        "é",
        "\ud800",
        True,
        False,
        0,
        1,
        -(1 << 63),
        1 << 63,
        1.5,
        None,
        ["a"],
        (),
        ("b", "a"),
    ]
)
fallbacks: st.SearchStrategy[Any] = st.sampled_from(
    [None, Fallback(allowed=True), Fallback(allowed=False, value=3), Fallback(allowed=True, value="x" * 2000)]
)
questions = st.builds(
    Question,
    customer_id=ids,
    feature=ids,
    product=st.sampled_from(["", "suite", "other", *ODD]),
    subject_id=st.sampled_from(["", "ann", *ODD]),
    resource_id=st.sampled_from(["", "site", *ODD]),
    quantity=st.sampled_from([1, 1, 1, 0, 2, -1, True]),
    attributes=st.dictionaries(names, values, max_size=6),
    min_version=st.sampled_from(["", "", "1-2", "x"]),
    explain=st.sampled_from([*ExplainLevel, 0, 1, 7]),
    fallback=fallbacks,
)


@given(questions)
def test_short_way_says_what_the_long_way_says(question: Question) -> None:
    """Never another question, and never one that the long way refuses."""
    try:
        short = ordinary_query(question, SUITE)
        query, as_of, wanted, _ = call_of(question, SUITE, 0)[0]
    except (FieldError, BadQuestion):
        assert ordinary_query(question, SUITE) is None
        return
    if short is not None:
        assert (short, None, None) == (query, as_of, wanted)
        assert {name: type(value) for name, value in short.attributes.items()} == {
            name: type(value) for name, value in query.attributes.items()
        }
        assert call_of(question, SUITE, 0)[1]


@given(ids, ids)
def test_shortest_way_too(customer_id: Any, feature: Any) -> None:
    """For customer and feature alone."""
    assert plain_query(customer_id, feature, SUITE) == ordinary_query(Question(customer_id, feature), SUITE)


def test_ordinary_questions_go_the_short_way() -> None:
    """Otherwise the property would hold for nothing."""
    asked = Question("acme", "exports", subject_id="ann", attributes={"region": "eu", "seats": 3, "beta": True})
    query = ordinary_query(asked, SUITE)
    assert query is not None
    assert query.attributes == {"request.region": "eu", "request.seats": 3, "request.beta": True}
