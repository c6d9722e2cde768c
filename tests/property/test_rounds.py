"""Answers that share work are the answers that would have been given alone: batches, lists, and whatever is remembered, as laws.

One engine remembers, another over the same store remembers nothing; clock, pulse and records move, and the two must always agree.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from entitlements.policy.ids import CustomerId
from entitlements.policy.model import Attribute, Customer, Feature, Instant, Ladder, OnTooStale, PlanVersion
from entitlements.runtime.clock import ManualClock
from entitlements.v1 import check_service_pb2 as pb
from entitlements.wire import codec
from entitlements.wire.errors import MalformedRecord
from entitlements.wire.literals import value_into
from tests.support.engines import Bench, Caller, make_bench
from tests.support.policy_strategies import ACME, NOW, SUITE, World, customers, values_for, worlds
from tests.support.signed_feed import SignedFeed, encoded

MONO = 10_000_000
EXPLAIN = (pb.EXPLAIN_LEVEL_UNSPECIFIED, pb.EXPLAIN_LEVEL_SUMMARY, pb.EXPLAIN_LEVEL_FULL)
STEPS = st.lists(st.sampled_from(("ask", "later", "later", "pulse", "customer", "elsewhere")), min_size=2, max_size=5)
LADDERS = st.builds(
    Ladder, st.sampled_from((500, 5_000)), st.sampled_from((2_000, 86_400_000)), st.sampled_from(OnTooStale)
)


def attribute(value: Attribute) -> pb.AttributeValue:
    """Return an attribute as it travels."""
    message = pb.AttributeValue()
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, Instant):
        message.timestamp_value.CopyFrom(Timestamp(seconds=value.ms // 1000, nanos=value.ms % 1000 * 1_000_000))
    else:
        message.list_value.values.extend(value)
        message.list_value.SetInParent()
    return message


@st.composite
def questions(draw: st.DrawFn, world: World) -> list[pb.CheckRequest]:
    """Return questions about one world: plain ones, ones with everything, bad ones; some of them twice."""
    asked: list[pb.CheckRequest] = []
    for _ in range(draw(st.integers(1, 6))):
        query = world.query
        one = pb.CheckRequest(
            customer_id=draw(st.sampled_from((ACME, ACME, ACME, "stranger", ""))),
            feature=draw(st.sampled_from(("main", "main", "needed", "further", "unknown", "x" * 200))),
            product=draw(st.sampled_from(("", "", SUITE, "elsewhere"))),
        )
        if draw(st.booleans()):
            one.subject_id = query.subject_id
            for name, value in query.attributes.items():
                if not name.startswith("customer."):
                    one.attributes[name].CopyFrom(attribute(value))
            one.explain = draw(st.sampled_from(EXPLAIN))
            if query.requested_value is not None:
                value_into(one.requested_value, query.requested_value)
            if draw(st.integers(0, 4)) == 0:
                one.as_of.FromMilliseconds(NOW + draw(st.integers(-3_000, 3_000)))
        asked.append(one)
    return [*asked, asked[0]]


def alone(bench: Bench, question: pb.CheckRequest, index: int) -> pb.BatchCheckItem:
    """Ask one question in a batch of its own to an engine that remembers nothing; the place of an error is the one it had before."""
    request = pb.BatchCheckRequest(items=[question]).SerializeToString()
    item = pb.BatchCheckResponse.FromString(bench.several.batch(request, Caller())).items[0]
    if item.HasField("error"):
        item.error.field = item.error.field.replace("items[0]", f"items[{index}]")
        item.error.message = item.error.message.replace("items[0]", f"items[{index}]")
        return item
    item.decision.decision_id = ""
    single = bench.ask(question.SerializeToString())
    single.decision_id = ""
    assert single == item.decision
    return item


def without_ids(response: pb.BatchCheckResponse) -> list[pb.BatchCheckItem]:
    """Return the items without what differs in each answer; ids are told apart first."""
    ids = [item.decision.decision_id for item in response.items if item.HasField("decision")]
    assert len(set(ids)) == len(ids)
    for item in response.items:
        if item.HasField("decision"):
            item.decision.decision_id = ""
    return list(response.items)


class Pair:
    """A store, an engine that remembers and one that does not, and what moves them."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW, MONO)
        self.feed = SignedFeed(SUITE)
        records: list[Feature | PlanVersion | Customer] = [*world.features, *world.plans, world.customer]
        self.feed.write(folder, encoded(records), age_ms=None)
        self._pulse()
        self.remembering = make_bench(folder, [SUITE], self.clock, entries=100)
        self.fresh = make_bench(folder, [SUITE], self.clock, entries=0)
        self.fresh.engine.shelves = self.remembering.engine.shelves  # LMDB opens a file once in a process

    def move(self, step: str, amount: int, customer: Customer) -> None:
        """Let something happen."""
        if step == "later":
            self.clock.advance(amount)
        elif step == "pulse":
            self.close()
            self._pulse()
        elif step == "customer":
            self._change(customer)
        elif step == "elsewhere":
            self._change(replace(customer, id=CustomerId("somebody")))

    def _change(self, customer: Customer) -> None:
        self.close()
        with self.feed.writer(self.folder) as writer:
            self.feed.change(writer, {codec.record_key(customer): codec.record_to_bytes(customer)})

    def _pulse(self) -> None:
        with self.feed.writer(self.folder) as writer:
            writer.pulse(self.clock.now_ms(), self.clock.now_ms(), self.clock.monotonic_ms())

    def close(self) -> None:
        """Close the store for reading."""
        if hasattr(self, "remembering"):
            self.remembering.engine.shelves[SUITE].reader.close()


