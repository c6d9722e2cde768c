"""Whether an answer is what its question expects: the same rules as in `c/questions.c`, for generators that are not written in C."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.generators.question import Expectation, Question


def is_met(question: Question, answer: bytes) -> bool:
    """Return whether an answer fulfils every expectation of its question."""
    return all(_fulfils(each, answer) for each in question.expectations)


def _fulfils(expected: Expectation, answer: bytes) -> bool:
    data = expected.data
    match expected.kind:
        case 0:
            return data in answer
        case 1:
            return data not in answer
        case 2:
            return answer.startswith(data)
        case 3:
            return answer == data
        case 4:
            depth = data[0]
            path, leaf, values = data[1 : 1 + depth], data[1 + depth], list(data[2 + depth :])
            try:
                return list(leaves(answer, path, leaf)) == values
            except ValueError:
                return False
        case _:
            return False


def leaves(message: bytes, path: bytes, leaf: int) -> Iterator[int]:
    """Yield the varint field `leaf` of each message at `path`, 0 where it is absent; ValueError for bytes that are no message."""
    value = 0
    for field, content in _fields(message):
        if path and field == path[0] and isinstance(content, bytes):
            yield from leaves(content, path[1:], leaf)
        elif not path and field == leaf and isinstance(content, int):
            value = content
    if not path:
        yield value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            length, at = _varint(message, at)
        elif key & 7 in {1, 5}:
            length = 8 if key & 7 == 1 else 4
        else:
            raise ValueError("a group or an unknown wire type")
        if at + length > len(message):
            raise ValueError("cut off")
        if key & 7 == 2:
            yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("cut off")
        number |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            return number, at
