"""Holds the store's writer: executes the commands that write, and turns what comes of it into events.

Short writes happen at once, on the event loop's thread, so a delta is visible to readers when the call returns. A snapshot is written in a
thread; the protocol asks for no other write meanwhile, and the key set waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from entitlements.policy.feed_state_commands import Apply, Pulse, Replace
from entitlements.policy.feed_state_events import Applied, ApplyFailed, Event, Persisted, Started, WriteProblem
from entitlements.policy.feed_state_value import Position, Version
from entitlements.policy.ids import Epoch, RecordKey, Seq
from entitlements.runtime.courtesy import Unhurried, give_way
from entitlements.store.errors import DigestMismatch, StoreError
from entitlements.store.layout import StoreState
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import FeedCatalogue, FeedDelta, FeedManifest
from sidecar.feed.ledger import Ledger


class Pen:
    """The one writer of one feed's store. `on_failure` hears of every write that the store refused."""

    def __init__(
        self, writer: StoreWriter, on_failure: Callable[[str, StoreError], None], ledger: Ledger | None = None
    ) -> None:
        """Take over a writer whose store was verified, or is new. With a ledger, the store holds a working set."""
        self._writer = writer
        self._ledger = ledger
        self._on_failure = on_failure
        self._long = asyncio.Lock()
        self._failures = 0

    @property
    def state(self) -> StoreState | None:
        """Return what the store holds."""
        return self._writer.state

    @property
    def key_set(self) -> bytes | None:
        """Return the stored key set."""
        return self._writer.key_set

    def started(self, *, has_keys: bool) -> Started:
        """Return the event with which a feed begins on this store."""
        state, floor = self._writer.state, self._writer.floor
        lowest = Version(floor.epoch, floor.seq)
        if state is None or not state.complete:
            return Started(floor=lowest, has_keys=has_keys)
        if self._ledger is not None:
            self._ledger.begin(self._writer)
        return Started(
            position=_position(state),
            digest=self._writer.digest,
            floor=lowest,
            forked=state.forked,
            fresh_at_ms=state.issued_at_ms,
            has_keys=has_keys,
            fits=state.partial is (self._ledger is not None),
        )

    def apply(self, command: Apply) -> Event:
        """Write a run of deltas."""
        deltas = cast("list[FeedDelta] | tuple[FeedDelta, ...]", command.deltas)
        give_way()
        event = self._written(lambda: self._writer.apply(deltas, command.envelope))
        if self._ledger is not None and isinstance(event, Applied):
            self._ledger.applied(deltas)
        return event

    async def replace(self, command: Replace) -> Event:
        """Write a snapshot, in a thread."""
        manifest = cast("FeedManifest | FeedCatalogue", command.manifest)
        part = manifest.part_digest if isinstance(manifest, FeedCatalogue) else None
        records = cast("list[tuple[str, bytes]]", command.records)
        async with self._long:
            event = await asyncio.to_thread(
                self._written, lambda: self._writer.replace(Unhurried(records), manifest, command.envelope, part)
            )
        if self._ledger is not None and isinstance(event, Applied):
            self._ledger.replaced(event.position)
        return event

    def hold(self, taken: Mapping[RecordKey, bytes | None], dropped: Iterable[RecordKey]) -> bool:
        """Hold customers of the present position and let others go; return whether the store took it. Not while another write runs."""
        before = self._failures
        self._attempted("customers", lambda: self._writer.hold(taken, dropped))
        return self._failures == before

    def pulse(self, command: Pulse) -> None:
        """Note a confirming heartbeat; a store that cannot be written shows as a growing age."""
        self._attempted(
            "pulse", lambda: self._writer.pulse(command.issued_at_ms, command.wall_rx_ms, command.mono_rx_ms)
        )

    def set_forked(self) -> None:
        """Note that the store stands on another history."""
        self._attempted("fork", lambda: self._writer.set_forked(True))

    async def keep_key_set(self, signed: bytes, version: int) -> None:
        """Keep the key set that vouches for what is stored."""
        async with self._long:
            self._attempted("key set", lambda: self._writer.put_key_set(signed, version))

    async def persist(self) -> Persisted:
        """Bring the store to disk, then raise the floor to what is there; in a thread, because disks are slow."""
        return await asyncio.to_thread(self._persist)

    def _persist(self) -> Persisted:
        try:
            self._writer.sync()
            floor = self._writer.raise_floor()
            self._writer.clear_dead_readers()
        except StoreError as error:
            self._on_failure("sync", error)
            return Persisted(None)
        return Persisted(Version(floor.epoch, floor.seq))

    def _attempted(self, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except StoreError as error:
            self._failures += 1
            self._on_failure(what, error)

    def _written(self, write: Callable[[], StoreState]) -> Event:
        try:
            state = write()
        except DigestMismatch as error:
            self._on_failure("write", error)
            return ApplyFailed(WriteProblem.DIGEST_MISMATCH)
        except StoreError as error:
            self._on_failure("write", error)
            return ApplyFailed(WriteProblem.STORE)
        return Applied(_position(state), self._writer.digest)

    def __repr__(self) -> str:
        """Show the writer."""
        return f"<Pen {self._writer!r}>"


def _position(state: StoreState) -> Position:
    return Position(Epoch(state.epoch), Seq(state.seq), state.chain)
