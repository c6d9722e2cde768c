"""Parts of the policy set for sidecars that hold a working set: proofs of customers, catalogues, and what Redis keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from control.api.feed import CUSTOMERS, FeedRefusal, FeedService
from control.publishing.key_files import KeyFiles
from control.publishing.proofs import DEPOSITS_AT_ONCE, WAITING
from entitlements.policy.digest import digest_of, sum_records
from entitlements.policy.ids import RecordKey, Seq
from entitlements.v1 import feed_service_pb2 as messages
from entitlements.wire import names, snapshot
from entitlements.wire.envelope import FeedCatalogue, FeedCustomer
from entitlements.wire.errors import FieldError
from tests.support.publishing import EPOCH, Office, Vendor, open_store
from tests.support.valkey import ValkeyServer, running_valkey

FEED = "suite"
CATALOGUE = {"f/seats": b"seats", "p/pro@1": b"pro"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a Redis of our own."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, server: ValkeyServer) -> Iterator[Office]:
    """Run one control plane with three customers and a catalogue of two records, published."""
    store = open_store(f"sqlite:///{tmp_path / 'control.db'}")
    KeyFiles(tmp_path / "keys").initialise()
    made = Office(store, tmp_path / "keys", server.url)
    vendor = Vendor(store, FEED)
    vendor.commit(3)
    put(made, **CATALOGUE)
    made.turn()
    made.turn()
    yield made
    made.close()
    store.engine.dispose()
    redis.Redis.from_url(server.url).flushall()


def put(office: Office, **records: bytes) -> None:
    """Commit records as one delta."""
    with office.store.begin("vendor") as uow:
        uow.lock(FEED)
        for key, body in records.items():
            uow.feeds.put(FEED, RecordKey(key), body)


def service(office: Office) -> FeedService:
    """Return the service without its wire."""
    return FeedService(office.side.sources, 4)


def proofs(office: Office, *customers: str) -> list[FeedCustomer]:
    """Ask for customers and return what verifies."""
    reply = service(office).get_customers(messages.GetCustomersRequest(feed=FEED, customers=customers))
    return [verified(office, envelope) for envelope in reply.envelopes]


def verified(office: Office, envelope: bytes) -> FeedCustomer:
    """Return the proof in an envelope."""
    proof = office.signer.ring.verify(envelope, FEED, office.clock.now_ms())
    assert isinstance(proof, FeedCustomer)
    return proof


def test_customers_are_proven_at_the_head_in_their_order(office: Office) -> None:
    """Present and absent, repeated, all at one position with its chain value."""
    before = proofs(office, "000002", "nobody", "000001", "000002")
    assert [(one.customer, one.body is None) for one in before] == [
        ("000002", False),
        ("nobody", True),
        ("000001", False),
        ("000002", False),
    ]
    head = office.log.head(FEED)
    assert head is not None
    at = head.position
    assert {(one.epoch, one.seq, one.chain, one.digest) for one in before} == {(EPOCH, at.seq, at.chain, head.digest)}
    put(office, **{"c/nobody": b"somebody"})
    after = proofs(office, "nobody")
    assert (after[0].body, after[0].seq) == (b"somebody", head.position.seq + 1)
    assert office.value("entitlements_customer_proofs_total", feed=FEED, outcome="absent") == 1


@pytest.mark.parametrize(
    "customers, field",
    [((), "customers"), (("x",) * (CUSTOMERS + 1), "customers"), (("good", " bad"), "customers[1]")],
    ids=["none", "many", "blank"],
)
def test_what_cannot_be_asked_names_its_field(office: Office, customers: tuple[str, ...], field: str) -> None:
    """Bounds and ids are checked before the database is."""
    with pytest.raises(FieldError) as caught:
        proofs(office, *customers)
    assert caught.value.field == field


def test_nobody_waits_behind_too_many_proofs(office: Office) -> None:
    """More calls than are made at once are sent away, and an unknown feed is one."""
    asked = service(office)
    request = messages.GetCustomersRequest(feed=FEED, customers=["000001"])
    held = asked._proofs
    while held.acquire(blocking=False):
        pass
    with pytest.raises(FeedRefusal) as caught:
        asked.get_customers(request)
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "PROOFS_BUSY")
    held.release()
    assert asked.get_customers(request).envelopes
    with pytest.raises(FeedRefusal, match="no feed"):
        asked.get_customers(messages.GetCustomersRequest(feed="nothing", customers=["a"]))
    assert held.acquire(blocking=False), "a refused call gave its place back"


def test_a_catalogue_holds_no_customers_and_has_a_digest_of_its_own(office: Office) -> None:
    """Its position is a position of the feed, so deltas lead on from it."""
    parts = list(service(office).get_snapshot(messages.GetSnapshotRequest(feed=FEED, catalogue_only=True)))
    catalogue = office.signer.ring.verify(parts[0].manifest, FEED, office.clock.now_ms())
    assert isinstance(catalogue, FeedCatalogue)
    records = [record for part in parts[1:] for record in snapshot.unpack(part.chunk)]
    assert dict(records) == CATALOGUE
    assert catalogue.part_digest == digest_of(sum_records(records))
    assert catalogue.record_count == len(records)
    head = office.log.head(FEED)
    assert head is not None
    assert (catalogue.seq, catalogue.chain, catalogue.digest) == (head.position.seq, head.position.chain, head.digest)


def test_a_catalogue_lies_in_redis_beside_the_snapshot(office: Office, server: ValkeyServer) -> None:
    """The head names it, and the log reaches back to it."""
    client: Any = redis.Redis.from_url(server.url)
    epoch, cat, low = client.hmget(names.head_key(FEED), "e", "cat", "min")
    assert int(epoch) == EPOCH
    manifest = client.get(names.catalogue_manifest_key(FEED, EPOCH, int(cat)))
    catalogue = office.signer.ring.verify(manifest, FEED, office.clock.now_ms())
    assert isinstance(catalogue, FeedCatalogue)
    assert catalogue.seq == int(cat) >= int(low) - 1
    chunk = client.get(names.catalogue_chunk_key(FEED, EPOCH, int(cat), 0))
    assert snapshot.chunk_hash(chunk) == catalogue.chunk_sha256[0]
    put(office, **{"f/later": b"later"})
    office.turn(15 * 60_000)
    assert int(client.hget(names.head_key(FEED), "cat")) == Seq(int(cat) + 1)


def test_a_catalogue_comes_back_after_redis_was_emptied(office: Office, server: ValkeyServer) -> None:
    """With the log and the snapshot, not with the next upkeep."""
    client: Any = redis.Redis.from_url(server.url)
    client.flushall()
    office.turn()
    office.turn()
    epoch, cat = client.hmget(names.head_key(FEED), "e", "cat")
    assert client.get(names.catalogue_manifest_key(FEED, int(epoch), int(cat))) is not None


def test_proofs_are_left_in_redis_but_no_absences(office: Office, server: ValkeyServer) -> None:
    """So other sidecars find them, they end by themselves, and strangers fill nothing."""
    client: Any = redis.Redis.from_url(server.url)
    (proof, _) = proofs(office, "000001", "nobody")
    office.side.proofs.deposit()
    left = client.get(names.customer_key(FEED, "000001"))
    assert verified(office, left) == proof
    assert 0 < client.ttl(names.customer_key(FEED, "000001")) <= 300
    assert client.get(names.customer_key(FEED, "nobody")) is None
    assert office.value("entitlements_customer_proofs_total", feed=FEED, outcome="deposited") == 1


def test_what_is_left_in_redis_is_bounded(office: Office) -> None:
    """A fleet that asks for everybody cannot fill it: few at once, and a short queue."""
    for _ in range(WAITING // CUSTOMERS + 1):
        proofs(office, *["000001"] * CUSTOMERS)
    office.side.proofs.deposit()
    assert f"[{WAITING - DEPOSITS_AT_ONCE} waiting]" in repr(office.side.proofs)


def test_redis_away_costs_nothing_but_the_copy(tmp_path: Path) -> None:
    """The answer was given before; what cannot be left is forgotten."""
    store = open_store(f"sqlite:///{tmp_path / 'control.db'}")
    KeyFiles(tmp_path / "keys").initialise()
    office = Office(store, tmp_path / "keys", "redis://127.0.0.1:1/0")
    Vendor(store, FEED).commit(1)
    assert [one.body is not None for one in proofs(office, "000001")] == [True]
    office.side.proofs.deposit()
    assert "[0 waiting]" in repr(office.side.proofs)
    assert office.value("entitlements_customer_proofs_total", feed=FEED, outcome="not_deposited") == 1
    office.close()
    store.engine.dispose()
