"""A process that holds a store open for writing, as a sidecar's main process does, and does what a test tells it.

with StoreKeeper(store_dir, bodies) as keeper:
    keeper.change({"c/acme": None})
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from entitlements.runtime.boot import read_boot_id
from entitlements.store.access import Access
from entitlements.store.compaction import Compaction
from entitlements.store.setaside import set_aside
from entitlements.store.writer import StoreWriter
from tests.support.signed_feed import SignedFeed, now_ms

ROOT = Path(__file__).resolve().parents[2]


def text_of(bodies: Mapping[str, bytes | None]) -> dict[str, str | None]:
    """Return bodies as JSON can carry them."""
    return {key: None if body is None else base64.b64encode(body).decode() for key, body in bodies.items()}


def bodies_of(texts: Mapping[str, str | None]) -> dict[str, bytes | None]:
    """Return what `text_of` was given."""
    return {key: None if text is None else base64.b64decode(text) for key, text in texts.items()}


class StoreKeeper:
    """The test's end: one method for each order. `epoch` and `seq` are the position of the store."""

    def __init__(
        self,
        store_dir: Path,
        product: str,
        bodies: Mapping[str, bytes],
        access: str = "private",
        map_bytes: int = 1 << 26,
    ) -> None:
        """Start the process; the store is there when this returns."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.store_keeper", str(store_dir), product, access, str(map_bytes)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.epoch = self.seq = 0
        self._write(bodies, "write")

    def pulse(self, age_ms: int = 0) -> None:
        """Record a heartbeat."""
        self._order(do="pulse", age_ms=age_ms)

    def change(self, changes: Mapping[str, bytes | None], times: int = 1) -> int:
        """Apply a delta, again and again; return how many pages the file has afterwards."""
        told = self._order(do="change", bodies=text_of(changes), times=times)
        self.seq = told["seq"]
        return int(told["pages"])

    def put_in_place(self, bodies: Mapping[str, bytes]) -> None:
        """Set the store aside and write another one."""
        self._write(bodies, "put_in_place")

    def compact(self) -> int:
        """Put a copy without free pages in the file's place; return how many pages it has."""
        return int(self._order(do="compact")["pages"])

    def clear_dead_readers(self) -> int:
        """Do what the sidecar's upkeep does; return how many were cleared."""
        return int(self._order(do="clear")["cleared"])

    def _write(self, bodies: Mapping[str, bytes], what: str) -> None:
        told = self._order(do=what, bodies=text_of(bodies))
        self.epoch, self.seq = told["epoch"], told["seq"]

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the keeper ended with {self._process.wait()}"
        told: dict[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.communicate()
        assert self._process.returncode == 0 or error is not None


class _Keeping:
    """The process's end."""

    def __init__(self, store_dir: Path, product: str, access: Access, map_bytes: int) -> None:
        self.feed = SignedFeed(product)
        self.store_dir = store_dir
        self._access = access
        self._map_bytes = map_bytes
        self.writer: StoreWriter | None = None

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do one thing."""
        what = order.pop("do")
        if what in {"write", "put_in_place"}:
            self._write(bodies_of(order["bodies"]), aside=what == "put_in_place")
        writer = self.writer
        assert writer is not None
        if what == "pulse":
            self.feed.pulse(writer, order["age_ms"])
        if what == "change":
            for _ in range(order["times"]):
                self.feed.change(writer, bodies_of(order["bodies"]))
        if what == "compact":
            self._compact(writer)
        cleared = writer.clear_dead_readers() if what == "clear" else 0
        pages = writer._file.environment.info()["last_pgno"]
        return {"epoch": self.feed.epoch, "seq": self.feed.seq, "pages": pages, "cleared": cleared}

    def _compact(self, writer: StoreWriter) -> None:
        compaction = Compaction(writer.file, self.feed.directory(self.store_dir))
        try:
            subprocess.run(compaction.begin(), check=True, stdout=subprocess.DEVNULL)
            compaction.catch_up()
            while not compaction.swap():
                compaction.catch_up()
        finally:
            compaction.end()

    def _write(self, bodies: Mapping[str, bytes | None], *, aside: bool) -> None:
        directory = self.feed.directory(self.store_dir)
        if self.writer is not None:
            self.writer.close()
        if aside:
            set_aside(directory, now_ms())
            self.feed.epoch, self.feed.seq = self.feed.epoch + 1, 1
        self.feed.write(self.store_dir, {key: body for key, body in bodies.items() if body is not None})
        self.writer = StoreWriter(directory, self._map_bytes, read_boot_id(), self._access)


def main(store_dir: str, product: str, access: str, map_bytes: str) -> None:
    """Obey one order for each line on standard input, and say how the store is afterwards."""
    keeping = _Keeping(Path(store_dir), product, Access.named(access), int(map_bytes))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(keeping.obey(json.loads(line))) + "\n")
        sys.stdout.flush()
    if keeping.writer is not None:
        keeping.writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
