"""The publisher against a real Valkey: whatever happens, the log becomes the outbox again, under the same ids."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from control.domain.acknowledgement import SidecarAck
from control.domain.publishing import REEPOCH_EVERY_MS, SNAPSHOT_EVERY_MS
from control.publishing.epochs import begin_epoch
from control.publishing.key_files import KeyFiles
from control.publishing.publisher_feed import FeedPublisher
from control.publishing.redis_log import Answer, Entry
from control.publishing.snapshots import SnapshotError
from control.store import tables
from entitlements.policy import digest
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.wire import names
from entitlements.wire.envelope import (
    FeedDelta,
    FeedHeartbeat,
    FeedManifest,
    FeedNudge,
    KeyRole,
    Refusal,
    Refused,
    verify_page,
)
from entitlements.wire.snapshot import chunk_hash, unpack
from tests.support.publishing import EPOCH, START_MS, Office, Vendor, open_store
from tests.support.valkey import ValkeyServer, running_valkey

FEED = "suite"
OfficeMaker = Callable[..., Office]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run one Valkey for the module."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def valkey(server: ValkeyServer) -> Iterator[redis.Redis]:
    """Look at the server as a bystander; it starts empty."""
    client = redis.Redis.from_url(server.url)
    client.flushall()
    client.config_set("maxmemory-policy", "noeviction")
    yield client
    client.close()


@pytest.fixture
def make_office(server: ValkeyServer, valkey: redis.Redis, tmp_path: Path) -> Iterator[OfficeMaker]:
    """Make control planes on one database and one Valkey."""
    assert valkey.ping()
    store = open_store(f"sqlite:///{tmp_path / 'control.db'}")
    KeyFiles(tmp_path / "keys").initialise()
    made: list[Office] = []

    def make(redis_url: str | None = server.url) -> Office:
        made.append(Office(store, tmp_path / "keys", redis_url))
        return made[-1]

    yield make
    for office in made:
        office.close()
    store.engine.dispose()


@pytest.fixture
def office(make_office: OfficeMaker) -> Office:
    """Run one control plane."""
    return make_office()


@pytest.fixture
def vendor(office: Office) -> Vendor:
    """Sell things through it."""
    return Vendor(office.store)


def entries(valkey: redis.Redis, feed: str = FEED) -> dict[str, bytes]:
    """Return the log as id -> envelope."""
    found: Any = valkey.xrange(names.log_key(feed))
    return {entry.decode(): fields[b"d"] for entry, fields in found}


def ids(first: int, last: int, epoch: int = EPOCH) -> list[str]:
    """Return the stream ids of a run of deltas."""
    return [f"{epoch}-{seq}" for seq in range(first, last + 1)]


def head(valkey: redis.Redis, feed: str = FEED) -> dict[str, str]:
    """Return the head hash."""
    found: Any = valkey.hgetall(names.head_key(feed))
    return {name.decode(): value.decode() for name, value in found.items()}


def frames(valkey: redis.Redis, office: Office, act: Callable[[], object]) -> list[Any]:
    """Return the verified messages that a subscriber gets while `act` runs."""
    listener: Any = valkey.pubsub()  # type: ignore[no-untyped-call]
    listener.subscribe(names.channel(FEED))
    assert listener.get_message(timeout=5) is not None
    act()
    valkey.publish(names.channel(FEED), b"end")
    seen: list[Any] = []
    while (message := listener.get_message(timeout=5)) is not None and message["data"] != b"end":
        seen.append(office.signer.ring.verify(message["data"], FEED, office.clock.now_ms()))
    listener.close()
    return seen


def test_a_commit_is_in_the_log_and_on_the_channel(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """One announced commit: one entry under its id, one frame, both the same signed bytes."""
    office.turn()

    def sell() -> None:
        vendor.commit()
        office.publisher.announce([FEED])
        office.publisher.follow()

    (delta,) = frames(valkey, office, sell)
    assert isinstance(delta, FeedDelta)
    assert (delta.epoch, delta.seq) == (EPOCH, 1)
    stored = entries(valkey)
    assert list(stored) == ids(1, 1)
    assert office.signer.ring.verify(stored[f"{EPOCH}-1"], FEED, START_MS + 1_000) == delta
    assert head(valkey)["s"] == "1"
    assert office.value("entitlements_publish_latency_seconds_count", feed=FEED) == 1


def test_a_fresh_feed_has_a_head_a_key_set_and_an_empty_snapshot(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """Empty is a policy set too: a sidecar can load it and say CUSTOMER_UNKNOWN rather than POLICY_NOT_READY."""
    office.turn()
    at = office.log.head(vendor.feed)
    assert at is not None
    assert head(valkey) == {
        "e": str(EPOCH),
        "s": "0",
        "c": at.position.chain.hex(),
        "min": "1",
        "snap": "0",
        "cat": "0",
    }
    assert valkey.get(names.key_set_key(FEED)) == office.signer.key_set
    manifest: Any = valkey.get(names.snapshot_manifest_key(FEED, EPOCH, 0))
    message = office.signer.ring.verify(manifest, FEED, office.clock.now_ms())
    assert isinstance(message, FeedManifest)
    assert (message.record_count, message.chunk_sha256) == (0, ())


def test_a_large_delta_is_announced_by_a_nudge(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Over 8 KiB the channel carries a hint; the log has the whole."""
    office.turn()

    def sell() -> None:
        vendor.commit(size=20_000)
        office.publisher.announce([FEED])
        office.publisher.follow()

    (nudge,) = frames(valkey, office, sell)
    assert isinstance(nudge, FeedNudge)
    assert nudge.seq == 1
    assert len(entries(valkey)[f"{EPOCH}-1"]) > 20_000


