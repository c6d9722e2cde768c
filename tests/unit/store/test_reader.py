"""The reader: one version for each view, whatever the writer does meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from entitlements.policy.digest import record_checksum
from entitlements.policy.ids import Epoch
from entitlements.store.errors import CorruptRecord, CorruptStore, NothingStored, StoreError
from entitlements.store.layout import META, RECORDS, SCHEMA_KEY, STATE_KEY
from entitlements.store.reader import StoreReader
from entitlements.store.setaside import set_aside
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

Opener = Callable[..., StoreWriter]
Committer = Callable[..., Callable[[int], int]]


def always_following(directory: Path) -> StoreReader:
    """Return a reader that looks for a replaced store at every view."""
    return StoreReader(directory, recheck_s=0)


@pytest.fixture
def commits_of(tmp_path: Path) -> Iterator[Committer]:
    """Return a function that starts a writing process and returns how to make it commit; the process ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(map_bytes: int = 1 << 24, records: int = 50, body_bytes: int = 100) -> Callable[[int], int]:
        script = Path(__file__).with_name("writing_process.py")
        arguments = [str(part) for part in (tmp_path, map_bytes, records, body_bytes)]
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)

        def commit(versions: int) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{versions}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        return commit

    yield start
    for process in running:
        process.communicate()
        assert process.returncode == 0


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """A reader may be there before the writer."""
    reader = always_following(tmp_path / "none")
    with reader.view() as view:
        assert view.state() is None
        assert view.get("c/acme") is None
        assert view.body_of("c/acme") is None
        assert view.version_of("c/acme") is None
        assert view.keys("") == []
    assert "No such file" in reader.trouble
    assert repr(reader) == "<StoreReader none [no store | 0 views]>"


def test_the_state_alone(writer: StoreWriter, tmp_path: Path) -> None:
    """The state can be asked for without a view; a damaged one is never handed out."""
    assert always_following(tmp_path / "none").state() is None
    reader = writer.reader()
    assert reader.state() == writer.state
    writer._file.transact(lambda txn: txn.put(STATE_KEY, b"x", db=writer._file.meta))
    with pytest.raises(CorruptStore):
        reader.state()
    assert "0 views" in repr(reader)


def test_records_and_keys(writer: StoreWriter, history: History) -> None:
    """Records come with the checksum that tells their versions apart; keys come in byte order, in pages."""
    history.delta({f"c/{name}": b"x" for name in ("a", "b", "ü", "a b")})
    writer.replace(history.snapshot(), history.manifest(), b"")
    with writer.reader().view() as view:
        assert view.get("c/acme") == (record_checksum("c/acme", b"customer"), b"customer")
        assert view.version_of("c/acme") == record_checksum("c/acme", b"customer")
        assert view.body_of("c/acme") == b"customer"
        assert view.get("c/" + "x" * 600) is None
        assert view.keys("c/") == ["c/a", "c/a b", "c/acme", "c/b", "c/ü"]
        assert view.keys("c/", after="c/a b", limit=2) == ["c/acme", "c/b"]
        assert view.keys("c/", after="c/a0") == ["c/acme", "c/b", "c/ü"]
        assert view.keys("c/", after="a") == view.keys("c/")
        assert view.keys("c/", after="f/") == []
        assert view.keys("c/", limit=0) == []
        assert view.keys("x") == []
        assert len(view.keys("")) == 7


def test_a_reader_follows_a_replaced_store(open_writer: Opener, history: History, tmp_path: Path) -> None:
    """A store that is set aside is gone for readers at once; the next one is taken up."""
    reader = always_following(tmp_path)
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"")
    writer.close()
    with reader.view() as view:
        assert view.body_of("c/acme") == b"customer"
        aside = set_aside(tmp_path, 1_800_000_000_123)
        assert view.body_of("c/acme") == b"customer", "a view lives on"
    assert aside.name == "store.bad-20270115T080000.123Z"
    with reader.view() as view:
        assert view.state() is None
    writer = open_writer()
    writer.replace([], replace(History().manifest(), epoch=Epoch(9)), b"")
    writer.close()
    with reader.view() as view:
        state = view.state()
        assert state is not None
        assert state.epoch == 9
        assert view.get("c/acme") is None
    reader.close()
    with reader.view() as view:
        assert view.state() == state, "a closed reader opens again"
    reader.close()


def test_how_often_a_reader_looks(open_writer: Opener, history: History, tmp_path: Path) -> None:
    """Between two looks the reader trusts what it has."""
    now = 0.0
    reader = StoreReader(tmp_path, recheck_s=5, monotonic=lambda: now)
    with reader.view() as view:
        assert view.state() is None
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"")
    writer.close()
    now = 4.9
    with reader.view() as view:
        assert view.state() is None
    now = 5.0
    with reader.view() as view:
        assert view.state() is not None
    reader.close()


def test_one_copy_is_kept_aside(open_writer: Opener, history: History, tmp_path: Path) -> None:
    """Setting aside twice keeps the younger copy; the floor stays; without a store there is nothing to set aside."""
    for now_ms in (1, 2):
        writer = open_writer()
        writer.replace(history.snapshot(), history.manifest(), b"")
        writer.sync()
        writer.raise_floor()
        writer.close()
        set_aside(tmp_path, now_ms)
    assert [path.name for path in tmp_path.glob("store.bad-*")] == ["store.bad-19700101T000000.002Z"]
    assert open_writer().floor.position == (5, 1)
    open_writer().close()
    set_aside(tmp_path, 3)
    with pytest.raises(NothingStored):
        set_aside(tmp_path, 4)


