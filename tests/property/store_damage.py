"""Damages copies of a small store and watches what comes of each; started by ``test_store_damage``.

Each copy is verified in a forked child, because a corrupt page may crash or hang LMDB; a copy that passes is then read completely in
another child. Prints one JSON object with the number of outcomes: refused, identical, wrong, crashed_reading.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from entitlements.store.errors import StoreError
from entitlements.store.reader import StoreReader
from entitlements.store.rehash import RehashResult, verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

RECORDS = 300
SECONDS = 10


def build(directory: Path) -> History:
    """Make a store with several leaf pages, branch pages, overflow pages and freed pages."""
    history = History()
    history.delta({f"c/customer-{number:04}": f"body {number} ".encode() * 8 for number in range(RECORDS)})
    with StoreWriter(directory, 1 << 24, "boot-1") as writer:
        writer.replace(history.snapshot(), history.manifest(), b"manifest")
        writer.apply([history.delta({"f/large": bytes(range(256)) * 40})], b"delta")
        for number in range(0, RECORDS, 7):
            writer.apply([history.delta({f"c/customer-{number:04}": None})], b"delta")
        writer.put_key_set(b"keys" * 50)
        writer.pulse(1, 2, 3)
    return history


def child(work: Callable[[], bool]) -> str:
    """Run work in a fork: 'yes', 'no', or 'crash' when it neither returned nor raised a StoreError."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        outcome = 3
        try:
            outcome = 0 if work() else 1
        except StoreError:
            outcome = 1
        finally:
            os._exit(outcome)
    _, status = os.waitpid(pid, 0)
    return {0: "yes", 1: "no"}.get(status, "no" if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1 else "crash")


def judge(directory: Path, honest: RehashResult, records: dict[str, bytes]) -> str:
    """Return what a sidecar would do with this store."""

    def verified() -> bool:
        found = verify_digest(directory)
        # what the signature check above this package compares
        return (found.digest, found.state, found.envelope, found.key_set) == (
            honest.digest,
            honest.state,
            honest.envelope,
            honest.key_set,
        )

    def identical() -> bool:
        with StoreReader(directory).view() as view:
            return (
                view.state() == honest.state
                and view.keys("") == sorted(records)
                and all(view.body_of(key) == body for key, body in records.items())
                and view.get("c/customer-0000") is None
            )

    if child(verified) != "yes":
        return "refused"
    return {"yes": "identical", "no": "wrong", "crash": "crashed_reading"}[child(identical)]


def main(trials: int, seed: int) -> None:
    """Damage, judge, count."""
    os.close(2)  # LMDB's assertions talk
    with tempfile.TemporaryDirectory() as place:
        origin = Path(place) / "origin"
        history = build(origin)
        honest = verify_digest(origin)
        whole = (origin / "store" / "data.mdb").read_bytes()
        randomness = random.Random(seed)
        outcomes: Counter[str] = Counter()
        copy = Path(place) / "copy"
        for trial in range(trials):
            data = bytearray(whole)
            if trial % 10 == 0:
                del data[randomness.randrange(len(data)) :]
            else:
                data[randomness.randrange(len(data))] ^= 1 << randomness.randrange(8)
            shutil.rmtree(copy, ignore_errors=True)
            (copy / "store").mkdir(parents=True)
            (copy / "store" / "data.mdb").write_bytes(data)
            outcomes[judge(copy, honest, history.records)] += 1
    sys.stdout.write(json.dumps({"bytes": len(whole)} | outcomes))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