def ask_both(pair: Pair, asked: list[pb.CheckRequest]) -> None:
    """Ask a batch, single questions and a list of the engine that remembers, and hold all against the one that does not."""
    batch = pb.BatchCheckRequest(items=asked).SerializeToString()
    expected = [alone(pair.fresh, question, index) for index, question in enumerate(asked)]
    answered = pb.BatchCheckResponse.FromString(pair.remembering.several.batch(batch, Caller()))
    assert without_ids(answered) == expected
    for question, item in zip(asked, expected, strict=True):
        if item.HasField("decision"):
            single = pair.remembering.ask(question.SerializeToString())
            single.decision_id = ""
            assert single == item.decision
    for allowed_only in (False, True):
        listing = pb.ListEntitlementsRequest(customer_id=ACME, allowed_only=allowed_only)
        listed = pb.ListEntitlementsResponse.FromString(
            pair.remembering.several.list(listing.SerializeToString(), Caller())
        )
        each = [pair.fresh.check(customer_id=ACME, feature=feature) for feature in ("further", "main", "needed")]
        for one in [*listed.entitlements, *each]:
            one.decision_id = ""
        assert list(listed.entitlements) == [one for one in each if one.allowed or not allowed_only]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data(), worlds(), LADDERS, STEPS)
def test_what_is_shared_or_remembered_is_what_would_be_decided_alone(
    data: st.DataObject, world: World, ladder: Ladder, steps: list[str]
) -> None:
    """In a batch, in a list, again, later, after a heartbeat, after a change of what was read and of what was not."""
    world = replace(world, features=(replace(world.main, ladder=ladder), *world.features[1:]))
    asked = data.draw(questions(world))
    others = data.draw(customers(values_for(world.main.value_type)))
    try:
        encoded([*world.features, *world.plans, world.customer, others])
    except MalformedRecord:
        assume(False)
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder), world)
        ask_both(pair, asked)
        for step in steps:
            pair.move(step, data.draw(st.sampled_from((1, 499, 1_000, 2_000, 6_000))), others)
            ask_both(pair, asked)
        assert pair.remembering.failures == pair.fresh.failures == []
        pair.close()
