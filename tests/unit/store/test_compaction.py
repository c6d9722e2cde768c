"""Compaction: a smaller file that says the same, under writes, readers and kills."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.store import compact_copy
from entitlements.store.compaction import PLACE, Compaction, remove_leftovers
from entitlements.store.errors import StoreUnwritable
from entitlements.store.reader import StoreReader
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.compacting_process import BODY_BYTES, PLACES, RECORDS
from tests.unit.store.history import History

Opener = Callable[..., StoreWriter]
PROCESS = Path(__file__).with_name("compacting_process.py")


def contents(writer: StoreWriter) -> dict[str, bytes]:
    """Return all records as a reader sees them, each verified."""
    with writer.reader().view() as view:
        return {key: view.body_of(key) or b"" for key in view.keys("", limit=1_000_000)}


@pytest.fixture
def grown(open_writer: Opener, history: History) -> StoreWriter:
    """Return a writer whose file holds a set and the free pages of an earlier one."""
    writer = open_writer()
    history.delta({f"c/{number:05}": b"x" * 200 for number in range(2_000)})
    for _ in range(3):
        writer.replace(history.snapshot(), history.manifest(), b"manifest envelope")
    return writer


@pytest.fixture
def compaction(grown: StoreWriter, tmp_path: Path) -> Iterator[Compaction]:
    """Return a compaction whose copy is made."""
    compaction = Compaction(grown.file, tmp_path)
    made = subprocess.run(compaction.begin(), stdout=subprocess.PIPE, check=True)
    assert json.loads(made.stdout)["records"] == 2_003
    yield compaction
    compaction.end()


def test_free_pages_are_given_back_and_nothing_else_changes(
    grown: StoreWriter, compaction: Compaction, history: History, tmp_path: Path
) -> None:
    """Records, state, sum, proof and key set are the same, and the writer goes on."""
    grown.put_key_set(b"key set", 3)
    before, said = grown.file.room(), (grown.state, grown.digest_sum, grown.last_envelope, grown.key_set)
    assert before.free_share > 0.4
    compaction.catch_up()
    assert compaction.swap()
    compaction.end()
    after = grown.file.room()
    assert after.file_bytes < 0.6 * before.file_bytes
    assert after.free_share < 0.1
    assert (tmp_path / "store" / "data.mdb").stat().st_size <= after.file_bytes
    assert not (tmp_path / PLACE).exists()
    assert (grown.state, grown.digest_sum, grown.last_envelope, grown.key_set) == said
    assert contents(grown) == history.records
    grown.apply([history.delta({"c/later": b"1"})], b"envelope")
    grown.sync()
    assert grown.raise_floor().position == (5, history.seq)
    assert contents(grown) == history.records
    assert verify_without(grown, tmp_path) == len(history.records)


def verify_without(writer: StoreWriter, directory: Path) -> int:
    """Close the writer, re-hash, and return how many records there are."""
    writer.close()
    return verify_digest(directory).count


def test_what_is_written_during_the_copy_is_in_it(
    grown: StoreWriter, compaction: Compaction, history: History, tmp_path: Path
) -> None:
    """Before the catching up, and between it and the swap; a transaction that was refused is not."""
    grown.apply([history.delta({"c/00001": None, "c/00002": b"new", "c/extra": b"1"})], b"one")
    grown.pulse(7, 8, 9)
    compaction.catch_up()
    grown.apply([history.delta({"c/00003": None, "c/00004": b"new", "c/more": b"2", "c/extra": None})], b"two")
    grown.pulse(17, 18, 19)
    grown.put_key_set(b"key set", 4)
    assert compaction.swap()
    assert contents(grown) == history.records
    assert grown.state is not None
    assert grown.state[5:8] == (17, 18, 19)
    assert (grown.last_envelope, grown.key_set) == (b"two", b"key set")
    assert verify_without(grown, tmp_path) == len(history.records)


def test_more_changes_than_fit_at_once_are_caught_up_first(
    grown: StoreWriter, compaction: Compaction, history: History, tmp_path: Path
) -> None:
    """The writer never waits for thousands of records."""
    compaction.catch_up()
    grown.apply([history.delta({f"c/{number:05}": b"y" for number in range(1_500)})], b"many")
    assert not compaction.swap()
    compaction.catch_up()
    assert compaction.swap()
    assert contents(grown) == history.records
    assert verify_without(grown, tmp_path) == len(history.records)


def test_floor_never_rises_above_what_the_copy_has_on_disk(
    grown: StoreWriter, compaction: Compaction, history: History
) -> None:
    """A sync of the store after that of the copy makes the copy catch up once more."""
    compaction.catch_up()
    grown.apply([history.delta({"c/later": b"1"})], b"envelope")
    grown.sync()
    grown.raise_floor()
    assert not compaction.swap()
    compaction.catch_up()
    assert compaction.swap()


def test_snapshot_meanwhile_makes_the_copy_void(grown: StoreWriter, compaction: Compaction, history: History) -> None:
    """What it replaced was copied in vain; the store is the snapshot's."""
    compaction.catch_up()
    history.delta({"c/00001": b"other"})
    grown.replace(history.snapshot(), history.manifest(), b"manifest envelope")
    with pytest.raises(StoreUnwritable, match="a snapshot has replaced what was copied"):
        compaction.swap()
    with pytest.raises(StoreUnwritable, match="a snapshot has replaced what was copied"):
        compaction.catch_up()
    compaction.end()
    assert contents(grown) == history.records
    grown.apply([history.delta({"c/later": b"1"})], b"envelope")
    assert contents(grown) == history.records


