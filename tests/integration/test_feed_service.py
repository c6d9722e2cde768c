"""FeedService over a real socket: the same signed bytes as on Redis, for authenticated sidecars only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
import sqlalchemy as sa
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from control.api.auth import RefusedCredentialError
from control.api.credentials import Principal, Scope
from control.api.feed import FeedService
from control.api.feed_server import FeedServer
from control.publishing.key_files import KeyFiles
from control.store import tables
from entitlements.policy.ids import Millis, Seq
from entitlements.runtime.certificates import CertificateFiles
from entitlements.v1 import feed_service_pb2 as messages
from entitlements.v1.feed_service_pb2_grpc import FeedServiceStub
from entitlements.wire import names
from entitlements.wire.envelope import FeedHeartbeat, FeedManifest, verify_page
from entitlements.wire.snapshot import chunk_hash, unpack
from tests.support.certificates import certificate
from tests.support.publishing import EPOCH, START_MS, Office, Vendor, open_store
from tests.support.valkey import running_valkey

FEED = "suite"
SIDECAR = (("authorization", "Bearer sidecar"),)
READER = (("authorization", "Bearer reader"),)


def authenticate(header: str | None) -> Principal:
    """Know two keys."""
    scopes = {"Bearer sidecar": Scope.SIDECAR, "Bearer reader": Scope.READ}
    if header not in scopes:
        raise RefusedCredentialError("The API key is unknown")
    return Principal("kid", "a key", frozenset({scopes[header]}))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Run one control plane without Redis."""
    store = open_store(f"sqlite:///{tmp_path / 'control.db'}")
    KeyFiles(tmp_path / "keys").initialise()
    made = Office(store, tmp_path / "keys", None)
    yield made
    made.close()
    store.engine.dispose()


@pytest.fixture
def vendor(office: Office) -> Vendor:
    """Sell things through it."""
    return Vendor(office.store)


Dial = Callable[..., Any]


@pytest.fixture
def dial(office: Office, tmp_path: Path) -> Iterator[Dial]:
    """Serve the office's feed and return stubs for it."""
    servers: list[FeedServer] = []
    channels: list[grpc.Channel] = []

    def call(streams: int = 4) -> Any:
        sources = office.side.sources
        address = f"unix:{tmp_path / f'feed{len(servers)}.sock'}"
        servers.append(FeedServer(FeedService(sources, streams), authenticate, address, office.clock, office.meters))
        servers[-1].start()
        # Windows that do not grow, so that a stream nobody reads stays open whatever the machine's speed.
        channels.append(
            grpc.insecure_channel(address, [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)])
        )
        return FeedServiceStub(channels[-1])

    yield call
    for channel in channels:
        channel.close()
    for server in servers:
        server.stop(0)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, str]:
    """Return status, closed reason and message of a refused call."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    info = ErrorInfo()
    if details is not None:
        Status.FromString(details).details[0].Unpack(info)
    return error.code(), info.reason, error.details()


CALLS = [
    ("GetHeartbeat", messages.GetHeartbeatRequest(feed=FEED)),
    ("GetRange", messages.GetRangeRequest(feed=FEED, epoch=EPOCH)),
    ("GetKeySet", messages.GetKeySetRequest()),
    ("Ack", messages.AckRequest(feed=FEED)),
    ("GetSnapshot", messages.GetSnapshotRequest(feed=FEED)),
    ("GetCustomers", messages.GetCustomersRequest(feed=FEED, customers=["000001"])),
]


@pytest.mark.parametrize("method, request_", CALLS, ids=[name for name, _ in CALLS])
@pytest.mark.parametrize(
    "metadata, code",
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer wrong"),), grpc.StatusCode.UNAUTHENTICATED),
        (READER, grpc.StatusCode.PERMISSION_DENIED),
    ],
    ids=["no key", "unknown key", "no scope"],
)
def test_strangers_get_nothing(
    office: Office,
    vendor: Vendor,
    dial: Dial,
    method: str,
    request_: Any,
    metadata: tuple[tuple[str, str], ...],
    code: grpc.StatusCode,
) -> None:
    """Every call needs a key with the scope of sidecars, and is refused before its message is read."""
    vendor.commit()
    office.turn()

    def call() -> object:
        answer = getattr(dial(), method)(request_, metadata=metadata, timeout=10)
        return list(answer) if method == "GetSnapshot" else answer

    assert refusal(call)[0] is code
    assert office.desk.take() == []


def test_the_heartbeat_and_the_key_set_verify(office: Office, vendor: Vendor, dial: Dial) -> None:
    """A sidecar that follows over gRPC alone has everything that it needs to verify."""
    vendor.commit(3)
    office.turn()
    stub = dial()
    key_set = stub.GetKeySet(messages.GetKeySetRequest(), metadata=SIDECAR, timeout=10).key_set
    assert key_set == office.signer.key_set
    answer = stub.GetHeartbeat(messages.GetHeartbeatRequest(feed=FEED), metadata=SIDECAR, timeout=10)
    beat = office.signer.ring.verify(answer.envelope, FEED, office.clock.now_ms())
    assert isinstance(beat, FeedHeartbeat)
    assert (beat.epoch, beat.seq, beat.issued_at_ms) == (EPOCH, 3, START_MS + 500)


def test_ranges_are_the_bytes_that_redis_holds(office: Office, vendor: Vendor, dial: Dial, tmp_path: Path) -> None:
    """One history, two ways, byte for byte; and the same snapshot."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as server:
        beside = Office(office.store, office.keys, server.url)
        vendor.commit(30)
        beside.turn()
        client = redis.Redis.from_url(server.url)
        found: Any = client.xrange(names.log_key(FEED))
        logged = [fields[b"d"] for _, fields in found]
        client.close()
        beside.close()
    office.turn()
    stub = dial()
    first = stub.GetRange(
        messages.GetRangeRequest(feed=FEED, epoch=EPOCH, after_seq=0, limit=20), metadata=SIDECAR, timeout=10
    )
    rest = stub.GetRange(messages.GetRangeRequest(feed=FEED, epoch=EPOCH, after_seq=20), metadata=SIDECAR, timeout=10)
    assert [*first.envelopes, *rest.envelopes] == logged
    deltas = verify_page(logged, FEED, office.signer.ring, None, office.clock.now_ms())
    assert [delta.seq for delta in deltas] == list(range(1, 31))


