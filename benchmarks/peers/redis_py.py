"""Asks Redis from Python as an application would: redis-py with its C parser, one call after another. Runs in the peers' environment.

    python -m benchmarks.peers.redis_py ENDPOINT_KIND ADDRESS QUESTIONS LATENCIES SECONDS WARM_UP_SECONDS PROCESSOR

Takes a question file of RESP commands; prints one line of JSON and leaves the nanoseconds of every call in LATENCIES.
"""

from __future__ import annotations

import json
import os
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import cycle
from pathlib import Path
from typing import Any

import redis

from benchmarks.generators.question import Question, read_questions


def main(argv: list[str]) -> int:
    """Ask; the exit code tells nothing of verdicts, the printed line does."""
    kind, address, questions_path, latencies_path, seconds, warm_up, processor = argv
    os.sched_setaffinity(0, {int(processor)})
    questions = read_questions(Path(questions_path))
    host, _, port = address.rpartition(":")
    where: dict[str, Any] = {"unix_socket_path": address} if kind == "unix" else {"host": host, "port": int(port)}
    with redis.Redis(**where) as client:
        prepared = [(call_of(client, each.body), each) for each in questions]
        warm_calls = len(measure(prepared, float(warm_up))[0])
        latencies, took, wrong = measure(prepared, float(seconds))
    Path(latencies_path).write_bytes(latencies.tobytes())
    decisions = questions[0].decisions * len(latencies)
    versions = {name: metadata.version(name) for name in ("redis", "hiredis")}
    said = {"calls": len(latencies), "decisions": decisions, "all_calls": len(latencies) + warm_calls}
    print(json.dumps({**said, "seconds": took, "wrong": wrong, "versions": versions}))
    return 0


def call_of(client: redis.Redis, body: bytes) -> Callable[[], Any]:
    """Return the client's own method for a RESP command, with its arguments bound."""
    name, key, *fields = (word.decode() for word in words(body))
    if name == "HGET":
        return lambda: client.hget(key, fields[0])
    if name == "HMGET":
        return lambda: client.hmget(key, fields)
    raise ValueError(f"no caller for the command {name}")


def words(body: bytes) -> list[bytes]:
    """Return the words of one RESP command."""
    return body.split(b"\r\n")[2::2]


def resp(answer: bytes | Sequence[bytes]) -> bytes:
    """Return an answer as it came over the wire."""
    if isinstance(answer, bytes):
        return b"$%d\r\n%s\r\n" % (len(answer), answer)
    return b"*%d\r\n" % len(answer) + b"".join(resp(each) for each in answer)


def measure(prepared: Sequence[tuple[Callable[[], Any], Question]], seconds: float) -> tuple[array[int], float, int]:
    """Ask round for some seconds; return the nanoseconds of each call, the seconds it took, and answers that were not as expected."""
    latencies: array[int] = array("Q")
    wrong = 0
    clock = time.perf_counter_ns
    started = clock()
    end = started + int(seconds * 1e9)
    for call, question in cycle(prepared):
        before = clock()
        answer = call()
        after = clock()
        latencies.append(after - before)
        wrong += answer is None or any(resp(answer) != each.data for each in question.expectations)
        if after >= end:
            break
    return latencies, (clock() - started) / 1e9, wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
