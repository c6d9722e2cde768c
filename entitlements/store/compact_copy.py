"""Copies a store without its free pages and re-hashes the copy: `python -m entitlements.store.compact_copy --store DIR --into DIR`.

A process of its own, as the start-up check is: a corrupt page may crash LMDB, and hashing a large set would take the interpreter's lock from
the process that writes. It lets others go first, and brings what it writes to disk in small portions at a bounded rate, so that neither the
processor nor the disk is busy for long. It goes through the page cache on purpose (LMDB's own copy would not): readers turn to the copy
while they answer, and must find it in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import lmdb

from entitlements.store.errors import CorruptStore, StoreError
from entitlements.store.layout import DATA_FILE, MAX_READERS, environment_path
from entitlements.store.rehash import verify_digest

NICE: Final = 10
PORTION: Final = 4 << 20
RATE: Final = 64 << 20
"""Bytes a second: a set of 100,000 customers takes about half a second, one of five million half a minute."""
FAILED: Final = 4


def copy(store: Path, into: Path, bytes_per_s: int = RATE) -> int:
    """Copy the store of feed directory `store` to feed directory `into`, and return the copy's size. CorruptStore, OSError.

    One read transaction: the copy is one version of the store, whatever is written meanwhile.
    """
    try:
        environment = lmdb.open(
            str(environment_path(store)), map_size=0, readonly=True, create=False, max_dbs=2, max_readers=MAX_READERS
        )
    except lmdb.Error as error:
        raise CorruptStore(f"{store} cannot be opened: {error}") from error
    target = environment_path(into)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    source, sink = os.pipe()
    problems: list[lmdb.Error] = []

    def read() -> None:
        try:
            environment.copyfd(sink, compact=True)
        except lmdb.Error as error:
            problems.append(error)
        finally:
            os.close(sink)

    reading = threading.Thread(target=read)
    reading.start()
    descriptor = os.open(target / DATA_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(source, "rb", buffering=PORTION) as pages:
            size = _pour(lambda: pages.read(PORTION), descriptor, bytes_per_s)
    finally:
        os.close(descriptor)
        reading.join()
        environment.close()
    if problems:
        raise CorruptStore(f"{store} cannot be copied: {problems[0]}")
    return size


def _pour(read: Callable[[], bytes], descriptor: int, bytes_per_s: int) -> int:
    began, size = time.monotonic(), 0
    while portion := read():
        view = memoryview(portion)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fdatasync(descriptor)
        size += len(portion)
        time.sleep(max(0.0, began + size / bytes_per_s - time.monotonic()))
    return size


def main(arguments: Sequence[str]) -> int:
    """Copy, verify, print one line of JSON; return 0, or 4 when there is no good copy."""
    parser = argparse.ArgumentParser(description="Copy a policy store without its free pages.")
    parser.add_argument("--store", required=True, type=Path, help="the feed's directory")
    parser.add_argument("--into", required=True, type=Path, help="a directory for the copy; nothing may be in it")
    wanted = parser.parse_args(arguments)
    with suppress(OSError):
        os.nice(NICE)
    try:
        size = copy(wanted.store, wanted.into)
        found = verify_digest(wanted.into)
    except (StoreError, OSError) as error:
        sys.stdout.write(json.dumps({"problem": f"{type(error).__name__}: {error}"}) + "\n")
        return FAILED
    sys.stdout.write(json.dumps({"bytes": size, "records": found.count}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
