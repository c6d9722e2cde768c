"""The writer: everything of a change or nothing, forward only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.policy.digest import sum_records
from entitlements.policy.ids import Epoch, Seq
from entitlements.store import layout
from entitlements.store.errors import (
    CorruptStore,
    DigestMismatch,
    NotAhead,
    NothingStored,
    NotNext,
    StoreBusy,
    StoreError,
    StoreFull,
)
from entitlements.store.layout import SCHEMA_KEY
from entitlements.store.writer import StoreWriter
from entitlements.wire import codec
from tests.unit.store.history import Delta, History

Opener = Callable[..., StoreWriter]


def contents(writer: StoreWriter) -> dict[str, bytes]:
    """Return all records as a reader sees them, each verified."""
    with writer.reader().view() as view:
        return {key: view.body_of(key) or b"" for key in view.keys("", limit=1_000_000)}


def snapshot_of(writer: StoreWriter) -> tuple[object, ...]:
    """Return all that a failed change must leave alone."""
    return writer.state, writer.digest_sum, writer.last_envelope, contents(writer)


def test_a_new_store_is_empty(open_writer: Opener) -> None:
    """Before the first snapshot there is no state, and nothing can be applied or pulsed."""
    writer = open_writer()
    assert (writer.state, writer.digest_sum, writer.last_envelope, writer.key_set) == (None, 0, None, None)
    assert repr(writer).endswith("[empty | floor 0-0]>")
    with pytest.raises(NothingStored):
        writer.apply([History().delta({"c/a": b"x"})], b"")
    with pytest.raises(NothingStored):
        writer.pulse(1, 2, 3)


def test_a_snapshot_replaces_everything(writer: StoreWriter, history: History) -> None:
    """Records, position, sum and proof come together; the pulse starts at the manifest's time without a receive time."""
    assert contents(writer) == history.records
    assert writer.state is not None
    assert writer.state[:5] == (5, 1, history.chain, True, False)
    assert writer.state[5:] == (1000, 0, 0, "", False)
    assert writer.digest_sum == sum_records(history.records.items())
    assert writer.last_envelope == b"manifest envelope"
    history.delta({"c/acme": None, "c/globex": b"new"})
    writer.replace(history.snapshot(), history.manifest(), b"second")
    assert contents(writer) == history.records


def test_an_empty_snapshot_is_a_policy_set(open_writer: Opener) -> None:
    """A product without any record yet is complete."""
    writer = open_writer()
    state = writer.replace([], History().manifest(), b"")
    assert state.complete
    assert contents(writer) == {}


def test_deltas_put_change_and_remove(writer: StoreWriter, history: History) -> None:
    """A run of deltas is one transaction; its last position and envelope stay."""
    run = [
        history.delta({"c/acme": b"changed", "c/new": b"1"}),
        history.delta({"c/new": None, "c/never-there": None}),
        history.delta({"f/exports": b"other"}),
    ]
    state = writer.apply(run, b"last")
    assert state[:3] == (5, 4, history.chain)
    assert contents(writer) == history.records
    assert writer.digest_sum == sum_records(history.records.items())
    assert writer.last_envelope == b"last"
    assert writer.apply([], b"ignored") == state


def test_a_wrong_digest_changes_nothing(writer: StoreWriter, history: History) -> None:
    """A set that differs from the signed one is never visible."""
    before = snapshot_of(writer)
    wrong = replace(history.delta({"c/acme": b"changed"}), digest=bytes(32))
    with pytest.raises(DigestMismatch):
        writer.apply([wrong], b"x")
    with pytest.raises(DigestMismatch):
        writer.replace(history.snapshot(), replace(history.manifest(), digest=bytes(32)), b"x")
    with pytest.raises(DigestMismatch, match="has 3 records, not 4"):
        writer.replace(history.snapshot(), replace(history.manifest(), record_count=4), b"x")
    assert snapshot_of(writer) == before


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 1, 1]], ids=["unsorted", "twice"])
def test_a_snapshot_out_of_order_changes_nothing(writer: StoreWriter, history: History, order: list[int]) -> None:
    """Snapshots are sorted by key, without duplicates."""
    before = snapshot_of(writer)
    records = [history.snapshot()[index] for index in order]
    with pytest.raises(DigestMismatch, match="out of order or listed twice"):
        writer.replace(records, history.manifest(), b"x")
    assert snapshot_of(writer) == before


