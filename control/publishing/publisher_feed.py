"""One feed's way from the outbox into the log.

Two paths meet here. `follow` is the fast one, taken when a commit is announced: it appends what comes after the point
it last saw, without asking Redis first, because the script refuses what does not fit. `reconcile` is the level-triggered
one: it compares the database with Redis and does what the plan says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from control.domain.publishing import (
    Append,
    Claim,
    Hold,
    LogState,
    Position,
    ReEpoch,
    Reset,
    Truth,
    Witness,
    contradicts,
    plan,
)
from control.metrics import HELD, LOG_RESETS, OUTBOX_LAG, PUBLISH_LATENCY, PUBLISHED
from control.publishing.epochs import EpochKeeper
from control.publishing.heartbeats import Heartbeat
from control.publishing.redis_log import Answer, Entry, ForeignLogError, RedisLog
from control.publishing.signing import Signer
from control.publishing.snapshots import SnapshotShelf
from control.store.feed_log import FeedHead, FeedLog, OutboxRow
from entitlements.policy.ids import Millis, Seq
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.wire.envelope import FeedDelta, Refused, build_nudge, read_body

PAGE: Final = 500
_PLACED: Final = frozenset({Answer.DONE, Answer.DUPLICATE})


class BrokenOutboxError(Exception):
    """Rows of the outbox do not continue one another; publishing them would fork every sidecar."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all feeds of one publisher use; without `redis` the feed travels over gRPC alone."""

    log: FeedLog
    redis: RedisLog | None
    signer: Signer
    shelf: SnapshotShelf
    catalogues: SnapshotShelf
    epochs: EpochKeeper
    clock: Clock
    meters: Meters