def test_large_pages_are_cut_and_a_large_delta_is_a_page(office: Office, vendor: Vendor, dial: Dial) -> None:
    """A page ends once it is a megabyte, so neither side holds more than it must."""
    vendor.commit(5, size=400_000)
    office.turn()
    stub = dial()
    seqs: list[int] = []
    while len(seqs) < 5:
        request = messages.GetRangeRequest(feed=FEED, epoch=EPOCH, after_seq=len(seqs))
        page = stub.GetRange(request, metadata=SIDECAR, timeout=10)
        assert 1 <= len(page.envelopes) <= 3
        seqs += [office.signer.ring.verify(each, FEED, office.clock.now_ms()).seq for each in page.envelopes]
    assert seqs == [1, 2, 3, 4, 5]


def test_ranges_say_when_only_a_snapshot_leads_on(office: Office, vendor: Vendor, dial: Dial) -> None:
    """Another epoch, or deltas that are no longer kept: OUT_OF_RANGE. At or beyond the head: an empty page."""
    vendor.commit(10)
    office.log.trim(FEED, EPOCH, Seq(5), Millis(office.clock.now_ms() + 1), 100)
    office.turn()
    stub = dial()

    def ask(after: int, epoch: int = EPOCH) -> Any:
        request = messages.GetRangeRequest(feed=FEED, epoch=epoch, after_seq=after)
        return stub.GetRange(request, metadata=SIDECAR, timeout=10)

    assert refusal(lambda: ask(3))[:2] == (grpc.StatusCode.OUT_OF_RANGE, "NO_LONGER_KEPT")
    assert refusal(lambda: ask(4, EPOCH - 1))[:2] == (grpc.StatusCode.OUT_OF_RANGE, "OTHER_EPOCH")
    assert len(ask(4).envelopes) == 6
    assert list(ask(10).envelopes) == list(ask(99).envelopes) == []


def load(stub: Any) -> tuple[bytes, list[bytes]]:
    """Return manifest and chunks of a snapshot."""
    parts = list(stub.GetSnapshot(messages.GetSnapshotRequest(feed=FEED), metadata=SIDECAR, timeout=60))
    assert [part.WhichOneof("part") for part in parts] == ["manifest"] + ["chunk"] * (len(parts) - 1)
    return parts[0].manifest, [part.chunk for part in parts[1:]]


def test_a_snapshot_is_packed_once_for_everybody(office: Office, vendor: Vendor, dial: Dial) -> None:
    """Twenty sidecars at once: one packing, twenty times the same bytes."""
    vendor.commit(300, size=5_000)
    office.turn()
    stub = dial(streams=20)
    with ThreadPoolExecutor(20) as pool:
        loads = list(pool.map(lambda _: load(stub), range(20)))
    assert office.value("entitlements_snapshots_total", feed=FEED, outcome="packed") == 1
    assert all(each == loads[0] for each in loads)
    manifest = office.signer.ring.verify(loads[0][0], FEED, office.clock.now_ms())
    assert isinstance(manifest, FeedManifest)
    assert [chunk_hash(chunk) for chunk in loads[0][1]] == list(manifest.chunk_sha256)
    assert sum(len(unpack(chunk)) for chunk in loads[0][1]) == 300


