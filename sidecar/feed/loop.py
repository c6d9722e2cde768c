"""Runs one feed: tells the protocol what happens, does what it says, and sleeps until the next thing is due.

A frame goes from the socket to the committed store inside one call: verified, decided, written, with nothing queued. What takes longer
(fetches, snapshots, the disk) runs in tasks that report back by events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from entitlements.policy import feed_state_commands as commands
from entitlements.policy.feed_state import FeedState, Moment, step, wake_at
from entitlements.policy.feed_state_events import (
    Disconnected,
    Event,
    KeySetArrived,
    KeySetFailed,
    NudgeArrived,
    Refused,
    StoreDamaged,
    Subscribed,
    Tick,
)
from entitlements.policy.feed_state_value import Version
from entitlements.policy.ids import Millis
from entitlements.store.errors import CorruptStore, StoreError
from entitlements.wire import envelope
from sidecar.feed.fetcher import Fetcher
from sidecar.feed.inspector import Inspector
from sidecar.feed.ledger import Ledger
from sidecar.feed.parts import FeedParts
from sidecar.feed.pen import Pen
from sidecar.feed.procurement import Procurement
from sidecar.feed.reporter import Reporter
from sidecar.feed.status import FeedStatus


class FeedLoop:
    """One product's feed, from the bus and the two sources into the store, which must have been verified before."""

    def __init__(self, parts: FeedParts) -> None:
        """Take everything by hand; nothing is opened before `run`."""
        self._parts = parts
        self._clock = parts.clock
        self._reporter = Reporter(parts.product, parts.control, parts.identity, parts.metrics, parts.clock)
        ledger = Ledger(parts.room, parts.clock) if parts.room else None
        self._pen = Pen(parts.writer, self._store_failed, ledger)
        self._inspector = Inspector(parts.product, parts.ring, parts.clock, catalogue_only=ledger is not None)
        self._fetcher = Fetcher(parts.product, parts.redis, parts.control, self._inspector, parts.metrics, self.refused)
        self.procurement = None if ledger is None else Procurement(parts, ledger, self._pen, self._inspector, self)
        self._state = FeedState()
        self._events: deque[Event] = deque()
        self._stepping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_mono_ms = Millis(0)
        self._ended: asyncio.Future[None] | None = None
        self._acking = False
        self._next_ack: commands.Ack | None = None
        self._pulsed = False

    @property
    def state(self) -> FeedState:
        """Return the protocol's state."""
        return self._state

    @property
    def status(self) -> FeedStatus:
        """Return what probes and pages want to know."""
        state = self._state
        return FeedStatus(
            product=self._parts.product,
            state=state.phase,
            epoch=state.version.epoch,
            seq=state.version.seq,
            head_epoch=state.known_head.epoch,
            head_seq=state.known_head.seq,
            age_ms=self._age_ms(),
            redis_breaker=self._parts.redis_breaker.state,
            control_breaker=self._parts.control_breaker.state,
            counters=dict(self._reporter.counters),
            held=None if self.procurement is None else self.procurement.held,
        )

    async def run(self) -> None:
        """Follow the feed until cancelled.

        Ends by itself only with an error: CorruptStore when the store must be set aside and the feed begun anew, anything else for a bug.
        """
        self._ended = asyncio.get_running_loop().create_future()
        try:
            self.tell(self._pen.started(has_keys=self._install_stored_keys()))
            await self._ended
        finally:
            await self._close()

    def report_damage(self) -> None:
        """Say that a reader found a damaged record: a snapshot will replace what is stored."""
        self.tell(StoreDamaged())

    def subscribed(self) -> None:
        """Hear from the bus (BusListener)."""
        self.tell(Subscribed())

    def disconnected(self) -> None:
        """Hear from the bus (BusListener)."""
        self.tell(Disconnected())

    def frame(self, raw: bytes) -> None:
        """Hear from the bus (BusListener)."""
        try:
            kind, event = self._inspector.frame(raw)
        except envelope.Refused as refused:
            self.refused(refused)
            return
        self._reporter.frame(kind)
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Take an event through the protocol, and everything that follows from it at once."""
        self._events.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events:
                self._state, following = step(self._state, self._events.popleft(), self._moment())
                for command in following:
                    self._execute(command)
        except Exception as error:  # noqa: BLE001 - whoever brought the event cannot answer for this: it ends the feed
            self._end(error)
        finally:
            self._stepping = False
        self._reporter.state(self._state, self._age_ms())
        if self.procurement is not None:
            self.procurement.moved(may_write=self._state.writing is None)
        self._arm()

    def _execute(self, command: commands.Command) -> None:
        match command:
            case commands.Note():
                self._reporter.rule(command.rule)
            case commands.Apply():
                self._events.append(self._pen.apply(command))
            case commands.Pulse():
                self._pulsed = True
                self._pen.pulse(command)
            case commands.Ack():
                self._next_ack = command
                if not self._acking:
                    self._acking = True
                    self._spawn(self._acknowledge())
            case commands.FetchHead() | commands.FetchRange() | commands.FetchSnapshot():
                self._spawn(self._told(self._fetcher.fetch(command)))
            case commands.Replace():
                self._writes.add(self._spawn(self._replaced(command)))
            case commands.PollSecondPath():
                self._spawn(self._told(self._fetcher.poll()))
            case commands.FetchKeySet():
                self._spawn(self._fetch_key_set())
            case commands.OpenLink():
                self._parts.bus.open(self)
            case commands.DropLink():
                self._spawn(self._parts.bus.drop())
            case commands.SetForked():
                self._pen.set_forked()
            case commands.Persist():
                self._writes.add(self._spawn(self._persisted()))

    async def _told(self, fetching: Coroutine[Any, Any, list[Event]]) -> None:
        for event in await fetching:
            self.tell(event)

    async def _replaced(self, command: commands.Replace) -> None:
        self.tell(await self._pen.replace(command))

    async def _persisted(self) -> None:
        self.tell(await self._pen.persist())

    async def _acknowledge(self) -> None:
        """Send acks until none is waiting; of several that wait only the newest is sent."""
        try:
            while self._next_ack is not None:
                ack, self._next_ack = self._next_ack, None
                await self._reporter.acknowledge(ack, self._age_ms())
        finally:
            self._acking = False

    async def _fetch_key_set(self) -> None:
        ring = self._parts.ring
        before, accepted = ring.version, False
        for signed in await self._fetcher.key_sets():
            try:
                ring.install(signed)
                accepted = True
            except envelope.Refused as refused:
                self.refused(refused)
        installed = ring.signed_key_set
        if installed is not None and installed != self._pen.key_set:
            await self._pen.keep_key_set(installed, ring.version)
        self.tell(KeySetArrived(ring.version > before) if accepted else KeySetFailed())

    def _install_stored_keys(self) -> bool:
        """Start with the key set that was stored beside the records, and return whether there is one."""
        stored = self._pen.key_set
        if stored is not None:
            try:
                self._parts.ring.install(stored)
            except envelope.Refused as refused:
                self.refused(refused)
        return self._parts.ring.version > 0

    def ahead(self, version: Version) -> None:
        """Hear that a genuine proof speaks of a position (ProcurementListener)."""
        if version > self._state.known_head:
            self.tell(NudgeArrived(version))

    def refused(self, refused: envelope.Refused) -> None:
        """Hear of bytes that were not accepted (ProcurementListener)."""
        self._reporter.refused(refused)
        self.tell(Refused(unknown_key=refused.reason is envelope.Refusal.UNKNOWN_KID))

    def _store_failed(self, what: str, error: StoreError) -> None:
        self._reporter.store_failed(what, error)
        if isinstance(error, CorruptStore):
            self._end(error)

    def _moment(self) -> Moment:
        return Moment(Millis(self._clock.now_ms()), Millis(self._clock.monotonic_ms()), self._parts.draw())

    def _age_ms(self) -> Millis | None:
        """Return how long ago the newest confirming heartbeat was issued; across a restart only the wall clock can tell."""
        held = self._pen.state
        if held is None:
            return None
        if self._pulsed and held.mono_rx_ms:
            waited = self._clock.monotonic_ms() - held.mono_rx_ms
            return Millis(waited + max(0, held.wall_rx_ms - held.issued_at_ms))
        return Millis(max(0, self._clock.now_ms() - held.issued_at_ms))

    def _arm(self) -> None:
        """Set the timer to the next instant at which something is due."""
        if self._ended is None or self._ended.done():
            return
        due = wake_at(self._state)
        if self._timer is not None:
            if due == self._due_mono_ms:
                return
            self._timer.cancel()
        self._due_mono_ms = due
        delay_s = max(0, due - self._clock.monotonic_ms()) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell(Tick())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._writes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        ended = self._ended
        if ended is not None and not ended.done():
            ended.get_loop().call_soon_threadsafe(_fail, ended, error)

    async def _close(self) -> None:
        """Stop everything; what is stored stays as it is, and is brought to disk once more."""
        if self._timer is not None:
            self._timer.cancel()
        await self._parts.bus.drop()
        if self.procurement is not None:
            await self.procurement.close()
        for task in self._tasks - self._writes:  # a thread that writes cannot be cancelled, only waited for
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pen.persist()

    def __repr__(self) -> str:
        """Show product and state."""
        return f"<FeedLoop {self._parts.product} [{self._state!r}]>"


def _fail(ended: asyncio.Future[None], error: BaseException) -> None:
    if not ended.done():
        ended.set_exception(error)
