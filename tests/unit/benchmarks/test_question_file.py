"""The form in which generators of every language get their questions."""

from pathlib import Path

import pytest

from benchmarks.generators.question import (
    Question,
    contains,
    equals,
    lacks,
    numbers,
    read_questions,
    starts,
    write_questions,
)
from benchmarks.questions import PAIRS, Ask
from benchmarks.subjects.our_questions import PAYLOADS, our_questions
from entitlements.v1 import check_service_pb2

EVERY = (
    Question("/s/M", b"ask", (contains(b"x"), lacks(b"y"), starts(b""), equals(b"\x00"), numbers((1, 1), 2, [0, 255]))),
    Question("", b"", (), status=404, decisions=0),
)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    """Nothing is lost, empty parts included."""
    write_questions(tmp_path / "q", EVERY)
    assert read_questions(tmp_path / "q") == EVERY


@pytest.mark.parametrize("kept", [4, 11, 20, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    """A generator must not ask half of the questions and call it a success."""
    write_questions(tmp_path / "q", EVERY)
    (tmp_path / "q").write_bytes((tmp_path / "q").read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"question file|cut off"):
        read_questions(tmp_path / "q")


def test_there_must_be_something_to_ask(tmp_path: Path) -> None:
    """No question would be an endless wait for nothing."""
    with pytest.raises(ValueError, match="at least one"):
        write_questions(tmp_path / "q", ())


def test_numbers_refuses_a_path_it_cannot_encode() -> None:
    """Field numbers are single bytes in the file."""
    with pytest.raises(ValueError, match="below 256"):
        numbers((1, 300), 1, [1])


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_our_questions_ask_every_pair(batch: int, payload: str) -> None:
    """Whatever the batch size and the payload, one cycle asks each of the fixed pairs."""
    asked = []
    for question in our_questions(Ask(batch=batch, payload=payload)) or ():
        if batch == 1:
            items = [check_service_pb2.CheckRequest.FromString(question.body)]
        else:
            items = list(check_service_pb2.BatchCheckRequest.FromString(question.body).items)
        assert question.decisions == len(items) == batch
        asked += [(item.customer_id, item.feature) for item in items]
    assert asked[: len(PAIRS)] == [(pair.customer, pair.feature) for pair in PAIRS]


def test_the_large_payload_is_a_kibibyte() -> None:
    """Its name says so."""
    sizes = {len(question.body) for question in our_questions(Ask(payload="1KiB")) or ()}
    assert sizes <= set(range(1000, 1100))
    assert sizes


def test_an_unknown_payload_is_left_out() -> None:
    """None, as for every subject that cannot be asked so."""
    assert our_questions(Ask(payload="video")) is None
