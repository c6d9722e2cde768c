"""A load tester's own file of questions: what it may say, and what is said to one that cannot be understood."""

from pathlib import Path

import pytest

from benchmarks.generators.checking import is_met
from benchmarks.generators.question import Question
from benchmarks.own_questions import BadLine, read_own_questions
from entitlements.v1 import check_service_pb2, decision_pb2


def read(tmp_path: Path, text: str) -> tuple[Question, ...]:
    """Write a file and read it."""
    path = tmp_path / "mine.jsonl"
    path.write_text(text, encoding="utf-8")
    return read_own_questions(path)


def test_a_question_asks_and_expects_what_its_line_says(tmp_path: Path) -> None:
    """Customer, feature and product go into the request; verdict and code into what is checked."""
    lines = '{"customer": "acme", "feature": "sso", "product": "suite", "expected": "deny", "code": "NOT_IN_PLAN"}\n'
    (question,) = read(tmp_path, f"\n{lines}\n")
    message = check_service_pb2.CheckRequest.FromString(question.body)
    assert (message.customer_id, message.feature, message.product) == ("acme", "sso", "suite")
    deny = check_service_pb2.CheckResponse(code=decision_pb2.CODE_NOT_IN_PLAN)
    other = check_service_pb2.CheckResponse(code=decision_pb2.CODE_CUSTOMER_UNKNOWN)
    allow = check_service_pb2.CheckResponse(allowed=True, code=decision_pb2.CODE_NOT_IN_PLAN)
    assert [is_met(question, each.SerializeToString()) for each in (deny, other, allow)] == [True, False, False]


@pytest.mark.parametrize("verdict, allowed", [('"allow"', True), ("true", True), ('"deny"', False), ("false", False)])
def test_verdicts_are_words_or_truth_values(tmp_path: Path, verdict: str, allowed: bool) -> None:  # noqa: FBT001
    """Both forms mean the same."""
    (question,) = read(tmp_path, f'{{"customer": "a", "feature": "b", "expected": {verdict}}}')
    answers = [check_service_pb2.CheckResponse(allowed=each).SerializeToString() for each in (allowed, not allowed)]
    assert [is_met(question, answer) for answer in answers] == [True, False]


def test_without_an_expectation_any_answer_will_do(tmp_path: Path) -> None:
    """Its status is still checked, by the generator."""
    (question,) = read(tmp_path, '{"customer": "a", "feature": "b"}')
    assert question.expectations == ()
    assert question.status == 0


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "holds no question"),
        ("acme exports", "line 1: is no JSON"),
        ("[]", "no JSON object"),
        ('{"customer": "a", "feature": "b"}\n{"customer": "a"}', "line 2: needs the field 'feature'"),
        ('{"customer": 7, "feature": "b"}', "'customer' that is no text"),
        ('{"customer": "a", "feature": "b", "plan": "pro"}', "unknown field 'plan'; known are customer"),
        ('{"customer": "a", "feature": "b", "expected": "maybe"}', "write allow or deny"),
        ('{"customer": "a", "feature": "b", "expected": 1}', "write allow or deny"),
        ('{"customer": "a", "feature": "b", "code": "NOPE"}', "unknown code 'NOPE'"),
    ],
)
def test_a_bad_line_is_named_with_its_remedy(tmp_path: Path, text: str, said: str) -> None:
    """File, line, field, and what to write instead."""
    with pytest.raises(BadLine) as raised:
        read(tmp_path, text)
    assert said in str(raised.value)
    assert "mine.jsonl" in str(raised.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(BadLine, match="cannot be read"):
        read_own_questions(tmp_path / "absent")