def test_a_snapshot_is_of_the_head_unless_it_was_packed_just_now(office: Office, vendor: Vendor, dial: Dial) -> None:
    """A restarted fleet shares one; whoever comes later gets the newer position."""
    vendor.commit(2)
    office.turn()
    stub = dial()

    def seq() -> int:
        return office.signer.ring.verify(load(stub)[0], FEED, office.clock.now_ms()).seq

    assert seq() == 2
    vendor.commit()
    assert seq() == 2
    office.clock.advance(5_001)
    assert seq() == 3


def test_snapshots_never_occupy_every_thread(office: Office, vendor: Vendor, dial: Dial) -> None:
    """One stream too many is refused with a time to try again, and other calls go on."""
    vendor.commit(200, size=20_000)  # more than the flow-control windows hold, so an unread stream stays open
    office.turn()
    stub = dial(streams=1)
    unread = stub.GetSnapshot(messages.GetSnapshotRequest(feed=FEED), metadata=SIDECAR, timeout=60)
    assert next(unread).manifest
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.GetSnapshot(messages.GetSnapshotRequest(feed=FEED), metadata=SIDECAR, timeout=60))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    packed = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]).details
    retry = RetryInfo()
    assert packed[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1_000
    assert stub.GetKeySet(messages.GetKeySetRequest(), metadata=SIDECAR, timeout=10).key_set
    unread.cancel()


GOOD_ACK: dict[str, Any] = {
    "feed": FEED,
    "sidecar_id": "sidecar-1",
    "boot_id": "boot-1",
    "epoch": EPOCH,
    "seq": 2,
    "chain": bytes(32),
    "state": messages.FEED_STATE_LIVE,
    "digest_ok": True,
    "software": "0.1.0",
    "age_ms": 12,
}


def test_a_report_is_stored_with_the_next_turn(office: Office, vendor: Vendor, dial: Dial) -> None:
    """The newest of each sidecar counts; what was stored is what was said."""
    vendor.commit(2)
    office.turn()
    at = office.log.head(FEED)
    assert at is not None
    stub = dial()
    for seq, state in ((1, messages.FEED_STATE_BEHIND), (2, messages.FEED_STATE_LIVE)):
        report = GOOD_ACK | {"seq": seq, "state": state, "chain": at.position.chain if seq == 2 else b""}
        stub.Ack(messages.AckRequest(**report), metadata=SIDECAR, timeout=10)
    office.turn()
    row = tables.sidecar_ack.c
    with office.store.engine.connect() as connection:
        stored = connection.execute(
            sa.select(row.sidecar_id, row.boot_id, row.epoch, row.seq, row.state, row.digest_ok, row.age_ms)
        ).all()
    assert [tuple(one) for one in stored] == [("sidecar-1", "boot-1", EPOCH, 2, "live", True, 12)]
    assert at.position == office.log.head(FEED).position  # type: ignore[union-attr]  # the feed exists


@pytest.mark.parametrize(
    "field, value",
    [
        ("feed", ""),
        ("feed", "x" * 129),
        ("sidecar_id", ""),
        ("sidecar_id", " padded"),
        ("boot_id", "line\nbreak"),
        ("chain", b"short"),
        ("state", messages.FEED_STATE_UNSPECIFIED),
        ("state", 99),
        ("software", "x" * 300),
        ("epoch", 2**40),
        ("seq", 2**63),
    ],
)
def test_a_malformed_report_names_its_field(office: Office, vendor: Vendor, dial: Dial, field: str, value: Any) -> None:
    """INVALID_ARGUMENT, the field, and nothing kept."""
    vendor.commit(2)
    office.turn()
    stub = dial()
    request = messages.AckRequest(**(GOOD_ACK | {field: value}))
    code, reason, message = refusal(lambda: stub.Ack(request, metadata=SIDECAR, timeout=10))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert reason.startswith("FIELD_")
    assert message.startswith(field)
    assert office.desk.take() == []


def test_an_unknown_feed_is_not_found(office: Office, vendor: Vendor, dial: Dial) -> None:
    """Four calls name a feed; none makes one up."""
    vendor.commit()
    office.turn()
    stub = dial()
    asks = [
        lambda: stub.GetHeartbeat(messages.GetHeartbeatRequest(feed="nowhere"), metadata=SIDECAR, timeout=10),
        lambda: stub.GetRange(messages.GetRangeRequest(feed="nowhere", epoch=1), metadata=SIDECAR, timeout=10),
        lambda: list(stub.GetSnapshot(messages.GetSnapshotRequest(feed="nowhere"), metadata=SIDECAR, timeout=10)),
        lambda: stub.Ack(messages.AckRequest(**(GOOD_ACK | {"feed": "nowhere"})), metadata=SIDECAR, timeout=10),
    ]
    assert [refusal(ask)[:2] for ask in asks] == [(grpc.StatusCode.NOT_FOUND, "FEED_UNKNOWN")] * 4


def test_garbage_is_the_callers_mistake(office: Office, vendor: Vendor, tmp_path: Path, dial: Dial) -> None:
    """Bytes that are no message are INVALID_ARGUMENT, an oversized one RESOURCE_EXHAUSTED; the server lives on."""
    vendor.commit()
    office.turn()
    stub = dial()
    with grpc.insecure_channel(f"unix:{tmp_path / 'feed0.sock'}") as channel:
        raw: Any = channel.unary_unary("/entitlements.v1.FeedService/Ack")
        assert refusal(lambda: raw(b"\xff\xff\xff", metadata=SIDECAR, timeout=10))[:2] == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MALFORMED",
        )
        assert (
            refusal(lambda: raw(bytes(70_000), metadata=SIDECAR, timeout=10))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        )
    assert stub.GetKeySet(messages.GetKeySetRequest(), metadata=SIDECAR, timeout=10).key_set
    too_many = messages.GetRangeRequest(feed=FEED, epoch=EPOCH, limit=501)
    assert refusal(lambda: stub.GetRange(too_many, metadata=SIDECAR, timeout=10))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_database_that_is_away_is_unavailable(office: Office, vendor: Vendor, dial: Dial) -> None:
    """Ranges need the database; the newest heartbeat does not."""
    vendor.commit()
    office.turn()
    stub = dial()
    with office.store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE outbox RENAME TO away"))
    request = messages.GetRangeRequest(feed=FEED, epoch=EPOCH)
    assert refusal(lambda: stub.GetRange(request, metadata=SIDECAR, timeout=10))[:2] == (
        grpc.StatusCode.UNAVAILABLE,
        "DATABASE_AWAY",
    )
    assert stub.GetHeartbeat(messages.GetHeartbeatRequest(feed=FEED), metadata=SIDECAR, timeout=10).envelope
    assert office.value("entitlements_feed_calls_total", method="GetRange", status="UNAVAILABLE") == 1


