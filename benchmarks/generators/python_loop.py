"""One call after the other from Python, as a service that waits for its answer does; ends with the line that `outcome_json` reads.

    python -m benchmarks.generators.python_loop {client|stub} QUESTIONS TARGET SECONDS WARM_UP [CA]

`client` asks through `EntitlementClient`, which takes single Checks alone; `stub` asks any gRPC service through grpcio, bytes in and bytes out.
Answers are checked between the calls, outside of what is timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import grpc

from benchmarks.generators.checking import is_met
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.question import Question, read_questions
from entitlements.client import Answer, EntitlementClient
from entitlements.v1 import check_service_pb2

NANO: Final = 1_000_000_000


@contextmanager
def through_client(target: str, questions: Sequence[Question]) -> Iterator[list[Callable[[], Any]]]:
    """Yield what asks each question through our client library."""
    with EntitlementClient(target, timeout_s=2.0) as client:
        messages = [check_service_pb2.CheckRequest.FromString(each.body) for each in questions]
        yield [partial(client.check, each.customer_id, each.feature) for each in messages]


@contextmanager
def through_stub(target: str, questions: Sequence[Question], ca: Path | None) -> Iterator[list[Callable[[], Any]]]:
    """Yield what sends each question's bytes through grpcio alone."""
    if ca is None:
        channel = grpc.insecure_channel(target)
    else:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(ca.read_bytes()))
    with channel:
        methods: dict[str, Callable[..., bytes]] = {each.path: channel.unary_unary(each.path) for each in questions}
        yield [partial(methods[each.path], each.body, timeout=2.0) for each in questions]


def as_bytes(answer: bytes | Answer) -> bytes:
    """Return an answer as it was on the wire, as far as benchmarks expect anything of it."""
    if isinstance(answer, bytes):
        return answer
    code = f"CODE_{answer.code}"
    return check_service_pb2.CheckResponse(allowed=answer.allowed, code=code).SerializeToString()


def ask(
    questions: Sequence[Question], asks: Sequence[Callable[[], Any]], seconds: float, warm_up: float
) -> dict[str, Any]:
    """Ask for some seconds after a warm-up; return what is printed."""
    took: list[int] = []
    errors: Counter[str] = Counter()
    calls = decisions = wrong = every = 0
    first_wrong = ""
    clock = time.perf_counter_ns
    measured_from = clock() + int(warm_up * NANO)
    until = measured_from + int(seconds * NANO)
    for number, (question, call) in cycle(enumerate(zip(questions, asks, strict=True))):
        began, status, answer = clock(), 0, b""
        try:
            answer = call()
            ended = clock()
        except grpc.RpcError as error:
            ended, status = clock(), error.code().value[0]
        every += 1
        if ended >= until:
            break
        if ended < measured_from:
            continue
        if status != question.status:
            errors[f"GRPC_{status}"] += 1
            wrong += 1
            continue
        calls += 1
        decisions += question.decisions
        took.append(ended - began)
        seen = as_bytes(answer)
        if not is_met(question, seen):
            wrong += 1
            first_wrong = first_wrong or f"question {number} answered {seen[:256].hex()}"
    latencies = Latencies.of(took)
    plain = {"least_ns": latencies.least_ns, "most_ns": latencies.most_ns, "sum_ns": latencies.sum_ns}
    counts = {
        "calls": calls,
        "decisions": decisions,
        "wrong": wrong,
        "all_calls": every,
        "asked": calls + errors.total(),
    }
    histogram = {**plain, "cells": latencies.cells}
    return {
        **counts,
        "seconds": seconds,
        "errors": errors,
        "first_wrong": first_wrong,
        "due": histogram,
        "sent": histogram,
    }


def main(argv: list[str]) -> int:
    """Ask and print."""
    kind, path, target, seconds, warm_up, *ca = argv
    questions = read_questions(Path(path))
    authority = Path(ca[0]) if ca else None
    asking = through_client(target, questions) if kind == "client" else through_stub(target, questions, authority)
    with asking as asks:
        print(json.dumps(ask(questions, asks, float(seconds), float(warm_up))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
