"""The one writer: a change, its position, its digest and its signed proof land in one transaction or not at all.

Transactions are not synced one by one: the page cache survives a killed process, and after a power loss the start-up re-hash finds what is
missing. ``sync`` is called from time to time, and ``raise_floor`` after it. Readers see the old version or the new one.

A partial set holds the whole catalogue and the customers given to ``hold``. Its digest cannot be compared with the signed one, which is
that of the whole set; what vouches for it is that each part was signed, that each delta continues the signed chain, and, after a
restart, the sum over what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import lmdb

from entitlements.policy.digest import EMPTY_SUM, digest_of, sum_from_bytes, sum_to_bytes
from entitlements.policy.ids import Millis, RecordKey
from entitlements.store.access import Access
from entitlements.store.contents import Delta, Manifest
from entitlements.store.errors import (
    CorruptStore,
    DigestMismatch,
    NotAhead,
    NothingStored,
    StoreUnwritable,
)
from entitlements.store.floor import Floor, read_floor, write_floor
from entitlements.store.layout import (
    ABSENT,
    DIGEST_KEY,
    ENVELOPE_KEY,
    KEY_SET_KEY,
    STATE_KEY,
    SUM_KEY,
    StoreState,
    unpack_state,
)
from entitlements.store.mapped_file import MappedFile
from entitlements.store.opened import Opened
from entitlements.store.reader import StoreReader
from entitlements.store.summing import Summing, changed, changed_record, check_run

_NEVER = Millis(0)


class StoreWriter:
    """Opens or creates the store of one feed directory for writing.

    ``map_bytes`` is address space, not disk: take at least three times the expected set. ``boot_id`` names this boot of the machine and
    travels with the pulse, ``access`` says who else may map the store. Raises StoreBusy when another process writes, CorruptStore when the file is no usable store (set it aside),
    FloorDamaged when the floor cannot be read.
    """

    def __init__(self, directory: Path, map_bytes: int, boot_id: str = "", access: Access = Access.PRIVATE) -> None:
        self._directory = directory
        self._boot_id = boot_id
        self._file = MappedFile(directory, map_bytes, access)
        try:
            self._floor = read_floor(directory)
            packed, total = self._file.read(STATE_KEY), self._file.read(SUM_KEY)
            self._state = None if packed is None else unpack_state(packed)
            try:
                self._sum = EMPTY_SUM if total is None else sum_from_bytes(total)
            except ValueError as error:
                raise CorruptStore(str(error)) from error
        except BaseException:
            self._file.close()
            raise
        self._key_set_version = self._floor.key_set_version
        self._synced = self._floor.position

    @property
    def state(self) -> StoreState | None:
        """Return position and pulse, None before the first policy set."""
        return self._state

    @property
    def digest_sum(self) -> int:
        """Return the multiset sum over all records that are held."""
        return self._sum

    @property
    def digest(self) -> bytes:
        """Return the digest of the whole set at the present position: computed, or, of a partial set, the signed one."""
        partial = self._state is not None and self._state.partial
        return self._file.read(DIGEST_KEY) or b"" if partial else digest_of(self._sum)

    @property
    def last_envelope(self) -> bytes | None:
        """Return the exact bytes of the envelope that signed the present set (delta or manifest)."""
        return self._file.read(ENVELOPE_KEY)

    @property
    def key_set(self) -> bytes | None:
        """Return the exact bytes of the stored key set."""
        return self._file.read(KEY_SET_KEY)

    @property
    def floor(self) -> Floor:
        """Return the lowest position that this store accepts."""
        return self._floor

    def apply(self, deltas: Sequence[Delta], envelope: bytes) -> StoreState:
        """Apply a run of deltas in one transaction, keep ``envelope`` (of the last one) as proof, and return the new state.

        Of a partial set, customers that are not held stay so; one that is held and is removed becomes proven absent.
        Raises NothingStored, NotAhead, NotNext, DigestMismatch, StoreFull, StoreUnwritable; each leaves everything as it was.
        """
        state = self._present()
        if not deltas:
            return state
        check_run(state, deltas)
        last = deltas[-1]

        def change(txn: lmdb.Transaction[bytes]) -> int:
            total = self._sum
            for delta in deltas:
                total = changed(self._file, txn, total, delta.ops, partial=state.partial)
            self._prove(txn, total, last.digest, envelope, None if state.partial else last.digest)
            return total

        return self._commit(state._replace(epoch=last.epoch, seq=last.seq, chain=last.chain), change)

    def replace(
        self,
        records: Iterable[tuple[str, bytes]],
        manifest: Manifest,
        envelope: bytes,
        part_digest: bytes | None = None,
    ) -> StoreState:
        """Replace everything by a snapshot in one transaction, records sorted by key, and return the new state.

        With ``part_digest``, that of these records alone, the set is partial: a catalogue, and no customer held yet.
        Clears ``forked``. The pulse stays within one epoch; in a new one it starts at the manifest's time, without a receive time. Raises
        NotAhead (below the stored position or the floor), DigestMismatch (also for a wrong count or order), StoreFull (after which the
        map has grown, so the same snapshot may be taken again), StoreUnwritable; each leaves everything as it was.
        """
        position = (manifest.epoch, manifest.seq)
        lowest = max(self._state[:2] if self._state is not None else (0, 0), self._floor.position)
        if position < lowest:
            raise NotAhead(f"the snapshot {position[0]}-{position[1]} is below {lowest[0]}-{lowest[1]}")

        def change(txn: lmdb.Transaction[bytes]) -> int:
            self._file.note_all()
            summing = Summing(records)
            txn.drop(self._file.records, delete=False)
            with txn.cursor(db=self._file.records) as cursor:
                cursor.putmulti(summing.packed(), append=True)
            if summing.count != manifest.record_count:
                raise DigestMismatch(f"the snapshot has {summing.count} records, not {manifest.record_count} as signed")
            self._prove(txn, summing.total, manifest.digest, envelope, part_digest or manifest.digest)
            return summing.total

        if self._state is not None and self._state.epoch == manifest.epoch:
            before = self._state
        else:
            before = StoreState(
                manifest.epoch, manifest.seq, b"", True, False, manifest.issued_at_ms, _NEVER, _NEVER, ""
            )
        following = before._replace(
            seq=manifest.seq, chain=manifest.chain, complete=True, forked=False, partial=part_digest is not None
        )
        return self._commit(following, change, again=iter(records) is not records)

    def hold(self, taken: Mapping[RecordKey, bytes | None], dropped: Iterable[RecordKey] = ()) -> StoreState:
        """Hold customers as they are at the present position, None being proven absent, and let others go, in one transaction.

        NothingStored unless the set is partial; StoreFull, StoreUnwritable as elsewhere. The position stays.
        """
        state = self._present()
        if not state.partial:
            raise NothingStored("the set is whole: customers are neither taken nor dropped")

        def change(txn: lmdb.Transaction[bytes]) -> int:
            total = self._sum
            for key in dropped:
                total = changed_record(self._file, txn, total, key, None)
            for key, body in taken.items():
                total = changed_record(self._file, txn, total, key, body or ABSENT)
            txn.put(SUM_KEY, sum_to_bytes(total), db=self._file.meta)
            return total

        return self._commit(state, change)

    def pulse(self, issued_at_ms: int, wall_rx_ms: int, mono_rx_ms: int) -> StoreState:
        """Record a good heartbeat: its own time and the two clocks at its arrival. NothingStored before the first policy set."""
        return self._commit(
            self._present()._replace(
                issued_at_ms=Millis(issued_at_ms),
                wall_rx_ms=Millis(wall_rx_ms),
                mono_rx_ms=Millis(mono_rx_ms),
                boot_id=self._boot_id,
            )
        )

    def set_forked(self, forked: bool) -> StoreState:  # noqa: FBT001 - the state it sets
        """Record whether this store is on a branch that the control plane does not have."""
        return self._commit(self._present()._replace(forked=forked))

    def put_key_set(self, signed_key_set: bytes, version: int = 0) -> None:
        """Keep the root-signed key set; its version becomes part of the floor at the next ``raise_floor``."""
        self._file.transact(lambda txn: txn.put(KEY_SET_KEY, signed_key_set, db=self._file.meta))
        self._key_set_version = max(self._key_set_version, version)

    def sync(self) -> None:
        """Bring everything committed so far to the disk; StoreUnwritable when it refuses."""
        position = self._synced if self._state is None else (self._state.epoch, self._state.seq)
        self._file.sync()
        self._synced = max(self._synced, position)

    def raise_floor(self) -> Floor:
        """Raise the floor to the position of the last ``sync`` and return it; it never sinks. StoreUnwritable when the disk refuses."""
        epoch, seq = self._synced
        floor = Floor(epoch, seq, self._key_set_version)
        if floor != self._floor:
            try:
                write_floor(self._directory, floor)
            except OSError as error:
                raise StoreUnwritable(f"the floor cannot be written: {error}") from error
            self._floor = floor
        return floor

    def clear_dead_readers(self) -> int:
        """Free the slots of readers that were killed, which would keep old pages alive; return how many."""
        return self._file.clear_dead_readers()

    @property
    def file(self) -> MappedFile:
        """Return the file, for its compaction."""
        return self._file

    def fill(self) -> float:
        """Return the used share of the map as it may grow, 0 to 1; alarm above 0.8."""
        return self._file.fill()

    def reader(self) -> StoreReader:
        """Return a reader inside this very process, which cannot open the same file a second time; for tests and local tools.

        Its views must have ended before the next write, because growing the map moves it.
        """
        opened = Opened(self._file.environment, self._file.records, self._file.meta, (0, 0))
        return StoreReader.sharing(self._directory, opened)

    def close(self) -> None:
        """Close the store and let another writer in; closing twice is harmless."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state, floor = self._state, self._floor
        position = "empty" if state is None else f"{state.epoch}-{state.seq}{' forked' if state.forked else ''}"
        return f"<StoreWriter {self._directory.name} [{position} | floor {floor.epoch}-{floor.seq}]>"

    def _present(self) -> StoreState:
        if self._state is None:
            raise NothingStored("there is no policy set yet: take a snapshot")
        return self._state

    def _prove(
        self, txn: lmdb.Transaction[bytes], total: int, signed: bytes, envelope: bytes, expected: bytes | None
    ) -> None:
        """Keep the proof of a change; DigestMismatch unless what is held now is what was expected, when something can be."""
        if expected is not None and digest_of(total) != expected:
            raise DigestMismatch("the set after this change is not the signed one")
        txn.put(SUM_KEY, sum_to_bytes(total), db=self._file.meta)
        txn.put(DIGEST_KEY, signed, db=self._file.meta)
        txn.put(ENVELOPE_KEY, envelope, db=self._file.meta)

    def _commit(
        self,
        following: StoreState,
        change: Callable[[lmdb.Transaction[bytes]], int] | None = None,
        *,
        again: bool = True,
    ) -> StoreState:
        def whole(txn: lmdb.Transaction[bytes]) -> int:
            total = self._sum if change is None else change(txn)
            txn.put(STATE_KEY, following.pack(), db=self._file.meta)
            return total

        self._sum = self._file.transact(whole, again=again)
        self._state = following
        return following