def test_swap_does_not_wait_for_a_write_of_another_thread(grown: StoreWriter, compaction: Compaction) -> None:
    """It says that it could not, at once."""
    compaction.catch_up()
    with grown.file.still() as quiet:
        assert quiet
        assert not compaction.swap()
    assert compaction.swap()


def test_file_system_that_cannot_exchange_leaves_everything_as_it_was(
    grown: StoreWriter, history: History, tmp_path: Path
) -> None:
    """The attempt fails in words, and the store is used on."""

    def refuse(one: Path, other: Path) -> None:
        raise OSError(22, "Invalid argument", str(one), None, str(other))

    compaction = Compaction(grown.file, tmp_path, refuse)
    subprocess.run(compaction.begin(), stdout=subprocess.DEVNULL, check=True)
    compaction.catch_up()
    with pytest.raises(StoreUnwritable, match=r"cannot take its place: .*Invalid argument"):
        compaction.swap()
    compaction.end()
    assert not (tmp_path / PLACE).exists()
    grown.apply([history.delta({"c/later": b"1"})], b"envelope")
    assert contents(grown) == history.records


def test_damaged_store_is_not_copied(grown: StoreWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy is re-hashed: what does not add up never takes the store's place."""
    grown.close()
    data = tmp_path / "store" / "data.mdb"
    data.write_bytes(data.read_bytes().replace(b"x" * 100, b"x" * 99 + b"y"))
    assert compact_copy.main(["--store", str(tmp_path), "--into", str(tmp_path / PLACE)]) == compact_copy.FAILED
    assert "CorruptRecord" in json.loads(capsys.readouterr().out)["problem"]


def test_readers_see_one_version_while_the_file_is_exchanged(tmp_path: Path) -> None:
    """Several readers in another process than the writer's: no mixture, no gap, never backwards."""
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), str(tmp_path), "24", "nowhere"], stdout=subprocess.PIPE, text=True
    )
    reader = StoreReader(tmp_path)
    wrong: list[str] = []
    files: set[int] = set()
    views = 0
    over = threading.Event()

    def read() -> None:
        nonlocal views
        last = 0
        while not over.is_set():
            with reader.view() as view:
                state = view.state()
                if state is None:
                    wrong.extend([f"nothing after {last}"] if last else [])
                    continue
                wanted = f"{state.seq:04}".encode() * (BODY_BYTES // 4)
                if any(view.body_of(f"c/{number:05}") != wanted for number in range(0, RECORDS, 97)):
                    wrong.append(f"a mixture at {state.seq}")
                if state.seq < last:
                    wrong.append(f"{state.seq} after {last}")
                last = state.seq
                views += 1
            files.add((tmp_path / "store" / "data.mdb").stat().st_ino)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert process.stdout is not None
    said = process.stdout.read().split()
    over.set()
    for thread in threads:
        thread.join()
    reader.close()
    process.stdout.close()
    assert process.wait() == 0
    assert said[-1] == "done"
    assert wrong == []
    assert views > 100
    assert len(files) >= 2  # two at least: numbers of files that are gone are given again


@pytest.mark.parametrize("place", PLACES)
def test_killed_at_any_place_it_leaves_a_good_store(tmp_path: Path, place: str) -> None:
    """The last version that was committed, complete and adding up; the next writer goes on and the leftovers go."""
    process = subprocess.run(
        [sys.executable, str(PROCESS), str(tmp_path), "8", place], stdout=subprocess.PIPE, text=True, check=False
    )
    assert process.returncode == -9
    last = int(process.stdout.split()[-1])
    found = verify_digest(tmp_path)
    assert (found.state.seq, found.count) == (last, RECORDS)
    remove_leftovers(tmp_path)
    assert not (tmp_path / PLACE).exists()
    with StoreWriter(tmp_path, 1 << 26, "boot-1") as writer:
        assert writer.state is not None
        assert writer.state.seq == last
        assert writer.floor.seq <= last
        body = f"{last:04}".encode() * (BODY_BYTES // 4)
        assert set(contents(writer).values()) == {body}
