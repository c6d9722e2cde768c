"""A writer in a process of its own that compacts its store between versions, and dies where it is told to.

Started as ``python compacting_process.py DIRECTORY VERSIONS PLACE_TO_DIE``. In version n every body is the number n, repeated. After each
version it writes the number; the process that copies runs while versions go on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from entitlements.store.compaction import Compaction
from entitlements.store.exchange import exchange
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

RECORDS = 2_000
BODY_BYTES = 400
PLACES = ("begun", "copied", "caught up", "before the exchange", "after the exchange", "swapped", "ended")


class Mortal:
    """Dies at one place."""

    def __init__(self, place: str) -> None:
        self._place = place

    def at(self, place: str) -> None:
        """Die here, if it is the place."""
        if place == self._place:
            os.kill(os.getpid(), signal.SIGKILL)

    def exchange(self, one: Path, other: Path) -> None:
        """Exchange, with a place to die on either side."""
        self.at("before the exchange")
        exchange(one, other)
        self.at("after the exchange")


def say(text: object) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(directory: str, versions: str, place: str) -> None:
    """Commit versions, compacting after every second one."""
    history, mortal, folder = History(), Mortal(place), Path(directory)

    with StoreWriter(folder, 1 << 26, "boot-1") as writer:

        def version() -> None:
            body = f"{history.seq + 1:04}".encode() * (BODY_BYTES // 4)
            delta = history.delta({f"c/{number:05}": body for number in range(RECORDS)})
            if history.seq % 2:
                writer.replace(history.snapshot(), history.manifest(), b"manifest")
            else:
                writer.apply([delta], b"delta")
            say(history.seq)

        while history.seq < int(versions):
            version()
            version()
            version()
            before = writer.file.room()
            compaction = Compaction(writer.file, folder, mortal.exchange)
            copying = subprocess.Popen(compaction.begin(), stdout=subprocess.DEVNULL)
            mortal.at("begun")
            version()  # an even one: deltas, so the copy stays good
            assert copying.wait() == 0
            mortal.at("copied")
            writer.sync()
            writer.raise_floor()
            compaction.catch_up()
            mortal.at("caught up")
            while not compaction.swap():
                compaction.catch_up()
            mortal.at("swapped")
            compaction.end()
            mortal.at("ended")
            after = writer.file.room()
            assert after.file_bytes < before.file_bytes, (before, after)
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
