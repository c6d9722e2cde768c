"""A writer in a process of its own, as in production: commits one version for each line on standard input, then says so.

Started as ``python writing_process.py DIRECTORY MAP_BYTES RECORDS BODY_BYTES``. In version n every body is the number n, repeated.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History


def main(directory: str, map_bytes: str, records: str, body_bytes: str) -> None:
    """Replace at odd versions, apply at even ones."""
    history = History()
    with StoreWriter(Path(directory), int(map_bytes), "boot-1") as writer:
        for line in sys.stdin:
            count = int(line)
            for _ in range(count):
                version = f"{history.seq + 1:04}".encode()
                body = version * (int(body_bytes) // 4)
                delta = history.delta({f"c/{number:05}": body for number in range(int(records))})
                if history.seq % 2:
                    writer.replace(history.snapshot(), history.manifest(), b"manifest")
                else:
                    writer.apply([delta], b"delta")
            writer.pulse(1000 + history.seq, 2000, 3000)
            sys.stdout.write(f"{history.seq}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
