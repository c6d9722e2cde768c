"""Stores in temporary directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

MAP_BYTES = 1 << 24


@pytest.fixture
def history() -> History:
    """Return a history with three records at position 5-1."""
    history = History()
    history.delta({"f/exports": b"feature", "p/pro@1": b"plan", "c/acme": b"customer"})
    return history


@pytest.fixture
def open_writer(tmp_path: Path) -> Iterator[Callable[..., StoreWriter]]:
    """Return a function that opens a writer on this test's directory; all are closed at the end."""
    writers: list[StoreWriter] = []

    def opened(map_bytes: int = MAP_BYTES, boot_id: str = "boot-1") -> StoreWriter:
        for earlier in writers:
            earlier.close()
        writers.append(StoreWriter(tmp_path, map_bytes, boot_id))
        return writers[-1]

    yield opened
    for writer in writers:
        writer.close()


@pytest.fixture
def writer(open_writer: Callable[..., StoreWriter], history: History) -> StoreWriter:
    """Return a writer that holds the history's records."""
    writer = open_writer()
    writer.replace(history.snapshot(), history.manifest(), b"manifest envelope")
    return writer