class FeedPublisher:
    """Publishes one feed to Redis; used by one thread."""

    def __init__(self, feed: str, redis: RedisLog, shared: Shared) -> None:
        self.feed = feed
        self.keep_from = Seq(0)
        """Oldest seq that the log must keep; raised by the snapshotter."""
        self.log_state: LogState | None = None
        """The log as `look` saw it."""
        self.held: str | None = None
        """Why a person is needed before anything is published; None in normal life."""
        self._redis = redis
        self._shared = shared
        self._known: Position | None = None
        self._foreign: str | None = None
        self._broadcast_ms = Millis(0)

    def follow(self) -> bool:
        """Append what was committed after the last known point; False when only `reconcile` can help.

        Raises LogUnavailableError when Redis is away; the point is then unknown.
        """
        try:
            return self._known is not None and self._append(None)
        except BrokenOutboxError:  # `reconcile` finds out whether the database went back, and says what is wrong
            return False

    def look(self) -> None:
        """Read the log's state; comes before the database's head is read, so that the head cannot be the older one.

        The other way round, what another publisher appended in between would look like lost history.
        """
        self._known = None
        self.log_state = None
        self._foreign = None
        try:
            self.log_state = self._redis.state(self.feed)
        except ForeignLogError as error:
            self._foreign = str(error)

    def reconcile(self, head: FeedHead) -> None:
        """Make the log that `look` saw equal the database, or say why not. Raises LogUnavailableError when Redis is away."""
        if self._foreign is not None:
            self._hold(self._foreign)
            return
        state = self.log_state
        claims = self._signed_claims(head, state)
        now_ms = Millis(self._shared.clock.now_ms())
        commands = plan(self._truth(head), state, lambda seq: self._chain_at(head, seq), claims, now_ms)
        problem = None
        try:
            for command in commands:
                if isinstance(command, Hold):
                    problem = command.problem
                elif isinstance(command, ReEpoch):
                    self._shared.epochs.heal(head, command)
                elif isinstance(command, Reset):
                    if not self._start_anew(head, command):
                        break
                else:
                    self._append_after(head, command)
        except BrokenOutboxError as error:
            problem = str(error)
        if state is not None and not commands:
            self._known = head.position
        self._hold(problem)
        lag = head.position.seq - (self._known.seq if self._known else 0)
        self._shared.meters.gauge(OUTBOX_LAG, self.feed).set(max(0, lag))

    def broadcast(self, beat: Heartbeat) -> bool:
        """Send a heartbeat to whoever listens, unless it was sent, or the log may be on another branch."""
        if self.held is not None or beat.issued_at_ms <= self._broadcast_ms:
            return False
        self._redis.broadcast(self.feed, beat.envelope)
        self._broadcast_ms = beat.issued_at_ms
        return True

    def lost(self) -> None:
        """Forget where the log stands, after Redis failed."""
        self._known = None
        self.log_state = None

    def _append_after(self, head: FeedHead, command: Append) -> None:
        self._known = self._point(head, command.after)
        self._append(command.through)

    def _append(self, through: Seq | None) -> bool:
        """Append pages after the known point until `through`, or until there is nothing more."""
        while self._known is not None and (through is None or self._known.seq < through):
            at = self._known
            rows = self._shared.log.page(self.feed, at.epoch, at.seq, PAGE)
            if not rows:
                return True
            self._known = None  # until Redis has answered, nothing is known
            entries = self._sign(at, rows)
            nudge_body = build_nudge(self.feed, at.epoch, rows[-1].seq, rows[-1].committed_at_ms)
            nudge = self._shared.signer.sign_heartbeat(nudge_body, rows[-1].committed_at_ms)
            answers = self._redis.append(self.feed, at.epoch, entries, self.keep_from, nudge)
            self._count(rows, answers)
            if len(answers) < len(rows) or answers[-1] not in _PLACED:
                return False
            self._known = Position(at.epoch, rows[-1].seq, rows[-1].chain)
            if len(rows) < PAGE and through is None:
                return True
        return self._known is not None

    def _sign(self, at: Position, rows: list[OutboxRow]) -> list[Entry]:
        """Sign rows that continue a point; a row that does not is never published."""
        entries = []
        chain, seq = at.chain, at.seq
        for row in rows:
            try:
                message = read_body(row.body)
            except Refused as error:
                raise BrokenOutboxError(
                    f"{self.feed}: the delta {at.epoch}-{row.seq} cannot be read: {error}"
                ) from error
            if not isinstance(message, FeedDelta) or message.prev != chain or row.seq != seq + 1:
                raise BrokenOutboxError(
                    f"{self.feed}: the delta {at.epoch}-{row.seq} does not continue {at.epoch}-{seq}"
                )
            entries.append(Entry(row.seq, row.chain, self._shared.signer.sign_policy(row.body, row.committed_at_ms)))
            chain, seq = row.chain, row.seq
        return entries

    def _count(self, rows: list[OutboxRow], answers: list[Answer]) -> None:
        now_ms = self._shared.clock.now_ms()
        latency = self._shared.meters.histogram(PUBLISH_LATENCY, self.feed)
        done = 0
        for row, answer in zip(rows, answers, strict=False):
            if answer is Answer.DONE:
                done += 1
                latency.observe(max(0, now_ms - row.committed_at_ms) / 1_000)
        self._shared.meters.counter(PUBLISHED, self.feed).inc(done)

    def _start_anew(self, head: FeedHead, command: Reset) -> bool:
        base = self._point(head, command.base)
        if self._redis.reset(self.feed, base, command.seen) is not Answer.DONE:
            return False
        self._shared.meters.counter(LOG_RESETS, self.feed).inc()
        structlog.get_logger().warning("log_started_anew", feed=self.feed, epoch=base.epoch, after=base.seq)
        self._redis.put_key_set(self.feed, self._shared.signer.key_set)
        self.log_state = LogState(base, Seq(base.seq + 1), None, 0)
        self.keep_from = Seq(0)
        self._known = base
        return True

    def _point(self, head: FeedHead, seq: Seq) -> Position:
        """Return a point of the database's history that the plan relies on."""
        chain = self._chain_at(head, seq)
        if chain is None:
            raise BrokenOutboxError(
                f"{self.feed}: the delta after {head.position.epoch}-{seq} is gone or cannot be read"
            )
        return Position(head.position.epoch, seq, chain)

    def _chain_at(self, head: FeedHead, seq: Seq) -> bytes | None:
        if seq == head.position.seq:
            return head.position.chain
        return self._shared.log.chain_at(self.feed, head.position.epoch, seq)

    def _signed_claims(self, head: FeedHead, state: LogState | None) -> list[Claim]:
        """Return the log's own head as a claim when our signature is on it; looked up only when it contradicts."""
        if state is None or not contradicts(head.position, state.head, lambda seq: self._chain_at(head, seq)):
            return []
        found = self._redis.entry(self.feed, state.head.epoch, state.head.seq)
        if found is None:
            found = self._redis.manifest(self.feed, state.head.epoch, state.head.seq)
        if found is None:
            return []
        try:
            message = self._shared.signer.ring.verify(found, self.feed, self._shared.clock.now_ms())
        except Refused:
            return []
        chain = getattr(message, "chain", b"")
        return [Claim(Position(message.epoch, message.seq, chain), Witness.LOG)] if chain else []

    def _truth(self, head: FeedHead) -> Truth:
        packed = self._shared.shelf.newest(self.feed)
        held_seq = packed.at.seq if packed is not None and packed.at.epoch == head.position.epoch else None
        return Truth(head.position, head.oldest_seq, held_seq)

    def _hold(self, problem: str | None) -> None:
        if problem is not None and problem != self.held:
            structlog.get_logger().error("publishing_held", feed=self.feed, problem=problem)
        if problem != self.held:
            self._shared.meters.gauge(HELD, self.feed, "contradiction").set(0 if problem is None else 1)
        self.held = problem

    def __repr__(self) -> str:
        """Show where the log is known to stand."""
        at = "unknown" if self._known is None else f"{self._known.epoch}-{self._known.seq}"
        return f"<FeedPublisher [{self.feed} | log {at}{' | held' if self.held else ''}]>"
