"""The start-up check, run as a child because a corrupt page may crash LMDB: is what is stored complete, signed, and not below the floor?

    python -m sidecar.feed.verify --store DIR --root-keys HEX[,HEX] --product P [--working-set]

Prints one JSON line. Exit 0: verified. 3: there is no store. 4: there is one, and it must be set aside. Any other end (a crash, a
signal) means the same as 4. Imports as little as it can: it stands between a restart and the first answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from entitlements.runtime.clock import SystemClock
from entitlements.store.errors import NothingStored, StoreError
from entitlements.store.floor import read_floor
from entitlements.store.rehash import RehashResult, verify_digest
from entitlements.wire.errors import Refused
from entitlements.wire.feed_messages import FeedCatalogue, FeedDelta, FeedManifest
from entitlements.wire.key_ring import KeyRing

VERIFIED: Final = 0
ABSENT: Final = 3
BAD: Final = 4


class Unproven(Exception):  # noqa: N818 - names the finding
    """The store is consistent, but nothing signed says that it is the policy."""


def command(directory: Path, root_keys: Sequence[bytes], product: str) -> list[str]:
    """Return the command line that checks the store of a feed directory."""
    keys = ",".join(key.hex() for key in root_keys)
    return [sys.executable, "-m", __name__, "--store", str(directory), "--root-keys", keys, "--product", product]


def check(
    directory: Path, root_keys: Sequence[bytes], product: str, now_ms: int, *, working_set: bool = False
) -> RehashResult:
    """Return what the store holds, or raise NothingStored, another StoreError, Refused or Unproven.

    The stored key set is traced to the pinned root keys, the last envelope to the key set; its digest must be that of the looked-up
    records, its position that of the store. It is a delta or a manifest: a heartbeat's key must not vouch for policy.

    Only with `working_set` may the store hold a part. Its position is signed all the same; the records are compared with the sum that was
    kept with them, which finds decay, while access to the file is what keeps others from writing it.
    """
    floor = read_floor(directory)
    found = verify_digest(directory)
    if found.key_set is None:
        raise Unproven("no key set is stored")
    ring = KeyRing(root_keys, floor.key_set_version)
    ring.install(found.key_set)
    message = ring.verify(found.envelope, product, now_ms)
    state = found.state
    if not isinstance(message, (FeedDelta, FeedCatalogue if state.partial else FeedManifest)):
        raise Unproven(f"a {type(message).__name__} does not vouch for policy")
    if state.partial and not working_set:
        raise Unproven("the store holds a working set, and the whole set is wanted")
    if not state.partial and message.digest != found.digest:
        raise Unproven("the records are not the signed ones")
    if not state.complete or (message.epoch, message.seq, message.chain) != (state.epoch, state.seq, state.chain):
        raise Unproven("the stored position is not the signed one")
    if (state.epoch, state.seq) < floor.position:
        raise Unproven(f"{state.epoch}-{state.seq} is below the floor {floor.epoch}-{floor.seq}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Check one store, print one line, return the exit code."""
    parser = argparse.ArgumentParser(prog="sidecar.feed.verify", description="Verify a policy store before it is used.")
    parser.add_argument("--store", required=True, type=Path, help="the feed's directory")
    parser.add_argument("--root-keys", required=True, help="pinned public keys, hexadecimal, separated by commas")
    parser.add_argument("--product", required=True, help="the feed")
    parser.add_argument("--working-set", action="store_true", help="the store may hold a part of the customers")
    wanted = parser.parse_args(arguments)
    try:
        roots = [bytes.fromhex(key) for key in wanted.root_keys.split(",")]
        found = check(wanted.store, roots, wanted.product, SystemClock().now_ms(), working_set=wanted.working_set)
    except NothingStored as problem:
        return _say(ABSENT, result="absent", reason=str(problem))
    except (StoreError, Refused, Unproven, ValueError) as problem:
        return _say(BAD, result="bad", reason=f"{type(problem).__name__}: {problem}")
    state = found.state
    return _say(VERIFIED, result="ok", epoch=state.epoch, seq=state.seq, chain=state.chain.hex(), records=found.count)


def _say(code: int, **facts: Any) -> int:
    sys.stdout.write(json.dumps(facts) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