def test_tls_takes_up_a_new_certificate_without_a_restart(office: Office, vendor: Vendor, tmp_path: Path) -> None:
    """A certificate that was replaced on disk is the one of the next handshake."""
    vendor.commit()
    office.turn()
    old, new = certificate(tmp_path, "old"), certificate(tmp_path, "new")
    sources = office.side.sources
    tls = CertificateFiles(tmp_path / "live.crt", tmp_path / "live.key", None)

    def install(pair: tuple[Path, Path]) -> None:
        tls.key.write_bytes(pair[1].read_bytes())
        tls.certificate.write_bytes(pair[0].read_bytes())

    def reach(authority: Path) -> bytes:
        credentials = grpc.ssl_channel_credentials(authority.read_bytes())
        with grpc.secure_channel(f"localhost:{server.port}", credentials) as channel:
            request = messages.GetKeySetRequest()
            answer: bytes = FeedServiceStub(channel).GetKeySet(request, metadata=SIDECAR, timeout=10).key_set
            return answer

    install(old)
    server = FeedServer(FeedService(sources, 1), authenticate, "localhost:0", office.clock, office.meters, tls=tls)
    server.start()
    try:
        assert reach(old[0]) == office.signer.key_set
        install(new)
        assert reach(new[0]) == office.signer.key_set
        assert refusal(lambda: reach(old[0]))[0] is grpc.StatusCode.UNAVAILABLE
    finally:
        server.stop(0)


def test_a_taken_address_is_a_clear_error(office: Office) -> None:
    """Two control planes on one port do not share it by accident."""
    sources = office.side.sources
    first = FeedServer(FeedService(sources, 1), authenticate, "127.0.0.1:0", office.clock, office.meters)
    with pytest.raises(OSError, match="cannot listen"):
        FeedServer(FeedService(sources, 1), authenticate, f"127.0.0.1:{first.port}", office.clock, office.meters)
    first.stop(0)
