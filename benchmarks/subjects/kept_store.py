"""A store beside an application, kept fresh by another process as the sidecar's main process keeps it.

    python -m benchmarks.subjects.kept_store FOLDER

Writes the world of the questions into FOLDER, says `ready`, then records a heartbeat a second until its standard input ends.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import world
from benchmarks.questions import CUSTOMER_COUNT
from benchmarks.result import ROOT
from tests.support.signed_feed import SignedFeed, now_ms

HEARTBEAT_S: Final = 1.0


def main(argv: list[str]) -> int:
    """Write, then beat."""
    store = Path(argv[0])
    feed = SignedFeed(world.PRODUCT)
    feed.write(store, dict(world.bodies(CUSTOMER_COUNT, now_ms())))
    print("ready", flush=True)
    with feed.writer(store) as writer:
        feed.pulse(writer)
        while not select.select([sys.stdin], [], [], HEARTBEAT_S)[0]:
            feed.pulse(writer)
    return 0


@contextmanager
def kept_store() -> Iterator[Path]:
    """Return the folder of such a store for the length of a `with` block; heartbeats come from the last processor."""
    with tempfile.TemporaryDirectory(prefix="kept-store-") as folder:
        keeper = subprocess.Popen(
            (sys.executable, "-m", "benchmarks.subjects.kept_store", folder),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            if keeper.stdout is None or keeper.stdout.readline() != "ready\n":
                raise RuntimeError("the store was not written, see above")
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(keeper.pid, {(os.cpu_count() or 1) - 1})
            yield Path(folder)
        finally:
            keeper.communicate()  # closes its input, which ends it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