def test_a_publisher_that_died_after_the_commit_is_caught_up_with(
    office: Office, vendor: Vendor, make_office: OfficeMaker, valkey: redis.Redis
) -> None:
    """What was committed and not published is published by the next process, before anything new."""
    vendor.commit(2)
    office.turn()
    vendor.commit(3)  # and the process dies here
    later = make_office()
    later.turn()
    assert list(entries(valkey)) == ids(1, 5)
    assert later.value("entitlements_outbox_lag_deltas", feed=FEED) == 0


def test_duplicates_gaps_and_older_epochs_are_refused_by_the_server(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """The script's answers; none of the refused calls changes the log."""
    vendor.commit(3)
    office.turn()
    before = entries(valkey), head(valkey)
    redis_log = office.redis
    assert redis_log is not None

    def send(epoch: int, seq: int) -> Answer:
        return redis_log.append(FEED, Epoch(epoch), [Entry(Seq(seq), bytes(32), b"late")], Seq(0), b"")[0]

    assert send(EPOCH, 3) is Answer.DUPLICATE
    assert send(EPOCH, 1) is Answer.DUPLICATE
    assert send(EPOCH, 5) is Answer.GAP
    assert send(EPOCH - 1, 4) is Answer.FENCED
    assert send(EPOCH + 1, 1) is Answer.OLDER_EPOCH
    assert redis_log.append("other", EPOCH, [Entry(Seq(1), bytes(32), b"x")], Seq(0), b"")[0] is Answer.NO_HEAD
    at = office.log.head(FEED)
    assert at is not None
    assert redis_log.reset(FEED, at.position, Seq(2)) is Answer.CHANGED
    assert (entries(valkey), head(valkey)) == before


def test_the_scripts_are_taught_again_to_a_server_that_forgot_them(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """A restarted server knows no scripts; nobody notices."""
    vendor.commit()
    office.turn()
    valkey.script_flush()
    vendor.commit()
    office.turn()
    assert list(entries(valkey)) == ids(1, 2)


def test_two_publishers_at_once_make_one_log(
    office: Office, vendor: Vendor, make_office: OfficeMaker, valkey: redis.Redis
) -> None:
    """Both publish everything, at the same time; each id is there once, with the same bytes whoever was first."""
    second = make_office()
    office.turn()
    second.turn()
    start = threading.Barrier(2)

    def publish(one: Office) -> None:
        start.wait()
        for _ in range(20):
            one.publisher.announce([FEED])
            one.publisher.follow()

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(publish, one) for one in (office, second)]
        for _ in range(60):
            vendor.commit()
        for each in running:
            each.result()
    office.turn()
    second.turn()
    assert list(entries(valkey)) == ids(1, 60)
    deltas = verify_page(list(entries(valkey).values()), FEED, office.signer.ring, None, office.clock.now_ms())
    assert [delta.seq for delta in deltas] == list(range(1, 61))
    published = sum(one.value("entitlements_deltas_published_total", feed=FEED) for one in (office, second))
    assert published == 60
    for one in (office, second):
        assert one.value("entitlements_reepochs_total", feed=FEED, witness="log") == 0


@pytest.mark.parametrize("disaster", ["flushall", "log deleted", "head deleted", "entries trimmed"])
def test_a_damaged_log_is_refilled_with_the_same_ids_and_bytes(
    office: Office, vendor: Vendor, valkey: redis.Redis, disaster: str
) -> None:
    """Same epoch, same ids, same bytes: a sidecar at the head notices nothing."""
    vendor.commit(20)
    office.turn()
    before = entries(valkey)
    if disaster == "flushall":
        valkey.flushall()
    elif disaster == "log deleted":
        valkey.delete(names.log_key(FEED))
    elif disaster == "head deleted":
        valkey.delete(names.head_key(FEED))
    else:
        valkey.xtrim(names.log_key(FEED), maxlen=5, approximate=False)
    office.turn()
    assert entries(valkey) == before
    assert head(valkey)["s"] == "20"
    assert valkey.get(names.key_set_key(FEED)) == office.signer.key_set
    office.turn()
    manifest: Any = valkey.get(names.snapshot_manifest_key(FEED, EPOCH, int(head(valkey)["snap"])))
    assert isinstance(office.signer.ring.verify(manifest, FEED, office.clock.now_ms()), FeedManifest)


def test_an_older_replica_is_brought_forward(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Head and log went back together, as after a fail-over: the same ids follow, nothing is started anew."""
    vendor.commit(10)
    office.turn()
    older: list[Any] = [valkey.dump(names.log_key(FEED)), valkey.dump(names.head_key(FEED))]
    vendor.commit(15)
    office.turn()
    before = entries(valkey)
    for key, dump in zip((names.log_key(FEED), names.head_key(FEED)), older, strict=True):
        valkey.restore(key, 0, dump, replace=True)
    assert head(valkey)["s"] == "10"
    resets = office.value("entitlements_log_resets_total", feed=FEED)
    office.turn()
    assert entries(valkey) == before
    assert office.value("entitlements_log_resets_total", feed=FEED) == resets


def test_a_new_epoch_starts_a_new_log_and_a_complete_snapshot(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """`entitlements feed re-epoch`: the records stay, the history starts again."""
    vendor.commit(4)
    office.turn()
    at = office.log.head(FEED)
    assert at is not None
    epoch = begin_epoch(office.log, at, EPOCH, "key:test", "drill", Millis(office.clock.now_ms()))
    assert epoch == START_MS // 1_000
    assert begin_epoch(office.log, at, EPOCH, "key:test", "drill", Millis(office.clock.now_ms())) is None
    vendor.commit(2)
    office.turn()
    assert list(entries(valkey)) == ids(1, 2, epoch)
    assert {name: head(valkey)[name] for name in ("e", "s", "snap")} == {"e": str(epoch), "s": "2", "snap": "2"}
    packed = office.shelf.newest(FEED)
    assert packed is not None
    assert packed.record_count == 6


def restore(office: Office, vendor: Vendor, keep: int) -> None:
    """Put the database back to an earlier position, as a restored backup does."""
    row, delta, record = tables.feed.c, tables.outbox.c, tables.record.c
    with vendor.store.engine.begin() as connection:
        connection.execute(sa.delete(tables.outbox).where(delta.feed == FEED, delta.seq > keep))
        connection.execute(sa.delete(tables.record).where(record.feed == FEED, record.key > f"c/{keep:06}"))
        kept = connection.execute(sa.select(record.key, record.body).where(record.feed == FEED)).all()
        chain = connection.execute(sa.select(delta.chain).where(delta.feed == FEED, delta.seq == keep)).scalar_one()
        total = digest.sum_records((key, body) for key, body in kept)
        connection.execute(
            sa.update(tables.feed)
            .where(row.product == FEED)
            .values(seq=keep, chain=chain, digest_sum=digest.sum_to_bytes(total))
        )
    vendor.goes_back_to(keep)
    assert office.log.head(FEED) is not None


@pytest.mark.parametrize("afterwards", [0, 2, 6, 9])
def test_a_forgotten_re_epoch_is_noticed_by_the_signed_log(
    office: Office, vendor: Vendor, make_office: OfficeMaker, valkey: redis.Redis, afterwards: int
) -> None:
    """The log is ahead of the restored database, or on another branch of it; our own signature proves it."""
    vendor.commit(10)
    office.turn()
    restore(office, vendor, 4)
    if afterwards:
        vendor.commit(afterwards, tag="other ")
    later = make_office()
    later.turn()
    later.turn()
    assert later.value("entitlements_reepochs_total", feed=FEED, witness="log") == 1
    epoch = int(head(valkey)["e"])
    assert epoch > EPOCH
    assert entries(valkey) == {}
    packed = later.shelf.newest(FEED)
    assert packed is not None
    assert (packed.at.epoch, packed.at.seq, packed.record_count) == (epoch, 0, 4 + afterwards)


def test_the_fast_path_never_joins_two_branches(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Restored under a running publisher, and already past the old head: the next delta fits by number only."""
    vendor.commit(10)
    office.turn()
    restore(office, vendor, 4)
    vendor.commit(7, tag="other ")

    def publish() -> None:
        office.publisher.announce([FEED])
        office.publisher.follow()

    told = frames(valkey, office, publish)
    assert [message for message in told if isinstance(message, FeedDelta)] == []
    office.turn()
    assert int(head(valkey)["e"]) > EPOCH


def ack(office: Office, seq: int, chain: bytes, epoch: int = EPOCH, state: str = "live") -> SidecarAck:
    """Return a report."""
    return SidecarAck(
        feed=FEED,
        sidecar_id="sidecar-1",
        boot_id="boot",
        epoch=Epoch(epoch),
        seq=Seq(seq),
        chain=chain,
        state=state,
        digest_ok=True,
        software="1",
        age_ms=Millis(10),
        acked_at_ms=Millis(office.clock.now_ms()),
    )


@pytest.mark.parametrize("with_redis", [True, False])
def test_a_forgotten_re_epoch_is_noticed_by_a_sidecar(
    office: Office, vendor: Vendor, make_office: OfficeMaker, valkey: redis.Redis, *, with_redis: bool
) -> None:
    """Redis is empty or away, but a sidecar has applied more than the database holds and says so."""
    vendor.commit(10)
    office.turn()
    lost = office.log.head(FEED)
    assert lost is not None
    restore(office, vendor, 4)
    valkey.flushall()
    later = make_office() if with_redis else make_office(None)
    later.desk.put(ack(later, 10, lost.position.chain))
    later.turn()
    later.turn()
    assert later.value("entitlements_reepochs_total", feed=FEED, witness="ack") == 1
    beat = later.heartbeats.newest(FEED)
    assert beat is not None
    assert beat.head.epoch > EPOCH
    with office.store.engine.connect() as connection:
        stored = connection.execute(sa.select(tables.sidecar_ack.c.sidecar_id, tables.sidecar_ack.c.seq)).all()
    assert [tuple(row) for row in stored] == [("sidecar-1", 10)]


def test_a_forked_sidecar_at_the_head_is_freed(office: Office, vendor: Vendor) -> None:
    """Shown a dead branch, it can only be freed by a new epoch, although its position equals the database's."""
    vendor.commit(3)
    office.turn()
    at = office.log.head(FEED)
    assert at is not None
    office.desk.put(ack(office, at.position.seq, at.position.chain, state="forked"))
    office.turn()
    office.turn()
    beat = office.heartbeats.newest(FEED)
    assert beat is not None
    assert beat.head.epoch > EPOCH


def test_epochs_begun_by_claims_are_one_an_hour(office: Office, vendor: Vendor) -> None:
    """A stolen sidecar key can make a control plane begin one epoch, not an endless row of snapshots."""
    vendor.commit(3)
    office.turn()
    for turn in range(4):
        at = office.log.head(FEED)
        assert at is not None
        office.desk.put(ack(office, 99, bytes(32), at.position.epoch))
        office.turn()
        assert office.value("entitlements_reepochs_total", feed=FEED, witness="ack") == 1, turn
    assert office.value("entitlements_publishing_held", feed=FEED, cause="reepoch_limit") == 1
    office.clock.advance(REEPOCH_EVERY_MS)
    at = office.log.head(FEED)
    assert at is not None
    office.desk.put(ack(office, 99, bytes(32), at.position.epoch))
    office.turn()
    assert office.value("entitlements_reepochs_total", feed=FEED, witness="ack") == 2
    assert office.value("entitlements_publishing_held", feed=FEED, cause="reepoch_limit") == 0


def test_a_forged_head_begins_no_epoch_and_stops_publishing(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """Whoever can write to Redis can write a head; without our signature it is a matter for a person."""
    vendor.commit(3)
    office.turn()
    valkey.hset(names.head_key(FEED), "s", "4")
    valkey.xadd(names.log_key(FEED), {"d": b"forged"}, id=f"{EPOCH}-4")
    before = entries(valkey)
    vendor.commit()
    assert frames(valkey, office, lambda: office.turn(1_000)) == []
    assert entries(valkey) == before
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 1
    at = office.log.head(FEED)
    assert at is not None
    assert at.position.epoch == EPOCH
    beat = office.heartbeats.newest(FEED)
    assert beat is not None
    assert beat.head.seq == 4  # sidecars follow over gRPC
    valkey.delete(names.head_key(FEED))  # the remedy that the log names
    office.turn()
    assert list(entries(valkey)) == ids(1, 4)
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 0


def test_rows_that_do_not_continue_one_another_are_never_published(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """A row that was edited past the unit of work would fork every sidecar."""
    vendor.commit(2)
    office.turn()
    vendor.commit(2)
    with office.store.engine.begin() as connection:
        connection.execute(sa.update(tables.outbox).where(tables.outbox.c.seq == 3).values(seq=33))
    office.turn()
    assert list(entries(valkey)) == ids(1, 2)
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 1


def test_heartbeats_say_the_databases_head_with_rising_time(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """One a second, also when the wall clock is set back; at most 30 s valid."""
    vendor.commit(2)
    office.turn()
    seen: list[FeedHeartbeat] = []

    def run() -> None:
        for _ in range(4):
            office.turn(500)
        office.clock.step_wall(-60_000)
        for _ in range(4):
            office.turn(500)

    office.clock.step_wall(60_000)
    seen = frames(valkey, office, run)
    assert [type(beat) for beat in seen] == [FeedHeartbeat] * 4
    at = office.log.head(FEED)
    assert at is not None
    assert {(beat.epoch, beat.seq, beat.chain, beat.digest) for beat in seen} == {
        (at.position.epoch, at.position.seq, at.position.chain, at.digest)
    }
    times = [beat.issued_at_ms for beat in seen]
    assert times == sorted(set(times))
    assert {beat.not_after_ms - beat.issued_at_ms for beat in seen} == {30_000}
    assert seen[0].min_replay_seq == 1


def test_without_redis_heartbeats_go_on_for_the_grpc_feed(
    make_office: OfficeMaker, vendor: Vendor, server: ValkeyServer, valkey: redis.Redis
) -> None:
    """Nobody answers at the address: heartbeats follow each second and each commit, the breaker opens."""
    away = make_office(server.url + ".nowhere")
    away.turn()
    vendor.commit()
    away.publisher.announce([FEED])
    away.publisher.follow()  # a commit is told at once, because sidecars poll now
    beat = away.heartbeats.newest(FEED)
    assert beat is not None
    assert beat.head.seq == 1
    for _ in range(4):
        away.turn(100)
    assert away.value("entitlements_breaker_state", dependency="redis") == 2
    assert away.value("entitlements_publisher_redis_errors_total") >= 1
    assert valkey.dbsize() == 0


def test_redis_back_again_is_filled(
    make_office: OfficeMaker, tmp_path: Path, vendor: Vendor, valkey: redis.Redis
) -> None:
    """Killed, and started again empty: the breaker lets a trial through, and the log is what it was."""
    assert valkey.ping()
    with running_valkey(tmp_path) as own:
        office = make_office(own.url)
        vendor.commit(5)
        office.turn()
        own.kill()
        vendor.commit(2)
        for _ in range(5):
            office.turn(100)
        assert office.value("entitlements_breaker_state", dependency="redis") == 2
        own.start()
        office.turn(2_000)
        office.turn()
        client = redis.Redis.from_url(own.url)
        assert list(entries(client)) == ids(1, 7)
        client.close()
        assert office.value("entitlements_breaker_state", dependency="redis") == 0


def test_a_server_that_may_evict_is_refused(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Half a log is worse than none; heartbeats go on over gRPC, and the metric tells."""
    valkey.config_set("maxmemory-policy", "allkeys-lru")
    vendor.commit()
    office.turn()
    assert valkey.dbsize() == 0
    assert office.value("entitlements_publishing_held", feed="", cause="eviction_policy") == 1
    assert "noeviction" in str(office.publisher.redis_problem)
    assert office.heartbeats.newest(FEED) is not None
    valkey.config_set("maxmemory-policy", "noeviction")
    office.turn()
    assert list(entries(valkey)) == ids(1, 1)
    assert office.value("entitlements_publishing_held", feed="", cause="eviction_policy") == 0


def test_a_snapshot_holds_every_record_of_its_position(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Manifest, chunks and digest agree, and the digest is the one that the delta at that position carries."""
    vendor.commit(300, size=5_000)
    office.turn()
    manifest: Any = valkey.get(names.snapshot_manifest_key(FEED, EPOCH, 300))
    message = office.signer.ring.verify(manifest, FEED, office.clock.now_ms())
    assert isinstance(message, FeedManifest)
    chunks: list[Any] = [
        valkey.get(names.snapshot_chunk_key(FEED, EPOCH, 300, index)) for index in range(len(message.chunk_sha256))
    ]
    assert len(chunks) > 1
    assert [chunk_hash(chunk) for chunk in chunks] == list(message.chunk_sha256)
    records = [record for chunk in chunks for record in unpack(chunk)]
    assert len(records) == message.record_count == 300
    assert digest.digest_of(digest.sum_records(records)) == message.digest
    last = office.signer.ring.verify(entries(valkey)[f"{EPOCH}-300"], FEED, office.clock.now_ms())
    assert isinstance(last, FeedDelta)
    assert (last.digest, last.chain) == (message.digest, message.chain)


def test_records_that_were_changed_behind_the_digest_make_no_snapshot(office: Office, vendor: Vendor) -> None:
    """A policy set that is not the one that was signed is never signed again."""
    vendor.commit(3)
    with office.store.engine.begin() as connection:
        connection.execute(sa.update(tables.record).where(tables.record.c.key == "c/000002").values(body=b"better"))
    with pytest.raises(SnapshotError, match="digest"):
        office.shelf.obtain(FEED)
    assert office.value("entitlements_snapshots_total", feed=FEED, outcome="digest_mismatch") == 1
    office.turn()  # the snapshotter says so and goes on
    assert office.shelf.newest(FEED) is None


def test_the_snapshot_before_stays_for_ten_minutes_and_the_log_behind_it(
    office: Office, vendor: Vendor, valkey: redis.Redis
) -> None:
    """Who is loading the older snapshot can finish, and go on from there."""
    vendor.commit(5)
    office.turn()
    vendor.commit(5)
    office.turn(SNAPSHOT_EVERY_MS)
    assert head(valkey)["snap"] == "10"
    assert 0 < int(valkey.ttl(names.snapshot_manifest_key(FEED, EPOCH, 5))) <= 600
    assert int(valkey.ttl(names.snapshot_manifest_key(FEED, EPOCH, 10))) > 80_000
    line = office.publisher.feed(FEED)
    assert isinstance(line, FeedPublisher)
    assert line.keep_from <= 6
    assert head(valkey)["min"] == "1"


def test_a_lost_snapshot_is_stored_again(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """The times to live are renewed each quarter of an hour, and what is missing then is put back."""
    vendor.commit(5)
    office.turn()
    name = names.snapshot_manifest_key(FEED, EPOCH, 5)
    valkey.expire(name, 2_000)
    office.turn(SNAPSHOT_EVERY_MS)
    assert int(valkey.ttl(name)) > 80_000
    valkey.delete(name)
    office.turn(SNAPSHOT_EVERY_MS)
    assert int(valkey.ttl(name)) > 80_000


def test_a_trim_never_promises_more_than_the_log_holds(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """`min` rises with the trim, in one step; the approximate trim may keep more, never less."""
    vendor.commit(400)
    office.turn()
    line = office.publisher.feed(FEED)
    assert line is not None
    line.keep_from = Seq(301)
    vendor.commit()
    office.turn()
    assert head(valkey)["min"] == "301"
    kept = [int(entry.split("-")[1]) for entry in entries(valkey)]
    assert kept == list(range(kept[0], 402))
    assert 1 < kept[0] <= 301
    office.turn()
    assert office.value("entitlements_log_resets_total", feed=FEED) == 1  # the first one, of the empty server


def test_the_outbox_is_kept_for_a_week_and_as_long_as_the_log(
    office: Office, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows go when they are older than seven days and the log does not hold them."""
    monkeypatch.setattr("control.publishing.snapshotter.LOG_KEEP_ENTRIES", 10)
    vendor.commit(50)
    office.turn()
    line = office.publisher.feed(FEED)
    assert line is not None
    line.keep_from = Seq(31)
    office.clock.advance(6 * 86_400_000)
    vendor.commit(5)
    office.turn()
    assert office.log.page(FEED, EPOCH, Seq(0), 1)[0].seq == 1
    line.keep_from = Seq(31)
    office.clock.advance(2 * 86_400_000)
    vendor.commit(5)
    office.turn()
    office.turn(SNAPSHOT_EVERY_MS)
    oldest = office.log.page(FEED, EPOCH, Seq(0), 1)[0].seq
    at = office.publisher.feed(FEED)
    assert at is not None
    assert at.log_state is not None
    assert 1 < oldest <= at.log_state.min_seq
    assert office.value("entitlements_outbox_trimmed_total", feed=FEED) == oldest - 1


def test_a_revoked_key_is_gone_from_the_refilled_log(
    office: Office, vendor: Vendor, make_office: OfficeMaker, valkey: redis.Redis
) -> None:
    """The drill for a stolen key: a new set without it, a new epoch, everything signed by the new key."""
    vendor.commit(2)
    office.turn()
    stolen = next(iter(entries(valkey).values()))
    KeyFiles(office.keys).rotate(KeyRole.POLICY, Millis(office.clock.now_ms()), Millis(0), revoke_old=True)
    assert office.signer.refresh()
    at = office.log.head(FEED)
    assert at is not None
    begin_epoch(office.log, at, EPOCH, "key:test", "stolen key", Millis(office.clock.now_ms()))
    vendor.commit()
    office.turn()
    assert valkey.get(names.key_set_key(FEED)) == make_office().signer.key_set
    with pytest.raises(Refused) as refused:
        office.signer.ring.verify(stolen, FEED, office.clock.now_ms())
    assert refused.value.reason is Refusal.REVOKED
    for envelope in entries(valkey).values():
        assert office.signer.ring.verify(envelope, FEED, office.clock.now_ms()).seq == 1


def test_the_thread_publishes_by_itself(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Announced or not, a commit reaches the log, and the thread ends when told to."""
    office.publisher.start()
    listener: Any = valkey.pubsub()  # type: ignore[no-untyped-call]
    listener.subscribe(names.channel(FEED))
    seen: set[int] = set()
    vendor.commit()
    office.publisher.announce([FEED])
    while 1 not in seen:
        message = listener.get_message(timeout=30)
        assert message is not None
        if message["type"] == "message":
            verified: Any = office.signer.ring.verify(message["data"], FEED, office.clock.now_ms())
            seen |= {verified.seq} if isinstance(verified, FeedDelta) else set()
    listener.close()
    assert office.publisher.alive
    office.publisher.stop()
    assert not office.publisher.alive


def test_a_foreign_head_holds_one_feed_and_no_other(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """What somebody else wrote under one product's name is that product's trouble."""
    other = Vendor(office.store, "insight")
    valkey.set(names.head_key(FEED), "not a hash")
    vendor.commit()
    other.commit()
    office.turn()
    assert list(entries(valkey, "insight")) == ids(1, 1)
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 1
    valkey.delete(names.head_key(FEED))
    office.turn()
    assert list(entries(valkey)) == ids(1, 1)
    valkey.hset(names.head_key(FEED), mapping={"e": "x", "s": "1", "c": "zz", "min": "1"})
    office.turn()
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 1


def test_a_row_that_cannot_be_read_holds_its_feed(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """A damaged outbox is said, not skipped: what follows it could not be applied anyway."""
    vendor.commit(2)
    office.turn()
    vendor.commit(2)
    with office.store.engine.begin() as connection:
        connection.execute(sa.update(tables.outbox).where(tables.outbox.c.seq == 3).values(body=b"\xff"))
    office.publisher.announce([FEED])
    office.publisher.follow()
    assert list(entries(valkey)) == ids(1, 2)
    assert office.value("entitlements_publishing_held", feed=FEED, cause="contradiction") == 1


def test_the_thread_outlives_a_database_that_is_away(office: Office, vendor: Vendor, valkey: redis.Redis) -> None:
    """Turns are lost and counted; when the database is back, so is the feed. A damaged key set changes nothing."""
    (office.keys / "keys.json").write_text("damaged")
    (office.keys / "key-set.bin").touch()
    with office.store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE feed RENAME TO away"))
    office.publisher.start()
    office.publisher.announce([FEED])
    until(lambda: office.value("entitlements_publisher_turns_lost_total", thread="publisher") > 0)
    with office.store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO feed"))
    vendor.commit()
    until(lambda: nudged(office) and list(entries(valkey)) == ids(1, 1))
    office.publisher.stop()


def nudged(office: Office) -> bool:
    """Let manual time pass for a running thread."""
    office.clock.advance(100)
    office.publisher.announce([FEED])
    return True


def until(true: Callable[[], bool]) -> None:
    """Wait for a predicate, in real time, at most ten seconds."""
    limit = time.monotonic() + 10
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)
