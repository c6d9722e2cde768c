"""What one call sends and what its answer must look like, in a form that generators of every language can check without knowing the service.

A question names where it goes (the gRPC path; unused for other wires), the bytes to send, the status it must end with, and any number of
expectations of the answer's bytes. An answer that misses one of them is counted as wrong, whoever gave it.

For gRPC, `body` and the expectations speak of the message without its five-byte frame. For HTTP/1.1, `body` is the whole request text and the
expectations speak of the answer's body; `status` is the HTTP status. For Redis, `body` is the command in RESP and the expectations speak of the
whole reply; there is no status.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAGIC: Final = b"ENTQ0001"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that an answer's bytes must fulfil; made by `contains`, `lacks`, `starts`, `equals` and `numbers`."""

    kind: int
    data: bytes


def contains(text: bytes) -> Expectation:
    """The answer holds these bytes somewhere."""
    return Expectation(0, text)


def lacks(text: bytes) -> Expectation:
    """The answer does not hold these bytes."""
    return Expectation(1, text)


def starts(text: bytes) -> Expectation:
    """The answer begins with these bytes."""
    return Expectation(2, text)


def equals(text: bytes) -> Expectation:
    """The answer is exactly these bytes."""
    return Expectation(3, text)


def numbers(path: Sequence[int], leaf: int, expected: Sequence[int]) -> Expectation:
    """The answer is a protobuf message in which following `path` (field numbers of messages) finds as many messages as `expected` has members.

    In each of them, in order, the varint field `leaf` has the expected value (0 to 255); an absent field counts as 0. With an empty path the
    answer itself is the one message. `numbers((1, 1), 1, (1, 0))`: of the two messages at 1.1, the first has field 1 set, the second has not.
    """
    if len(path) > 8 or not all(0 < each < 256 for each in (*path, leaf)):
        raise ValueError("a path has at most eight field numbers below 256")
    return Expectation(4, bytes([len(path), *path, leaf]) + bytes(expected))


@dataclass(frozen=True, slots=True)
class Question:
    """One call. `decisions` says how many verdicts its answer holds."""

    path: str
    body: bytes
    expectations: tuple[Expectation, ...]
    status: int = 0
    decisions: int = 1

    def encoded(self) -> bytes:
        """Return the question as a record of a question file."""
        path = self.path.encode()
        head = struct.pack("<HHHHI", self.status, self.decisions, len(path), len(self.expectations), len(self.body))
        checks = b"".join(struct.pack("<BI", each.kind, len(each.data)) + each.data for each in self.expectations)
        return head + path + self.body + checks


def write_questions(path: Path, questions: Sequence[Question]) -> None:
    """Write a question file: the magic, a count, and the questions in the order in which a generator cycles through them.

    All integers are little-endian. One question is: status u16, decisions u16, length of path u16, number of expectations u16, length of body u32,
    path, body, and for each expectation kind u8, length u32, data.
    """
    if not questions:
        raise ValueError("a question file needs at least one question")
    path.write_bytes(MAGIC + struct.pack("<I", len(questions)) + b"".join(each.encoded() for each in questions))


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a question file back; ValueError when it is none or is cut off."""
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise ValueError(f"{path} is not a question file of this version")
    try:
        return _parse(data, len(MAGIC))
    except (struct.error, IndexError) as error:
        raise ValueError(f"{path} is cut off: {error}") from None


def _parse(data: bytes, at: int) -> tuple[Question, ...]:
    def take(length: int) -> bytes:
        nonlocal at
        at += length
        if at > len(data):
            raise IndexError("the file ends inside a question")
        return data[at - length : at]

    (count,) = struct.unpack("<I", take(4))
    questions = []
    for _ in range(count):
        status, decisions, path_length, checks, body_length = struct.unpack("<HHHHI", take(12))
        path, body = take(path_length).decode(), take(body_length)
        expectations = []
        for _ in range(checks):
            kind, length = struct.unpack("<BI", take(5))
            expectations.append(Expectation(kind, take(length)))
        questions.append(Question(path, body, tuple(expectations), status, decisions))
    return tuple(questions)