def test_a_snapshot_source_that_breaks_changes_nothing(writer: StoreWriter, history: History) -> None:
    """An exception on the way leaves the old set."""

    def broken() -> object:
        yield history.snapshot()[0]
        raise ConnectionError("cut")

    before = snapshot_of(writer)
    with pytest.raises(ConnectionError):
        writer.replace(broken(), history.manifest(), b"x")  # type: ignore[arg-type]
    assert snapshot_of(writer) == before


def test_the_position_never_goes_back(writer: StoreWriter, history: History) -> None:
    """Old deltas and old snapshots are refused; the same snapshot again is welcome, for it heals."""
    old = history.manifest()
    delta = history.delta({"c/a": b"1"})
    writer.apply([delta], b"1")
    with pytest.raises(NotAhead):
        writer.apply([delta], b"1")
    with pytest.raises(NotAhead):
        writer.replace([], old, b"old")
    with pytest.raises(NotAhead):
        writer.replace([], replace(history.manifest(), epoch=Epoch(4), seq=Seq(99)), b"old")
    assert writer.replace(history.snapshot(), history.manifest(), b"same").seq == 2


@pytest.mark.parametrize("change", [{"seq": Seq(3)}, {"epoch": Epoch(6)}, {"prev": bytes([1]) * 32}])
def test_deltas_must_follow(writer: StoreWriter, history: History, change: dict[str, object]) -> None:
    """A gap, another epoch and another history are refused."""
    before = snapshot_of(writer)
    delta: Delta = replace(history.delta({"c/a": b"1"}), **change)  # type: ignore[arg-type]
    with pytest.raises(NotNext):
        writer.apply([delta], b"1")
    assert snapshot_of(writer) == before


def test_a_run_must_be_contiguous_inside(writer: StoreWriter, history: History) -> None:
    """A gap in the middle of a run refuses the whole run."""
    run = [history.delta({f"c/{number}": b"1"}) for number in range(3)]
    before = snapshot_of(writer)
    with pytest.raises(NotNext):
        writer.apply([run[0], run[2]], b"1")
    assert snapshot_of(writer) == before


def test_the_pulse_and_the_fork_are_part_of_the_state(writer: StoreWriter, history: History) -> None:
    """A heartbeat's times carry the boot; deltas keep them; a snapshot clears the fork, and the pulse in a new epoch."""
    writer.pulse(2000, 2010, 77)
    writer.set_forked(True)
    state = writer.apply([history.delta({"c/a": b"1"})], b"1")
    assert state[3:] == (True, True, 2000, 2010, 77, "boot-1", False)
    assert " forked" in repr(writer)
    state = writer.replace(history.snapshot(), history.manifest(3000), b"same epoch")
    assert state[3:] == (True, False, 2000, 2010, 77, "boot-1", False)
    state = writer.replace(history.snapshot(), replace(history.manifest(3000), epoch=Epoch(6)), b"new epoch")
    assert state[3:] == (True, False, 3000, 0, 0, "", False)


def test_a_reopened_store_is_the_same(open_writer: Opener, writer: StoreWriter, history: History) -> None:
    """Nothing lives in memory alone."""
    writer.put_key_set(b"keys", 3)
    writer.apply([history.delta({"c/a": b"1"})], b"1")
    before = snapshot_of(writer)
    again = open_writer()
    assert snapshot_of(again) == before
    assert again.key_set == b"keys"


def test_the_floor_rises_only_to_what_is_synced(open_writer: Opener, writer: StoreWriter, history: History) -> None:
    """A position that a power loss could take away is no floor yet; the floor never sinks, restarts included."""
    assert writer.raise_floor()[:2] == (0, 0)
    writer.put_key_set(b"keys", 3)
    writer.sync()
    writer.apply([history.delta({"c/a": b"1"})], b"1")
    assert writer.raise_floor() == (5, 1, 3)
    writer.sync()
    assert writer.raise_floor() == (5, 2, 3)
    again = open_writer()
    assert again.floor == again.raise_floor() == (5, 2, 3)


