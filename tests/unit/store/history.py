"""Signed-looking contents for stores, without signatures: the store takes them by shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from entitlements.policy.digest import chain_next, digest_of, sum_records
from entitlements.policy.ids import Epoch, Millis, Seq


class Change(NamedTuple):
    """A change of one record."""

    key: str
    body: bytes | None


@dataclass(frozen=True)
class Delta:
    """A delta by shape."""

    epoch: Epoch
    seq: Seq
    prev: bytes
    chain: bytes
    digest: bytes
    ops: Sequence[Change]


@dataclass(frozen=True)
class Manifest:
    """A manifest by shape."""

    epoch: Epoch
    seq: Seq
    chain: bytes
    digest: bytes
    issued_at_ms: Millis
    record_count: int


class History:
    """A feed's history in memory: the records, the position, and honest deltas and manifests for them."""

    def __init__(self, epoch: int = 5) -> None:
        self.records: dict[str, bytes] = {}
        self.epoch = Epoch(epoch)
        self.seq = Seq(0)
        self.chain = bytes(32)

    def digest(self) -> bytes:
        """Return the digest of the present records, from scratch."""
        return digest_of(sum_records(self.records.items()))

    def delta(self, changes: Mapping[str, bytes | None]) -> Delta:
        """Make a change and return its delta."""
        ops = [Change(key, body) for key, body in changes.items()]
        for key, body in changes.items():
            if body is None:
                self.records.pop(key, None)
            else:
                self.records[key] = body
        prev, self.seq = self.chain, Seq(self.seq + 1)
        self.chain = chain_next(prev, self.epoch, self.seq, repr(ops).encode())
        return Delta(self.epoch, self.seq, prev, self.chain, self.digest(), ops)

    def manifest(self, issued_at_ms: int = 1000) -> Manifest:
        """Return the manifest of the present records."""
        return Manifest(self.epoch, self.seq, self.chain, self.digest(), Millis(issued_at_ms), len(self.records))

    def snapshot(self) -> list[tuple[str, bytes]]:
        """Return the present records, sorted."""
        return sorted(self.records.items())
