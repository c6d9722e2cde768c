"""A serving process asked over gRPC: bad input, limits, versions, batches, lists, damage, foreign clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from benchmarks import world
from entitlements.store.writer import StoreWriter
from entitlements.v1 import check_service_pb2, decision_pb2
from tests.support.processes import ServingProcess, wait_until
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.worlds import damage_records

CALL_S = 10
CUSTOMERS = 10
METHODS = ("Check", "BatchCheck", "ListEntitlements")


@pytest.fixture(scope="module")
def feed() -> SignedFeed:
    """The feed whose store the process serves."""
    return SignedFeed(world.PRODUCT)


@pytest.fixture(scope="module")
def serving(feed: SignedFeed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """A serving process over twenty features and ten customers."""
    folder = tmp_path_factory.mktemp("s")
    feed.write(folder / "store", dict(world.bodies(CUSTOMERS, now_ms())))
    with ServingProcess(folder, world.PRODUCT, feed.root_hex) as running:
        yield running


@pytest.fixture(scope="module")
def writer(serving: ServingProcess, feed: SignedFeed) -> Iterator[StoreWriter]:
    """The store's writer, as a main process holds it."""
    with feed.writer(serving.store) as opened:
        yield opened


@pytest.fixture
def stub(serving: ServingProcess) -> Iterator[Any]:
    """A client on the unix socket."""
    with serving.stub() as made:
        yield made


def question(number: int = 1, feature: int = 1, **more: Any) -> check_service_pb2.CheckRequest:
    """Return a question about a customer and a feature by their numbers."""
    return check_service_pb2.CheckRequest(
        customer_id=f"customer-{number:07d}", feature=f"feature-{feature:02d}", **more
    )


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    """Return status, closed reason and field of a refusal."""
    trailing: Any = error.trailing_metadata()
    status = status_pb2.Status.FromString(dict(trailing)["grpc-status-details-bin"])
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    code: Any = error.code()
    return code, info.reason, bad.field_violations[0].field


NOT_UTF8 = b"\x0a\x02\xc3\x28"
"""A text that is none; in a batch, a question of two bytes that is none."""
GARBAGE = [
    (method, raw)
    for method in METHODS
    for raw in (b"\xff\xff\xff", NOT_UTF8, b"\x0a\x80\x80\x80\x80\x10")
    if (method, raw) != ("BatchCheck", NOT_UTF8)
]


@pytest.mark.parametrize("method, raw", GARBAGE)
def test_garbage_bytes_are_the_callers_bug(serving: ServingProcess, method: str, raw: bytes) -> None:
    """Broken wire format, broken UTF-8 and broken lengths get INVALID_ARGUMENT with a reason, never INTERNAL."""
    opened: Any = grpc.insecure_channel(f"127.0.0.1:{serving.facts['port']}")
    with opened as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/entitlements.v1.CheckService/{method}")(raw, timeout=CALL_S)
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED", "")


def test_garbage_inside_a_batch_fails_alone(serving: ServingProcess) -> None:
    """A question that cannot be parsed is its item's error (G1)."""
    opened: Any = grpc.insecure_channel(f"127.0.0.1:{serving.facts['port']}")
    with opened as channel:
        raw = channel.unary_unary("/entitlements.v1.CheckService/BatchCheck")(NOT_UTF8, timeout=CALL_S)
    error = check_service_pb2.BatchCheckResponse.FromString(raw).items[0].error
    assert (error.status, error.reason, error.field) == (3, "MALFORMED", "items[0]")


