"""Snapshots of a feed: the record table at one position, packed once and shared by everyone who asks.

A shelf keeps whole snapshots or, for sidecars that hold a working set, those of the catalogue: features and plan versions alone.

Packing takes a second per 100,000 records, and a restarted fleet asks all at once: callers of one feed wait for one
packer (single flight) and get the same bytes, as does Redis.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from control.domain.publishing import Position
from control.metrics import SNAPSHOT_PACK, SNAPSHOTS
from control.publishing.signing import Signer
from control.store.feed_log import FeedLog
from entitlements.policy import digest
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.wire import envelope, snapshot

DEFAULT_BUDGET_BYTES: Final = 256 << 20


class SnapshotError(Exception):
    """No snapshot can be made: the feed does not exist, or its records do not have the digest that was signed."""


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A snapshot as it is sent: the signed manifest (serialized Envelope), then the compressed chunks in order."""

    feed: str
    at: Position
    manifest: bytes
    chunks: tuple[bytes, ...]
    record_count: int
    packed_mono_ms: Millis

    @property
    def size(self) -> int:
        """Return the bytes that keeping it takes."""
        return len(self.manifest) + sum(map(len, self.chunks))

    def __repr__(self) -> str:
        """Show where it stands and how large it is."""
        return f"<PackedSnapshot [{self.feed} {self.at.epoch}-{self.at.seq} | {self.record_count} records | {self.size} bytes]>"


class SnapshotShelf:
    """Keeps the newest snapshot of each feed within a budget of bytes; safe for many threads."""

    def __init__(
        self,
        log: FeedLog,
        signer: Signer,
        clock: Clock,
        meters: Meters,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        *,
        catalogue_only: bool = False,
    ) -> None:
        self._catalogue_only = catalogue_only
        self._log = log
        self._signer = signer
        self._clock = clock
        self._meters = meters
        self._budget_bytes = budget_bytes
        self._kept: dict[str, PackedSnapshot] = {}
        self._packing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def newest(self, feed: str) -> PackedSnapshot | None:
        """Return the snapshot on the shelf, of whatever position."""
        return self._kept.get(feed)

    def obtain(self, feed: str, *, serve_for_ms: Millis = Millis(0)) -> PackedSnapshot:
        """Return a snapshot of the head, or one of the same epoch that was packed at most `serve_for_ms` ago.

        Raises SnapshotError when none can be made.
        """
        with self._guard:
            lock = self._packing[feed]
        with lock:
            kept = self._kept.get(feed)
            if kept is None or not self._serves(kept, serve_for_ms):
                kept = self._pack(feed)
                self._keep(kept)
            return kept

    def _serves(self, kept: PackedSnapshot, serve_for_ms: Millis) -> bool:
        head = self._log.head(kept.feed)
        if head is None or head.position.epoch != kept.at.epoch:
            return False
        young = self._clock.monotonic_ms() - kept.packed_mono_ms <= serve_for_ms
        return head.position == kept.at or (young and head.position.seq > kept.at.seq)

    def _pack(self, feed: str) -> PackedSnapshot:
        started_ms = self._clock.monotonic_ms()
        with self._log.snapshot(feed, catalogue_only=self._catalogue_only) as view:
            if view is None:
                raise SnapshotError(f"there is no feed {feed!r}")
            tally = _Tally(view.records)
            chunks = tuple(snapshot.pack(tally))
            summed = digest.digest_of(digest.sum_records((), tally.total))
            if not self._catalogue_only and summed != view.head.digest:
                self._meters.counter(SNAPSHOTS, feed, "digest_mismatch").inc()
                raise SnapshotError(
                    f"the records of {feed!r} do not have the digest of {view.head.position.epoch}-{view.head.position.seq}: "
                    "rows of the record table were changed past the unit of work; restore the database or re-apply the catalogue"
                )
            at, head_digest = view.head.position, view.head.digest
        issued_at_ms = Millis(self._clock.now_ms())
        hashes = [sha256(chunk).digest() for chunk in chunks]
        facts = (feed, at.epoch, at.seq, at.chain, head_digest, issued_at_ms, tally.count, hashes)
        body = envelope.build_catalogue(*facts, summed) if self._catalogue_only else envelope.build_manifest(*facts)
        packed = PackedSnapshot(
            feed,
            at,
            self._signer.sign_policy(body, issued_at_ms),
            chunks,
            tally.count,
            Millis(self._clock.monotonic_ms()),
        )
        if self._catalogue_only:
            self._meters.counter(SNAPSHOTS, feed, "catalogue_packed").inc()
        else:
            self._meters.counter(SNAPSHOTS, feed, "packed").inc()
            self._meters.histogram(SNAPSHOT_PACK, feed).observe((packed.packed_mono_ms - started_ms) / 1_000)
        return packed

    def _keep(self, packed: PackedSnapshot) -> None:
        """Put a snapshot on the shelf; the oldest leave until the budget is met. One over the budget is not kept."""
        with self._guard:
            self._kept.pop(packed.feed, None)
            if packed.size > self._budget_bytes:
                return
            self._kept[packed.feed] = packed
            while sum(kept.size for kept in self._kept.values()) > self._budget_bytes:
                self._kept.pop(next(iter(self._kept)))

    def __repr__(self) -> str:
        """Show what is kept."""
        return f"<SnapshotShelf [{len(self._kept)} kept | {sum(kept.size for kept in self._kept.values())} bytes]>"


class _Tally:
    """Hands records on while it counts them and sums their hashes."""

    __slots__ = ("_records", "count", "total")

    def __init__(self, records: Iterable[tuple[str, bytes]]) -> None:
        self._records = records
        self.count = 0
        self.total = digest.EMPTY_SUM

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield each record once."""
        for key, body in self._records:
            self.count += 1
            self.total += digest.record_hash(key, body)
            yield key, body
