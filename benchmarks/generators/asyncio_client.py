"""An open loop through `AsyncEntitlementClient`: what a service on asyncio sees at a stated rate, its own event loop's cost included.

asyncio wakes up to a millisecond late, which latency from the due instant holds and time from sending does not.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from benchmarks.generators.checking import is_met
from benchmarks.generators.generator import GeneratorFailed, Load, Outcome
from benchmarks.generators.latencies import Latencies
from benchmarks.generators.python_loop import as_bytes
from benchmarks.generators.question import Question
from benchmarks.subjects.our_questions import SERVICE
from benchmarks.subjects.subject import Endpoint
from entitlements.client import AsyncEntitlementClient, ReplyPolicy, SidecarUnavailable
from entitlements.v1 import check_service_pb2

DEADLINE_S: Final = 2.0
NANO: Final = 1_000_000_000


class AsyncioClient:
    """`python-asyncio`: single Checks at a rate, from one event loop in this process over one connection."""

    name = "python-asyncio"

    def missing(self) -> str | None:
        """Return None: Python is there."""
        return None

    def can(self, endpoint: Endpoint, load: Load) -> bool:
        """Return whether it is an open loop to a sidecar without TLS."""
        return endpoint.wire == "grpc" and endpoint.kind != "tls" and load.rate is not None

    def run(self, endpoint: Endpoint, questions: Sequence[Question], load: Load) -> Outcome:
        """Ask; GeneratorFailed for questions that are no single Checks."""
        if load.rate is None or any(each.path != f"{SERVICE}Check" for each in questions):
            raise GeneratorFailed("the asyncio client asks single Checks at a rate")
        return asyncio.run(_Asking(endpoint.grpc_target, questions, load, load.rate).run())


class _Asking:
    def __init__(self, target: str, questions: Sequence[Question], load: Load, rate: float) -> None:
        self._target = target
        self._load = load
        self._rate = rate
        self._questions = [(each, check_service_pb2.CheckRequest.FromString(each.body)) for each in questions]
        self._from_due: list[int] = []
        self._from_sent: list[int] = []
        self._errors: Counter[str] = Counter()
        self._decisions = self._wrong = self._asked = self._all = 0
        self._first_wrong = ""

    async def run(self) -> Outcome:
        load = self._load
        pending: set[asyncio.Task[None]] = set()
        turn = itertools.cycle(enumerate(self._questions))
        timeout_s = load.deadline_ms / 1000 or DEADLINE_S
        policy = ReplyPolicy(raise_unavailable=True)
        async with AsyncEntitlementClient(self._target, timeout_s=timeout_s, policy=policy) as client:
            due = began = time.perf_counter_ns()
            measured_from = began + int(load.warm_up_s * NANO)
            until = measured_from + int(load.seconds * NANO)
            while due < until:
                delay = due - time.perf_counter_ns()
                if delay > 0:
                    await asyncio.sleep(delay / NANO)
                number, (question, message) = next(turn)
                task = asyncio.create_task(self._ask(client, due, measured_from, number, question, message))
                pending.add(task)
                task.add_done_callback(pending.discard)
                due += int(NANO / self._rate * (random.expovariate(1) if load.poisson else 1))
            await asyncio.gather(*pending)
        return Outcome(
            seconds=load.seconds,
            calls=len(self._from_due),
            decisions=self._decisions,
            all_calls=self._all,
            wrong=self._wrong,
            errors=dict(self._errors),
            latencies=Latencies.of(self._from_due),
            from_sent=Latencies.of(self._from_sent),
            asked_per_second=self._asked / load.seconds,
            first_wrong=self._first_wrong,
        )

    async def _ask(
        self, client: AsyncEntitlementClient, due: int, measured_from: int, number: int, question: Question,
        message: check_service_pb2.CheckRequest,
    ) -> None:  # fmt: skip
        sent = time.perf_counter_ns()
        is_measured = due >= measured_from
        self._asked += is_measured
        try:
            answer = await client.check(message.customer_id, message.feature, product=message.product)
        except SidecarUnavailable as error:
            self._errors[error.status] += is_measured
            self._wrong += is_measured
            return
        finally:
            ended = time.perf_counter_ns()
            self._all += 1
        if is_measured:
            self._from_due.append(ended - due)
            self._from_sent.append(ended - sent)
            self._decisions += question.decisions
            seen = as_bytes(answer)
            if not is_met(question, seen):
                self._wrong += 1
                self._first_wrong = self._first_wrong or f"question {number} answered {seen[:256].hex()}"
