"""Housekeeping: when a store is compacted, what is counted, and what is left behind when it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.runtime.clock import ManualClock
from entitlements.runtime.metrics import Meters
from entitlements.store import compaction
from entitlements.store.compaction import PLACE
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from sidecar import metrics
from sidecar.housekeeping import FREE_BYTES, REST_MS, Housekeeping
from tests.unit.store.history import History

PRODUCT = "suite"
RECORDS = 2_000
READER = """
import sys
from pathlib import Path
from entitlements.store.reader import StoreReader
with StoreReader(Path(sys.argv[1])).view() as view:
    print(view.state().seq, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def history() -> History:
    """Return a history of some records."""
    history = History()
    history.delta({f"c/{number:05}": b"x" * 200 for number in range(RECORDS)})
    return history


@pytest.fixture
def writer(tmp_path: Path, history: History) -> Iterator[StoreWriter]:
    """Return a writer whose file is half free."""
    with StoreWriter(tmp_path, 1 << 26, "boot-1") as writer:
        for _ in range(3):
            writer.replace(history.snapshot(), history.manifest(), b"manifest envelope")
        yield writer


@pytest.fixture
def meters() -> Meters:
    """Return the main process's metrics."""
    return Meters(metrics.MAIN)


def kept(
    writer: StoreWriter, directory: Path, meters: Meters, clock: ManualClock, is_calm: Callable[[], bool] = lambda: True
) -> Housekeeping:
    """Return housekeeping that finds little worth the trouble."""
    return Housekeeping(PRODUCT, writer.file, directory, meters, clock, is_calm, least_free_bytes=1 << 16)


def count(meters: Meters, result: str) -> float:
    """Return how many compactions ended so."""
    line = f'entitlements_store_compactions_total{{product="{PRODUCT}",result="{result}"}} '
    return next(
        float(found[len(line) :]) for found in meters.exposition().decode().splitlines() if found.startswith(line)
    )


async def test_half_free_file_is_compacted_once_and_then_left_alone(
    writer: StoreWriter, history: History, meters: Meters, tmp_path: Path
) -> None:
    """The metrics show it; the next snapshot's garbage waits until the rest is over."""
    clock = ManualClock(0)
    keeping = kept(writer, tmp_path, meters, clock)
    await keeping.look()
    page = meters.exposition().decode()
    assert count(meters, "done") == 1
    assert f'entitlements_store_bytes{{product="{PRODUCT}"}} {float(writer.file.room().file_bytes)}' in page
    assert writer.file.room().free_share < 0.1
    for _ in range(3):
        writer.replace(history.snapshot(), history.manifest(), b"manifest envelope")
    await keeping.look()
    assert count(meters, "done") == 1
    clock.advance(REST_MS)
    await keeping.look()
    assert count(meters, "done") == 2
    writer.close()
    assert verify_digest(tmp_path).count == RECORDS


async def test_catch_up_and_small_files_are_no_occasion(writer: StoreWriter, meters: Meters, tmp_path: Path) -> None:
    """Nothing is copied while the feed is busy, or for a few megabytes."""
    await kept(writer, tmp_path, meters, ManualClock(0), lambda: False).look()
    await Housekeeping(PRODUCT, writer.file, tmp_path, meters, ManualClock(0), lambda: True).look()
    assert writer.file.room().file_bytes < FREE_BYTES
    assert [count(meters, result) for result in ("done", "void", "failed")] == [0, 0, 0]
    assert writer.file.room().free_share > 0.4


async def test_copy_that_fails_changes_nothing_and_is_counted(
    writer: StoreWriter, history: History, meters: Meters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process that copies is killed for want of memory."""
    monkeypatch.setattr(compaction, "COPY_MODULE", "no.such.module")
    await kept(writer, tmp_path, meters, ManualClock(0)).look()
    assert count(meters, "failed") == 1
    assert not (tmp_path / PLACE).exists()
    writer.apply([history.delta({"c/later": b"1"})], b"envelope")
    writer.close()
    assert verify_digest(tmp_path).count == RECORDS + 1


async def test_interrupted_it_leaves_no_process_and_no_rubbish(
    writer: StoreWriter, history: History, meters: Meters, tmp_path: Path
) -> None:
    """As when the sidecar is asked to end."""
    keeping = asyncio.create_task(kept(writer, tmp_path, meters, ManualClock(0)).look())
    async with asyncio.timeout(10):
        while not (tmp_path / PLACE / "store").exists():  # noqa: ASYNC110 - made by another process
            await asyncio.sleep(0.001)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert not (tmp_path / PLACE).exists()
    writer.apply([history.delta({"c/later": b"1"})], b"envelope")
    writer.close()
    assert verify_digest(tmp_path).count == RECORDS + 1


async def test_snapshot_during_the_copy_makes_it_void(
    writer: StoreWriter, history: History, meters: Meters, tmp_path: Path
) -> None:
    """The snapshot wins."""
    keeping = asyncio.create_task(kept(writer, tmp_path, meters, ManualClock(0)).look())
    async with asyncio.timeout(10):
        while not (tmp_path / PLACE).exists():  # noqa: ASYNC110 - made in a thread
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        writer.replace(history.snapshot(), history.manifest(), b"manifest envelope")
        await keeping
    assert count(meters, "void") == 1
    writer.close()
    assert verify_digest(tmp_path).count == RECORDS


async def test_place_of_a_killed_reader_is_freed(
    writer: StoreWriter, history: History, meters: Meters, tmp_path: Path
) -> None:
    """It would keep every page that is replaced from then on."""
    leave_a_dead_reader(tmp_path, history.seq)
    assert "-" not in {line.split()[2] for line in _readers(writer)}
    await kept(writer, tmp_path, meters, ManualClock(0), lambda: False).look()
    assert _readers(writer) == []


def leave_a_dead_reader(directory: Path, seq: int) -> None:
    """Kill a process that is looking at the store."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reader.stdout is not None
    assert reader.stdin is not None
    assert reader.stdout.readline() == f"{seq}\n".encode()
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    reader.stdin.close()
    reader.stdout.close()


def _readers(writer: StoreWriter) -> list[str]:
    """Return the lines of LMDB's table of readers that belong to other processes than this one."""
    lines = writer.file.environment.readers().splitlines()[1:]
    return [line for line in lines if len(line.split()) == 3 and int(line.split()[0]) != os.getpid()]