def test_nothing_below_the_floor_is_accepted(
    open_writer: Opener, writer: StoreWriter, history: History, tmp_path: Path
) -> None:
    """A store that was lost does not take the floor with it."""
    old = history.manifest()
    writer.apply([history.delta({"c/a": b"1"})], b"1")
    writer.sync()
    writer.raise_floor()
    writer.close()
    (tmp_path / "store" / "data.mdb").unlink()
    again = open_writer()
    with pytest.raises(NotAhead, match="5-1 is below 5-2"):
        again.replace([], old, b"old")
    assert again.replace(history.snapshot(), history.manifest(), b"new").seq == 2


def test_a_full_map_grows(open_writer: Opener) -> None:
    """More records than the map holds make it grow, in a snapshot and in a delta; nothing is lost."""
    history = History()
    writer = open_writer(map_bytes=1 << 18)
    history.delta({f"c/{number:05}": os.urandom(200) for number in range(3000)})
    writer.replace(history.snapshot(), history.manifest(), b"1")
    writer.apply([history.delta({f"d/{number:05}": os.urandom(200) for number in range(3000)})], b"2")
    assert contents(writer) == history.records
    assert 0 < writer.fill() < 1


def test_a_source_that_runs_once_is_asked_for_again(open_writer: Opener) -> None:
    """When a generator met a full map, the map has grown and the caller is told to repeat."""
    history = History()
    history.delta({f"c/{number:05}": os.urandom(200) for number in range(3000)})
    writer = open_writer(map_bytes=1 << 18)
    refused = 0
    while writer.state is None:
        try:
            writer.replace(iter(history.snapshot()), history.manifest(), b"1")
        except StoreFull as error:
            refused += 1
            assert "repeat" in str(error)  # noqa: PT017 - one of several rounds
    assert refused > 0
    assert contents(writer) == history.records


def test_a_set_beyond_the_limit_is_refused(writer: StoreWriter, open_writer: Opener, history: History) -> None:
    """At its limit the map is full, in words, and the old set stays."""
    writer = open_writer(map_bytes=1 << 16)
    before = snapshot_of(writer)
    delta = history.delta({f"c/{number}": os.urandom(3000) for number in range(400)})
    with pytest.raises(StoreFull, match="raise the map size"):
        writer.apply([delta], b"1")
    assert snapshot_of(writer) == before


def test_there_is_one_writer(writer: StoreWriter, tmp_path: Path) -> None:
    """A second writer is turned away until the first has closed."""
    with pytest.raises(StoreBusy):
        StoreWriter(tmp_path, 1 << 20)
    writer.close()
    writer.close()
    with StoreWriter(tmp_path, 1 << 20) as second:
        assert second.state is not None


def test_files_are_private(writer: StoreWriter, tmp_path: Path) -> None:
    """Directories 0700, files 0600, whatever the umask."""
    writer.sync()
    writer.raise_floor()
    for path in [tmp_path, *tmp_path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_an_unusable_file_is_named(open_writer: Opener, tmp_path: Path) -> None:
    """Garbage instead of a store is CorruptStore, and the writer's lock is free again."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"garbage" * 4096)
    with pytest.raises(CorruptStore):
        open_writer()
    (tmp_path / "store" / "data.mdb").unlink()
    assert open_writer().state is None


def test_another_schema_is_refused(writer: StoreWriter, open_writer: Opener) -> None:
    """A store written by another major version is set aside, not guessed at."""
    writer._file.transact(lambda txn: txn.put(SCHEMA_KEY, (99).to_bytes(4, "big"), db=writer._file.meta))
    with pytest.raises(CorruptStore, match="schema major 99"):
        open_writer()


def test_the_store_and_the_codec_mean_the_same_schema() -> None:
    """The store's mark covers the record schema too, so both numbers move together."""
    assert layout.SCHEMA_MAJOR == codec.SCHEMA_MAJOR


def test_every_error_of_the_store_has_one_root() -> None:
    """A caller may catch StoreError alone."""
    assert all(issubclass(kind, StoreError) for kind in (NotAhead, NotNext, StoreFull, StoreBusy, DigestMismatch))


def test_dead_readers_are_cleared(writer: StoreWriter) -> None:
    """Nobody died here: no slot is freed."""
    assert writer.clear_dead_readers() == 0