@pytest.mark.parametrize(
    "request_, field, reason",
    [
        (check_service_pb2.CheckRequest(feature="f"), "customer_id", "FIELD_REQUIRED"),
        (question(product="other"), "product", "PRODUCT_NOT_SERVED"),
        (question(quantity=-1), "quantity", "FIELD_INVALID"),
        (question(explain=9), "explain", "FIELD_INVALID"),
        (question(min_version="yesterday"), "min_version", "FIELD_INVALID"),
    ],
    ids=lambda part: str(part)[:20] if isinstance(part, str) else "",
)
def test_bad_field_is_named(stub: Any, request_: check_service_pb2.CheckRequest, field: str, reason: str) -> None:
    """With the closed reason that a program can act on."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(request_, timeout=CALL_S)
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)


def test_check_beyond_64_kib_is_resource_exhausted(stub: Any) -> None:
    """The limit of Check is smaller than the listener's."""
    big = question(subject_id="x" * 70_000)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(big, timeout=CALL_S)
    assert refusal(caught.value)[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")


def test_batch_keeps_order_and_lets_a_bad_item_fail_alone(stub: Any) -> None:
    """Duplicates and errors in place, one version for all, an id of its own for each."""
    items = [question(1, 1), check_service_pb2.CheckRequest(feature="f"), question(2, 2), question(1, 1)]
    reply = stub.BatchCheck(check_service_pb2.BatchCheckRequest(items=items), timeout=CALL_S)
    assert [item.WhichOneof("result") for item in reply.items] == ["decision", "error", "decision", "decision"]
    assert reply.items[1].error.field == "items[1].customer_id"
    decisions = [item.decision for item in reply.items if item.HasField("decision")]
    assert [decision.feature for decision in decisions] == ["feature-01", "feature-02", "feature-01"]
    assert len({(one.freshness.epoch, one.freshness.seq) for one in decisions}) == 1
    assert len({one.decision_id for one in decisions}) == 3


@pytest.mark.parametrize("count, reason", [(0, "FIELD_REQUIRED"), (501, "TOO_MANY_ITEMS"), (10_000, "TOO_MANY_ITEMS")])
def test_batch_of_a_wrong_size_is_refused(stub: Any, count: int, reason: str) -> None:
    """Empty and too large ones, before any work is done."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.BatchCheck(check_service_pb2.BatchCheckRequest(items=[question()] * count), timeout=CALL_S)
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, reason, "items")


def test_list_pages_through_every_feature_once(stub: Any) -> None:
    """In byte order, allowed and denied, the same answers as Check gives."""
    listed: list[check_service_pb2.CheckResponse] = []
    token, pages = "", 0
    while True:
        ask = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000000", page_size=7, page_token=token)
        reply = stub.ListEntitlements(ask, timeout=CALL_S)
        listed += reply.entitlements
        token, pages = reply.next_page_token, pages + 1
        if not token:
            break
    assert pages == 3
    assert [one.feature for one in listed] == [f"feature-{index:02d}" for index in range(world.FEATURES)]
    assert {one.allowed for one in listed} == {True, False}
    for index in (0, 3, 19):
        single = stub.Check(question(0, index), timeout=CALL_S)
        assert (single.allowed, single.code, single.value) == (
            listed[index].allowed,
            listed[index].code,
            listed[index].value,
        )


def test_list_filters_by_prefix_and_by_verdict(stub: Any) -> None:
    """And a token that belongs to another question is refused."""
    everything = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000000", feature_prefix="feature-1")
    reply = stub.ListEntitlements(everything, timeout=CALL_S)
    assert [one.feature for one in reply.entitlements] == [f"feature-1{digit}" for digit in range(10)]
    allowed = check_service_pb2.ListEntitlementsRequest(customer_id="customer-0000000", allowed_only=True, page_size=4)
    first = stub.ListEntitlements(allowed, timeout=CALL_S)
    assert [one.allowed for one in first.entitlements] == [True] * 4
    everything.page_token = first.next_page_token
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListEntitlements(everything, timeout=CALL_S)
    assert refusal(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", "page_token")


def test_change_is_seen_by_the_very_next_check(stub: Any, feed: SignedFeed, writer: StoreWriter) -> None:
    """A remembered answer is compared with the store's position each time: no delay, no invalidation message."""
    ask = question(1, 2)
    assert stub.Check(ask, timeout=CALL_S).allowed
    key = "c/customer-0000001"
    before = feed.bodies[key]
    feed.change(writer, {key: None})
    assert stub.Check(ask, timeout=CALL_S).code == decision_pb2.CODE_CUSTOMER_UNKNOWN
    feed.change(writer, {key: before})
    assert stub.Check(ask, timeout=CALL_S).allowed


def test_min_version_waits_for_the_write_and_is_answered_from_it(
    stub: Any, feed: SignedFeed, writer: StoreWriter
) -> None:
    """Read your own writes: the call is answered as soon as the store has reached the version."""
    key = "c/customer-0000003"
    body = feed.bodies[key]
    call = stub.Check.future(question(3, 2, min_version=f"{feed.epoch}-{feed.seq + 1}"), timeout=CALL_S)
    assert stub.Check(question(1, 2), timeout=CALL_S).allowed  # nobody else waits
    assert not call.done()
    position = feed.change(writer, {key: None})
    response = call.result(timeout=CALL_S)
    assert response.code == decision_pb2.CODE_CUSTOMER_UNKNOWN
    assert (response.freshness.epoch, response.freshness.seq) == position
    assert list(response.obligations) == []
    feed.change(writer, {key: body})


def test_min_version_that_does_not_come_is_told(stub: Any, feed: SignedFeed, writer: StoreWriter) -> None:
    """Within the caller's deadline, from what there is: STALE and VERSION_BEHIND, never an error."""
    feed.pulse(writer)
    response = stub.Check(question(1, 2, min_version=f"{feed.epoch}-{feed.seq + 100}"), timeout=0.5)
    assert response.allowed
    assert list(response.obligations) == [decision_pb2.OBLIGATION_VERSION_BEHIND]
    assert response.freshness.state == decision_pb2.FRESHNESS_STATE_STALE
    assert response.freshness.seq == feed.seq


def test_heartbeat_makes_it_live_and_age_grows_without_one(stub: Any, feed: SignedFeed, writer: StoreWriter) -> None:
    """The age is the reader's own computation; a pulse since the start makes the answer LIVE, for remembered answers too."""
    feed.pulse(writer)
    first = stub.Check(question(4, 2), timeout=CALL_S)
    assert first.served_from == decision_pb2.SERVED_FROM_LIVE
    assert first.freshness.state == decision_pb2.FRESHNESS_STATE_FRESH
    older = first.freshness.age_ms
    wait_until(lambda: stub.Check(question(4, 2), timeout=CALL_S).freshness.age_ms > older, CALL_S, "ageing")
    feed.pulse(writer, age_ms=60_000)
    stale = stub.Check(question(4, 2), timeout=CALL_S)
    assert stale.freshness.state == decision_pb2.FRESHNESS_STATE_STALE
    assert stale.freshness.age_ms >= 60_000
    feed.pulse(writer)


def test_forked_store_is_never_fresh(stub: Any, feed: SignedFeed, writer: StoreWriter) -> None:
    """Answers go on and say STALE, however young the heartbeat."""
    feed.pulse(writer)
    assert stub.Check(question(5, 2), timeout=CALL_S).freshness.state == decision_pb2.FRESHNESS_STATE_FRESH
    writer.set_forked(True)
    assert stub.Check(question(5, 2), timeout=CALL_S).freshness.state == decision_pb2.FRESHNESS_STATE_STALE
    writer.set_forked(False)
    assert stub.Check(question(5, 2), timeout=CALL_S).freshness.state == decision_pb2.FRESHNESS_STATE_FRESH


def test_damaged_record_is_answered_by_fallback_and_reported(tmp_path: Path) -> None:
    """Bit rot in one record: FALLBACK_DENY with INTERNAL beneath, counted; other customers are answered from records."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(tmp_path / "store", dict(world.bodies(CUSTOMERS, now_ms())))
    damage_records(feed.directory(tmp_path / "store"), "c/customer-0000001")
    with ServingProcess(tmp_path, world.PRODUCT, feed.root_hex) as running, running.stub() as stub:
        response = stub.Check(question(1, 2), timeout=CALL_S)
        assert response.code == decision_pb2.CODE_FALLBACK_DENY
        assert response.underlying_code == decision_pb2.CODE_INTERNAL
        with_fallback = question(1, 2, fallback=check_service_pb2.Fallback(allowed=True))
        allowed = stub.Check(with_fallback, timeout=CALL_S)
        assert allowed.code == decision_pb2.CODE_FALLBACK_ALLOW
        assert allowed.served_from == decision_pb2.SERVED_FROM_CALLER_FALLBACK
        assert stub.Check(question(2, 2), timeout=CALL_S).code == decision_pb2.CODE_ENTITLED
    assert "does not match its checksum" in running.log


def test_list_without_policy_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    """Which features exist is unknown then: no guess, and a hint when to ask again."""
    with ServingProcess(tmp_path, world.PRODUCT, "ab" * 32) as running, running.stub() as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListEntitlements(check_service_pb2.ListEntitlementsRequest(customer_id="c"), timeout=CALL_S)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "no policy of suite can be read" in str(caught.value.details())


def test_foreign_client_discovers_asks_and_reads_errors(serving: ServingProcess) -> None:
    """A client in another language, with nothing but the address: reflection, a call, a refusal with its details."""
    buf = Path(sys.executable).with_name("buf")
    url = f"http://127.0.0.1:{serving.facts['port']}/entitlements.v1.CheckService/Check"

    def curl(data: dict[str, object]) -> subprocess.CompletedProcess[str]:
        command = [str(buf), "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(data), url]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    answered = curl({"customerId": "customer-0000001", "feature": "feature-02"})
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["code"] == "CODE_ENTITLED"
    refused = curl({"feature": "feature-02"})
    assert refused.returncode != 0
    told = json.loads(refused.stderr)
    assert told["code"] == "invalid_argument"
    assert [detail["type"] for detail in told["details"]] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
