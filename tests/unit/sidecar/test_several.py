"""Batches and lists: one version of each product and one instant, versions waited for, fallbacks listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from benchmarks import world
from entitlements.policy.freshness import StaticFallback
from entitlements.runtime.clock import ManualClock
from entitlements.v1 import check_service_pb2, decision_pb2
from entitlements.wire.varint import field
from sidecar.serving.transports.seam import NotYet, Refused
from tests.support.engines import Bench, Caller, make_bench
from tests.support.signed_feed import SignedFeed

NOW = 1_790_000_000_000
MONO = 10_000_000


def bench(folder: Path, **options: Any) -> Bench:
    """Return an engine over two products: one with a store at seq 1, one without."""
    SignedFeed(world.PRODUCT).write(folder, dict(world.bodies(2, NOW)), age_ms=None)
    return make_bench(folder, [world.PRODUCT, "desk"], ManualClock(NOW, MONO), **options)


def item(**more: Any) -> check_service_pb2.CheckRequest:
    """Return a question."""
    return check_service_pb2.CheckRequest(customer_id="customer-0000001", feature="feature-02", **more)


def batch(made: Bench, *items: check_service_pb2.CheckRequest) -> check_service_pb2.BatchCheckResponse:
    """Ask a batch."""
    request = check_service_pb2.BatchCheckRequest(items=items).SerializeToString()
    return check_service_pb2.BatchCheckResponse.FromString(made.several.batch(request, Caller()))


def test_products_of_one_batch_are_answered_each_from_its_own_store(tmp_path: Path) -> None:
    """The one without a policy falls back, the other one decides, at the same instant."""
    reply = batch(bench(tmp_path), item(), item(product="desk"), item())
    codes = [one.decision.code for one in reply.items]
    assert codes == [decision_pb2.CODE_ENTITLED, decision_pb2.CODE_FALLBACK_DENY, decision_pb2.CODE_ENTITLED]
    assert reply.items[0].decision.valid_until == reply.items[2].decision.valid_until


def test_batch_waits_for_the_newest_version_that_an_item_wants(tmp_path: Path) -> None:
    """When it does not come, only the items that wanted it say so."""
    made = bench(tmp_path)
    epoch = SignedFeed(world.PRODUCT).epoch
    items = [item(min_version=f"{epoch}-1"), item(min_version=f"{epoch}-9"), item()]
    with pytest.raises(NotYet) as caught:
        batch(made, *items)
    assert not caught.value.ready()
    reply = check_service_pb2.BatchCheckResponse.FromString(caught.value.finish())
    behind = [list(one.decision.obligations) == [decision_pb2.OBLIGATION_VERSION_BEHIND] for one in reply.items]
    assert behind == [False, True, False]
    assert made.engine.tally.waiting == 0


def test_list_without_policy_shows_the_static_fallbacks(tmp_path: Path) -> None:
    """Sorted, filtered and paged as any list; without any it is UNAVAILABLE."""
    fallbacks = {"desk": {key: StaticFallback(key != "b") for key in ("c", "a", "b", "other")}}
    made = bench(tmp_path, fallbacks=fallbacks)

    def listed(**more: Any) -> check_service_pb2.ListEntitlementsResponse:
        request = check_service_pb2.ListEntitlementsRequest(customer_id="x", product="desk", **more)
        raw = made.several.list(request.SerializeToString(), Caller())
        return check_service_pb2.ListEntitlementsResponse.FromString(raw)

    assert [one.feature for one in listed().entitlements] == ["a", "b", "c", "other"]
    first = listed(page_size=2, allowed_only=True)
    assert [one.feature for one in first.entitlements] == ["a", "c"]
    second = listed(page_size=2, allowed_only=True, page_token=first.next_page_token)
    assert [one.feature for one in second.entitlements] == ["other"]
    assert second.next_page_token == ""
    assert [one.feature for one in listed(feature_prefix="o").entitlements] == ["other"]
    bare = make_bench(tmp_path, ["empty"], ManualClock(NOW, MONO))
    question = check_service_pb2.ListEntitlementsRequest(customer_id="x").SerializeToString()
    with pytest.raises(Refused) as caught:
        bare.several.list(question, Caller())
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE


def test_list_ends_without_a_token_when_the_last_page_is_full(tmp_path: Path) -> None:
    """No empty page follows the last feature."""
    made = bench(tmp_path)
    request = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000001", page_size=world.FEATURES)
    raw = made.several.list(request.SerializeToString(), Caller())
    reply = check_service_pb2.ListEntitlementsResponse.FromString(raw)
    assert len(reply.entitlements) == world.FEATURES
    assert reply.next_page_token == ""


def test_questions_of_a_batch_are_remembered_each_for_itself(tmp_path: Path) -> None:
    """A single Check, a batch and a plain list share what is remembered; what one question read is no concern of another."""
    made = bench(tmp_path)

    def looked_up() -> list[float]:
        name = "entitlements_decision_cache_total"
        return [made.counted(name, result=result) for result in ("hit", "revalidated", "miss")]

    mine = check_service_pb2.CheckRequest(customer_id="customer-0000000", feature="feature-02")
    batch(made, item(), mine, item())
    assert looked_up() == [0, 0, 3]  # the same question twice is looked up twice, before either is answered
    batch(made, item(), mine)
    made.ask(mine.SerializeToString())
    assert looked_up() == [3, 0, 3]
    listing = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000001").SerializeToString()
    for _ in range(2):
        made.several.list(listing, Caller())
    assert looked_up() == [3 + 1 + world.FEATURES, 0, 3 + world.FEATURES - 1]
    reads = [made.engine.cache.get(one.SerializeToString()) for one in (item(), mine)]
    customers = [{key for key in one.premises.reads if key.startswith("c/")} for one in reads if one is not None]
    assert customers == [{"c/customer-0000001"}, {"c/customer-0000000"}]
    assert made.counted("entitlements_check_duration_seconds_count", method="BatchCheck") == 2


def test_bytes_that_are_no_question_fail_alone(tmp_path: Path) -> None:
    """What cannot be parsed is that item's error, with its place."""
    made = bench(tmp_path)
    request = field(b"\x0a", item().SerializeToString()) + field(b"\x0a", b"\x0a\x05abc")
    reply = check_service_pb2.BatchCheckResponse.FromString(made.several.batch(request, Caller()))
    assert reply.items[0].decision.allowed
    assert (reply.items[1].error.field, reply.items[1].error.reason) == ("items[1]", "MALFORMED")
