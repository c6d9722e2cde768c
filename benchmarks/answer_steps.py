"""The steps and the whole of one answer inside the engine, each as something that can be called many times: what `micro` times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import world
from benchmarks.bare_engine import (
    BOOT,
    CALLER,
    batch_request,
    engine_over,
    list_request,
    pulse,
    question,
    reader_of,
    request,
    write_store,
)
from entitlements.local.premises import premises_of
from entitlements.local.sitting import Sitting
from entitlements.policy.decide import decide
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import SystemClock
from entitlements.store.reader import StoreView
from entitlements.v1 import check_service_pb2
from entitlements.wire.requests import decode_check
from entitlements.wire.responses import encode_decision, encode_standing
from sidecar.serving.cache import Answer
from sidecar.serving.engine import Engine
from sidecar.serving.several import Several

CUSTOMERS: Final = 2_000
BATCH: Final = 100
PLENTY: Final = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to time: its path and name, the call, how many answers a call gives, how often it is called in a round.

    `before` is done ahead of every single call and not timed.
    """

    path: str
    name: str
    call: Callable[[], object]
    answers: int = 1
    times: int = 10_000
    before: Callable[[], object] | None = None


@contextmanager
def steps(store_dir: Path) -> Iterator[list[Step]]:
    """Return everything that is timed on a store of its own; only inside, because one step keeps a view open."""
    clock = SystemClock()
    write_store(store_dir, CUSTOMERS, clock)
    reader = reader_of(store_dir)
    remembering = engine_over(reader, PLENTY, clock)
    forgetful = engine_over(
        reader, 1, clock
    )  # pays for remembering and forgetting, as an engine does whose memory is full
    every = [request(number, number % world.FEATURES) for number in range(CUSTOMERS)]
    for engine in (remembering, forgetful):
        for one in every:
            engine.check(one, CALLER)
    with reader.view() as view:
        yield [*_whole(remembering, forgetful, every), *_parts(remembering, every, view)]
    reader.close()


def _whole(remembering: Engine, forgetful: Engine, every: list[bytes]) -> list[Step]:
    again, anew = itertools.cycle(every[:600]).__next__, itertools.cycle(every).__next__
    batches = [batch_request(range(start, start + BATCH)) for start in range(0, CUSTOMERS, BATCH)]
    lists = [list_request(number) for number in range(100)]
    batch_again, batch_anew = itertools.cycle(batches[:3]).__next__, itertools.cycle(batches).__next__
    list_again, list_anew = itertools.cycle(lists[:30]).__next__, itertools.cycle(lists).__next__
    recalled, decided = Several(remembering), Several(forgetful)
    return [
        Step("hit", "whole", lambda: remembering.check(again(), CALLER)),
        Step("miss", "whole", lambda: forgetful.check(anew(), CALLER), times=4_000),
        Step("batch, remembered", "whole", lambda: recalled.batch(batch_again(), CALLER), BATCH, 200),
        Step("batch, decided", "whole", lambda: decided.batch(batch_anew(), CALLER), BATCH, 40),
        Step("list, remembered", "whole", lambda: recalled.list(list_again(), CALLER), world.FEATURES, 500),
        Step("list, decided", "whole", lambda: decided.list(list_anew(), CALLER), world.FEATURES, 200),
    ]


def _parts(engine: Engine, every: list[bytes], view: StoreView) -> list[Step]:
    shelf, vantage, tally = engine.shelves[world.PRODUCT], engine.vantage, engine.tally
    hot, now = every[7], Millis(vantage.now_ms())
    query = decode_check(hot, world.PRODUCT, now, engine.shelves).query
    attributed = question(7, 7)
    attributed.attributes["region"].CopyFrom(check_service_pb2.AttributeValue(string_value="eu"))
    attributed.attributes["app_version"].CopyFrom(check_service_pb2.AttributeValue(int_value=9))
    with_attributes = attributed.SerializeToString()
    state = view.state()
    if state is None:
        raise LookupError("the store that was just written holds nothing")
    sitting = Sitting(shelf, view, state, vantage.moment(), engine.failed)
    outcome = sitting.decide(query)
    answer = engine.cache.get(hot)
    premises = premises_of(outcome, sitting, None)
    if answer is None or premises is None:
        raise LookupError("an answer that was just given is not remembered")
    body, count, known = encode_decision(outcome.decision, outcome.served_from), answer.count, answer.premises
    until = now + 4_321

    def look_up() -> None:
        with shelf.reader.view() as opened:
            records = Sitting(shelf, opened, opened.state(), vantage.moment(), engine.failed).records
            records.customer(query.customer_id)
            records.feature(query.feature)
            records.plan("pro@1")

    def tail() -> bytes:
        return body + encode_standing(1, state.epoch, state.seq, 432, until) + engine.next_id()

    return [
        Step("hit", "look up", lambda: vantage.standing(engine.cache.get(hot).premises)),  # type: ignore[union-attr]  # it is there
        Step("hit", "encode", tail),
        Step("hit", "metrics", lambda: tally.recalled(count, 4e-6, revalidated=False)),
        Step("miss", "parse", lambda: decode_check(hot, world.PRODUCT, now, engine.shelves)),
        Step("miss", "look up", look_up),
        Step("miss", "decide", lambda: decide(query, sitting.records, now)),
        Step("miss", "encode", lambda: (encode_decision(outcome.decision, outcome.served_from), tail())),
        Step(
            "miss",
            "remember",
            lambda: engine.cache.put(hot, Answer(body, premises_of(outcome, sitting, None) or known, count)),
        ),
        Step("miss", "metrics", lambda: tally.decided(tally.answers(outcome.decision.code, outcome.served_from), 9e-6)),
        Step(
            "extra", "parse two attributes", lambda: decode_check(with_attributes, world.PRODUCT, now, engine.shelves)
        ),
    ]


@contextmanager
def revalidations(store_dir: Path) -> Iterator[list[Step]]:
    """Return what is timed while the store moves; the writer is in this process, so its reader is another one."""
    clock = SystemClock()
    feed = write_store(store_dir, CUSTOMERS, clock)
    with feed.writer(store_dir, BOOT) as writer:
        engine = engine_over(writer.reader(), PLENTY, clock)
        hot = request(7, 7)
        engine.check(hot, CALLER)
        somebody = "c/customer-0000001"
        turn = itertools.cycle((None, feed.bodies[somebody])).__next__

        def move() -> None:
            feed.change(writer, {somebody: turn()})
            pulse(writer, clock)

        yield [
            Step("new heartbeat", "whole", lambda: engine.check(hot, CALLER), 1, 300, lambda: pulse(writer, clock)),
            Step("new position", "whole", lambda: engine.check(hot, CALLER), 1, 100, move),
        ]