def test_bit_rot_is_found_where_it_is_read(writer: StoreWriter) -> None:
    """A record that does not match its checksum, and a state that does not match its own, are never handed out."""

    def damage(txn: object) -> None:
        for key, name in ((b"c/acme", RECORDS), (STATE_KEY, META)):
            database = writer._file.records if name == RECORDS else writer._file.meta
            value = bytearray(txn.get(key, db=database))  # type: ignore[attr-defined]
            value[-1] ^= 1
            txn.put(key, bytes(value), db=database)  # type: ignore[attr-defined]

    writer._file.transact(damage)
    with writer.reader().view() as view:
        with pytest.raises(CorruptRecord) as caught:
            view.body_of("c/acme")
        assert caught.value.key == "c/acme"
        with pytest.raises(CorruptStore, match="state"):
            view.state()
        assert view.body_of("f/exports") == b"feature"


def test_garbage_instead_of_a_store_is_no_store(tmp_path: Path) -> None:
    """The reader does not judge; it has nothing and says why."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"garbage" * 4096)
    reader = always_following(tmp_path)
    with reader.view() as view:
        assert view.state() is None
    assert reader.trouble


def test_another_process_sees_whole_versions_only(commits_of: Committer, tmp_path: Path) -> None:
    """While a writer replaces and applies as fast as it can, every view is one version, and versions only go forward."""
    commit = commits_of()
    commit(1)
    reader = always_following(tmp_path)
    with reader.view() as view:
        before = view.state()
        last = committed = 0
        finished: list[int] = []
        worker = Thread(target=lambda: finished.append(commit(300)))
        worker.start()
        while not finished:
            with reader.view() as inner:
                state = inner.state()
                assert state is not None
                bodies = {inner.body_of(f"c/{number:05}") for number in (0, 17, 49)}
                assert bodies == {f"{state.seq:04}".encode() * 25}
                assert state.seq >= last
                committed += state.seq > last
                last = state.seq
        worker.join()
        assert view.state() == before, "a view that was open all the time has not moved"
    assert finished == [301]
    assert committed > 1, "the reader saw several versions"
    with reader.view() as view:
        state = view.state()
        assert state is not None
        assert state[5:] == (1301, 2000, 3000, "boot-1", False)
    reader.close()


def test_a_reader_adopts_a_map_that_has_grown(commits_of: Committer, tmp_path: Path) -> None:
    """The writer outgrows the map that the reader has mapped; the next view sees the new version."""
    commit = commits_of(map_bytes=1 << 18, records=300, body_bytes=400)
    commit(1)
    reader = always_following(tmp_path)
    with reader.view() as view:
        mapped = view._transaction
        assert mapped is not None
    reader_map = reader._opened
    assert reader_map is not None
    small = reader_map.environment.info()["map_size"]
    assert commit(30) == 31
    with reader.view() as view:
        assert view.body_of("c/00299") == b"0031" * 100
    assert reader_map.environment.info()["map_size"] > small
    reader.close()


def test_store_of_another_schema_is_not_read(open_writer: Opener, history: History, tmp_path: Path) -> None:
    """A reader of another version of this library sees no store, and says why."""
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"")
    writer._file.transact(lambda txn: txn.put(SCHEMA_KEY, (9).to_bytes(4, "big"), db=writer._file.meta))
    writer.close()
    reader = always_following(tmp_path)
    with reader.view() as view:
        assert view.state() is None
    assert "schema major 9" in reader.trouble


def test_a_reader_that_let_go_survives_a_fork_in_parent_and_child(
    open_writer: Opener, history: History, tmp_path: Path
) -> None:
    """Nothing of LMDB crosses the fork: both open the store anew, and the child's end takes nothing from the parent."""
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"")
    writer.close()
    reader = always_following(tmp_path)
    with reader.view() as first, reader.view() as second:
        assert first.body_of("c/acme") == second.body_of("c/acme") == b"customer"
    reader.let_go()
    child = os.fork()
    reader.take_up()
    if child == 0:
        with reader.view() as view:
            right = view.body_of("c/acme") == b"customer"
        reader.close()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with reader.view() as first, reader.view() as second:
        assert first.body_of("c/acme") == second.body_of("c/acme") == b"customer"
    reader.close()


def test_a_reader_does_not_let_go_of_what_this_thread_is_using(
    writer: StoreWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler that forks in the middle of a view, or of opening the store: a refusal, not a deadlock; then all is as before."""
    monkeypatch.setattr("entitlements.store.reader._PATIENCE", 10)
    reader = writer.reader()
    with reader.view(), pytest.raises(StoreError, match="has been open"):
        reader.let_go()
    with reader._lock, pytest.raises(StoreError, match="is being opened"):
        reader.let_go()
    with reader.view() as view:
        assert view.body_of("c/acme") == b"customer"


def test_views_of_other_threads_wait_while_a_reader_has_let_go(
    open_writer: Opener, history: History, tmp_path: Path
) -> None:
    """A view that is open is waited for; one that is wanted meanwhile comes afterwards, and sees the store."""
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"")
    writer.close()
    reader = always_following(tmp_path)
    seen: list[bytes | None] = []

    def look() -> None:
        with reader.view() as view:
            seen.append(view.body_of("c/acme"))

    reader.state()
    reader.let_go()
    others = [Thread(target=look) for _ in range(4)]
    for other in others:
        other.start()
    assert seen == []
    reader.take_up()
    for other in others:
        other.join()
    assert seen == [b"customer"] * 4
    reader.close()
