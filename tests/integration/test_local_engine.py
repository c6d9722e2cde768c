"""Our local mode as the benchmarks ask it: a store kept by another process, every verdict right, nothing left behind."""

from pathlib import Path

import pytest

from benchmarks.peers.engines import ENGINES
from benchmarks.subjects.kept_store import kept_store


@pytest.mark.parametrize("name", ["local", "local-anew"])
def test_local_mode_gives_every_verdict(name: str) -> None:
    """All 600 pairs and every call of a short loop; no sidecar runs, so an answer that did not come from the store would be a wrong deny."""
    (engine,) = (each for each in ENGINES if each.name == name)
    asked, latencies = engine.ask(0.05, 0.01, 0)
    assert asked.wrong == 0
    assert latencies.count == asked.calls > 0
    assert "valid_until" in asked.note


def test_a_kept_store_goes_with_its_keeper() -> None:
    """The folder and the process end with the block."""
    with kept_store() as store:
        assert list(store.iterdir())
        kept = store
    assert not Path(kept).exists()
