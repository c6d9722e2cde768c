"""Holds the store's writer: executes the commands that write, and turns what comes of it into events.

Short writes happen at once, on the event loop's thread, so a delta is visible to readers when the call returns. A snapshot is written in a
thread; the protocol asks for no other write meanwhile, and the key set waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from entitlements.policy.digest import digest_of
from entitlements.policy.feed_state_commands import Apply, Pulse, Replace
from entitlements.policy.feed_state_events import Applied, ApplyFailed, Event, Persisted, Started, WriteProblem
from entitlements.policy.feed_state_value import Position, Version
from entitlements.policy.ids import Epoch, Seq
from entitlements.store.errors import DigestMismatch, StoreError
from entitlements.store.layout import StoreState
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import FeedDelta, FeedManifest


class Pen:
    """The one writer of one feed's store. `on_failure` hears of every write that the store refused."""

    def __init__(self, writer: StoreWriter, on_failure: Callable[[str, StoreError], None]) -> None:
        """Take over a writer whose store was verified, or is new."""
        self._writer = writer
        self._on_failure = on_failure
        self._long = asyncio.Lock()

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
        return Started(
            position=_position(state),
            digest=digest_of(self._writer.digest_sum),
            floor=lowest,
            forked=state.forked,
            fresh_at_ms=state.issued_at_ms,
            has_keys=has_keys,
        )

    def apply(self, command: Apply) -> Event:
        """Write a run of deltas."""
        deltas = cast("list[FeedDelta] | tuple[FeedDelta, ...]", command.deltas)
        return self._written(lambda: self._writer.apply(deltas, command.envelope))

    async def replace(self, command: Replace) -> Event:
        """Write a snapshot, in a thread."""
        manifest = cast("FeedManifest", command.manifest)
        records = cast("list[tuple[str, bytes]]", command.records)
        async with self._long:
            return await asyncio.to_thread(
                self._written, lambda: self._writer.replace(records, manifest, command.envelope)
            )

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
        return Applied(_position(state), digest_of(self._writer.digest_sum))

    def __repr__(self) -> str:
        """Show the writer."""
        return f"<Pen {self._writer!r}>"


def _position(state: StoreState) -> Position:
    return Position(Epoch(state.epoch), Seq(state.seq), state.chain)
