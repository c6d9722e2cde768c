"""The fixed questions in the words of our own contract, with what an answer must say: verdict and code, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.generators.question import Expectation, Question, numbers
from benchmarks.questions import Ask, Pair
from entitlements.v1 import check_service_pb2, decision_pb2

SERVICE: Final = "/entitlements.v1.CheckService/"
ALLOW_CODE: Final = int(decision_pb2.CODE_ENTITLED)
DENY_CODE: Final = int(decision_pb2.CODE_NOT_IN_PLAN)
PAYLOADS: Final = ("plain", "attributes", "explain", "1KiB")
ALLOWED_FIELD: Final = 1
CODE_FIELD: Final = 2


def our_questions(ask: Ask, *, codes: bool = True) -> tuple[Question, ...] | None:
    """Return one cycle; None for a payload that is unknown. Without `codes` only the verdicts are checked, for servers that have no codes."""
    if ask.payload not in PAYLOADS:
        return None
    if ask.batch == 1:
        return tuple(_single(group[0], ask.payload, codes) for group in ask.groups())
    return tuple(_batch(group, ask.payload, codes) for group in ask.groups())


def _single(pair: Pair, payload: str, codes: bool) -> Question:  # noqa: FBT001 - handed through
    body = _message(pair, payload).SerializeToString()
    return Question(SERVICE + "Check", body, _expected((), [pair], codes))


def _batch(pairs: Sequence[Pair], payload: str, codes: bool) -> Question:  # noqa: FBT001 - handed through
    items = [_message(pair, payload) for pair in pairs]
    body = check_service_pb2.BatchCheckRequest(items=items).SerializeToString()
    return Question(SERVICE + "BatchCheck", body, _expected((1, 1), pairs, codes), decisions=len(pairs))


def _expected(path: Sequence[int], pairs: Sequence[Pair], codes: bool) -> tuple[Expectation, ...]:  # noqa: FBT001 - handed through
    """An answer from a fallback or from no policy has another code, so it is wrong even where its verdict happens to be right."""
    verdicts = numbers(path, ALLOWED_FIELD, [int(pair.allowed) for pair in pairs])
    if not codes:
        return (verdicts,)
    return verdicts, numbers(path, CODE_FIELD, [ALLOW_CODE if pair.allowed else DENY_CODE for pair in pairs])


def _message(pair: Pair, payload: str) -> check_service_pb2.CheckRequest:
    message = pair.message()
    if payload == "explain":
        message.explain = check_service_pb2.EXPLAIN_LEVEL_FULL
    if payload == "attributes":
        message.attributes["region"].string_value = "eu"
        message.attributes["environment"].string_value = "production"
        message.attributes["app_version"].int_value = 42
        message.attributes["beta"].bool_value = True
    if payload == "1KiB":
        for number in range(8):
            message.attributes[f"note_{number}"].string_value = f"{number}" * 110
    return message
