"""Executes the commands that ask a source for something, and turns what comes of it into events. Every command is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from entitlements.policy.feed_state_commands import FetchHead, FetchRange, FetchSnapshot
from entitlements.policy.feed_state_events import (
    Event,
    FetchFailed,
    FetchProblem,
    Head,
    HeadArrived,
    HeartbeatArrived,
    PollEnded,
    RangeArrived,
    SnapshotArrived,
)
from entitlements.policy.feed_state_value import Path
from entitlements.wire.envelope import FeedHeartbeat, Refusal, Refused
from sidecar.feed.control_source import AttestingSource
from sidecar.feed.inspector import Inspector
from sidecar.feed.source import HintingSource, PolicySource, SourceUnavailable, Trimmed, Unsuitable
from sidecar.feed.status import FeedMetrics

Fetch = FetchHead | FetchRange | FetchSnapshot


class Fetcher:
    """Asks Redis or the control plane, as the command says, and never the other one instead."""

    def __init__(
        self,
        product: str,
        redis: HintingSource,
        control: AttestingSource,
        inspector: Inspector,
        metrics: FeedMetrics,
        on_refused: Callable[[Refused], None],
    ) -> None:
        """Hold the two sources of one feed; `on_refused` hears of bytes that were not accepted."""
        self._product = product
        self._redis = redis
        self._control = control
        self._inspector = inspector
        self._metrics = metrics
        self._on_refused = on_refused

    async def fetch(self, command: Fetch) -> list[Event]:
        """Return the events that answer a fetch."""
        match command:
            case FetchHead():
                return await self._answered("head", command, lambda: self._head(command))
            case FetchRange():
                return await self._answered("range", command, lambda: self._range(command))
            case FetchSnapshot():
                return await self._answered("snapshot", command, lambda: self._snapshot(command))

    async def poll(self) -> list[Event]:
        """Return the control plane's newest heartbeat, if it comes and is accepted, and the end of the poll."""
        good = False
        events: list[Event] = []
        try:
            events.append(HeartbeatArrived(await self._heartbeat(), Path.CONTROL))
            good = True
        except SourceUnavailable:
            pass
        except Refused as refused:
            self._on_refused(refused)
        self._metrics.fetched(self._product, "heartbeat", Path.CONTROL.value, good=good)
        return [*events, PollEnded()]

    async def key_sets(self) -> list[bytes]:
        """Return what both paths hold, so one of them cannot keep a revocation from us."""
        both = ((Path.CONTROL, self._control), (Path.REDIS, self._redis))
        found = await asyncio.gather(*(self._key_set(path, source) for path, source in both))
        return [key_set for key_set in found if key_set is not None]

    async def _key_set(self, path: Path, source: PolicySource) -> bytes | None:
        try:
            key_set = await source.key_set()
        except (SourceUnavailable, Trimmed):
            key_set = None
        self._metrics.fetched(self._product, "key_set", path.value, good=key_set is not None)
        return key_set

    def _source(self, path: Path) -> PolicySource:
        return self._redis if path is Path.REDIS else self._control

    async def _head(self, command: FetchHead) -> list[Event]:
        if command.path is Path.REDIS:
            return [HeadArrived(command.ticket, await self._redis.head())]
        heartbeat = await self._heartbeat()
        head = Head(heartbeat.epoch, heartbeat.seq, heartbeat.min_replay_seq)
        return [HeartbeatArrived(heartbeat, Path.CONTROL), HeadArrived(command.ticket, head)]

    async def _heartbeat(self) -> FeedHeartbeat:
        return self._inspector.heartbeat(await self._control.heartbeat())

    async def _range(self, command: FetchRange) -> list[Event]:
        envelopes = await self._source(command.path).range_after(command.after)
        deltas = self._inspector.page(envelopes)
        return [RangeArrived(command.ticket, deltas, envelopes[-1] if envelopes else b"")]

    async def _snapshot(self, command: FetchSnapshot) -> list[Event]:
        source = self._source(command.path)
        loaded = await source.snapshot(
            lambda raw: self._inspector.manifest(raw, command), catalogue=self._inspector.catalogue_only
        )
        records = await asyncio.to_thread(self._inspector.records, loaded)
        return [SnapshotArrived(command.ticket, loaded.manifest, loaded.envelope, records)]

    async def _answered(self, what: str, command: Fetch, call: Callable[[], Awaitable[list[Event]]]) -> list[Event]:
        events: list[Event]
        try:
            events = await call()
        except SourceUnavailable:
            events = [FetchFailed(command.ticket)]
        except Trimmed:
            events = [FetchFailed(command.ticket, FetchProblem.TRIMMED)]
        except Unsuitable:
            events = [FetchFailed(command.ticket, FetchProblem.UNSUITABLE)]
        except Refused as refused:
            self._on_refused(refused)
            unknown = refused.reason is Refusal.UNKNOWN_KID
            events = [FetchFailed(command.ticket, FetchProblem.UNKNOWN_KEY if unknown else FetchProblem.REFUSED)]
        self._metrics.fetched(
            self._product, what, command.path.value, good=not any(isinstance(event, FetchFailed) for event in events)
        )
        return events

    def __repr__(self) -> str:
        """Show both sources."""
        return f"<Fetcher {self._product} [{self._redis!r} | {self._control!r}]>"
