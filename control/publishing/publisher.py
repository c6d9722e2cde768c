"""The publisher: one thread that brings committed changes to Redis and signs a heartbeat each second.

It wakes when a commit is announced in this process, and every half second in any case, so a lost announcement, a
restart, or a commit of another process costs half a second at most. Any number of publishers may run at once: they
only emit what the database holds, under ids that Redis itself checks.
"""

from __future__ import annotations

import functools
import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from control.domain.errors import Busy
from control.domain.publishing import Claim, Position, Witness, lost_history
from control.metrics import FEED_HEAD, HEARTBEATS, HELD, TURNS_LOST
from control.publishing.ack_desk import AckDesk
from control.publishing.heartbeats import HEARTBEAT_EVERY_MS, HeartbeatBook
from control.publishing.key_files import KeyFileError
from control.publishing.publisher_feed import FeedPublisher, Shared
from control.publishing.redis_log import LogUnavailableError, RedisLog
from control.publishing.signing import NoSigningKeyError
from control.store.feed_log import FeedHead
from entitlements.policy.ids import Millis, Seq
from entitlements.wire.envelope import Refused

TURN_EVERY_MS: Final = 500
SAFE_EVICTION_POLICY: Final = "noeviction"
_CHAIN_BYTES: Final = 32


class Publisher:
    """Drives all feeds of one control plane. `follow` and `turn` are its whole work; the thread only calls them."""

    def __init__(self, shared: Shared, heartbeats: HeartbeatBook, desk: AckDesk) -> None:
        self._shared = shared
        self._heartbeats = heartbeats
        self._desk = desk
        self._feeds: dict[str, FeedPublisher] = {}
        self._woken: set[str] = set()
        self._guard = threading.Lock()
        self._bell = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._beat_mono_ms: int | None = None
        self._redis_problem: str | None = "not asked yet"

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread after its present turn; what is not published yet waits in the outbox."""
        self._stopping = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def redis_problem(self) -> str | None:
        """Return why nothing goes out over Redis; None while it does."""
        return self._redis_problem

    def announce(self, feeds: Iterable[str]) -> None:
        """Say that changes of these feeds were committed; returns at once, from any thread."""
        with self._guard:
            self._woken.update(feeds)
        self._bell.set()

    def feed(self, name: str) -> FeedPublisher | None:
        """Return the publisher of one feed; None before its first turn, or without Redis."""
        return self._feeds.get(name)

    def follow(self) -> None:
        """Publish what was announced since the last call: the fast path."""
        with self._guard:
            woken, self._woken = self._woken, set()
        if self._redis_problem is not None:
            self._beat(unsent_only=True)  # sidecars follow over gRPC now, and learn of news by the heartbeat
            return
        lines = [self._feeds.get(name) for name in sorted(woken)]
        try:
            done = all(line is not None and line.follow() for line in lines)
        except LogUnavailableError as error:
            self._lose_redis(str(error))
            return
        if not done:
            self.turn()

    def turn(self) -> None:
        """Take acknowledgements, sign heartbeats when due, and make every log equal the database.

        Heartbeats come before Redis, which may keep us waiting; claims and logs are read before the heads that they
        are compared with, so that a head is never the older one.
        """
        claims = self._take_acks()
        heads = self._beat()
        self._judge(heads, claims)
        redis = self._shared.redis
        if redis is None:
            return
        try:
            self._admit(redis)
            if self._redis_problem is None:
                self._level(redis, heads)
        except LogUnavailableError as error:
            self._lose_redis(str(error))

    def _level(self, redis: RedisLog, heads: Mapping[str, FeedHead]) -> None:
        for name in self._feeds.keys() - heads.keys():
            del self._feeds[name]
        for name in heads:
            line = self._feeds.get(name)
            if line is None:
                line = self._feeds[name] = FeedPublisher(name, redis, self._shared)
            line.look()
        for head in self._shared.log.heads():
            if head.feed in heads:
                self._feeds[head.feed].reconcile(head)
        for name, line in self._feeds.items():
            beat = self._heartbeats.newest(name)
            if beat is not None and line.broadcast(beat):
                self._shared.meters.counter(HEARTBEATS, name, "broadcast").inc()

    def _take_acks(self) -> Mapping[str, list[Claim]]:
        """Store what sidecars reported, and return it as claims."""
        acks = self._desk.take()
        try:
            self._shared.log.save_acks(acks)
        except SQLAlchemyError:
            self._desk.give_back(acks)
            raise
        claims: defaultdict[str, list[Claim]] = defaultdict(list)
        for ack in acks:
            if len(ack.chain) == _CHAIN_BYTES:
                at = Position(ack.epoch, ack.seq, ack.chain)
                claims[ack.feed].append(Claim(at, Witness.ACK, forked=ack.state == "forked"))
        return claims

    def _judge(self, heads: Mapping[str, FeedHead], claims: Mapping[str, list[Claim]]) -> None:
        """Begin a new epoch where an authenticated sidecar holds history that the database lacks; needs no Redis."""
        log, now_ms = self._shared.log, Millis(self._shared.clock.now_ms())
        for name in claims.keys() & heads.keys():
            head = heads[name]
            chain_at = functools.partial(log.chain_at, name, head.position.epoch)
            lost = lost_history(head.position, chain_at, claims[name], now_ms)
            if lost is not None:
                self._shared.epochs.heal(head, lost)

    def _beat(self, *, unsent_only: bool = False) -> dict[str, FeedHead]:
        """Read all heads and sign their heartbeats: each second, and between only for heads that moved (`unsent_only`)."""
        asked_at_ms = Millis(self._shared.clock.now_ms())
        mono_ms = self._shared.clock.monotonic_ms()
        heads = {head.feed: head for head in self._shared.log.heads()}
        # A turn that wakes a millisecond early beats all the same, or the next one would come half a second late.
        due = self._beat_mono_ms is None or mono_ms - self._beat_mono_ms >= HEARTBEAT_EVERY_MS - TURN_EVERY_MS // 2
        if due and not unsent_only:
            self._beat_mono_ms = mono_ms
        for name, head in heads.items():
            before = self._heartbeats.newest(name)
            if before is not None and before.head == head.position and (unsent_only or not due):
                continue
            packed = self._shared.shelf.newest(name)
            snapshot_seq = packed.at.seq if packed is not None and packed.at.epoch == head.position.epoch else Seq(0)
            self._heartbeats.write(name, head.position, head.digest, asked_at_ms, head.oldest_seq, snapshot_seq)
            self._shared.meters.counter(HEARTBEATS, name, "signed").inc()
            self._shared.meters.gauge(FEED_HEAD, name, "epoch").set(head.position.epoch)
            self._shared.meters.gauge(FEED_HEAD, name, "seq").set(head.position.seq)
        self._heartbeats.keep(heads.keys())
        return heads

    def _admit(self, redis: RedisLog) -> None:
        """Refuse a Redis that may drop parts of a log when its memory is full."""
        policy = redis.eviction_policy()
        problem = None
        if policy != SAFE_EVICTION_POLICY:
            problem = f"maxmemory-policy is {policy}: Redis may drop parts of the log; set it to {SAFE_EVICTION_POLICY}"
        if problem is not None and problem != self._redis_problem:
            structlog.get_logger().error("redis_refused", problem=problem)
        self._shared.meters.gauge(HELD, "", "eviction_policy").set(0 if problem is None else 1)
        self._redis_problem = problem

    def _lose_redis(self, problem: str) -> None:
        if self._redis_problem is None:
            structlog.get_logger().warning("redis_lost", problem=problem)
        self._redis_problem = problem
        for line in self._feeds.values():
            line.lost()

    def _run(self) -> None:
        clock = self._shared.clock
        due_mono_ms = clock.monotonic_ms()
        while not self._stopping:
            rung = self._bell.wait(max(0, due_mono_ms - clock.monotonic_ms()) / 1_000)
            self._bell.clear()
            try:
                if rung:
                    self.follow()
                if clock.monotonic_ms() >= due_mono_ms:
                    due_mono_ms = clock.monotonic_ms() + TURN_EVERY_MS
                    self._refresh_keys()
                    self.turn()
            except (SQLAlchemyError, Busy, NoSigningKeyError) as error:
                self._shared.meters.counter(TURNS_LOST, "publisher").inc()
                structlog.get_logger().error("publisher_turn_lost", problem=f"{type(error).__name__}: {error}")
                due_mono_ms = clock.monotonic_ms() + round(TURN_EVERY_MS * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            except Exception:  # noqa: BLE001 - the seam of a thread: a mistake costs one turn, never all that follow
                self._shared.meters.counter(TURNS_LOST, "publisher").inc()
                structlog.get_logger().exception("publisher_turn_lost")

    def _refresh_keys(self) -> None:
        """Take up a changed key set; one that cannot be read leaves the keys in use."""
        try:
            if self._shared.signer.refresh():
                structlog.get_logger().info("key_set_changed", version=self._shared.signer.version)
        except (KeyFileError, Refused) as error:
            structlog.get_logger().error("key_set_refused", problem=str(error))

    def __repr__(self) -> str:
        """Show the feeds and whether Redis is in use."""
        redis = "none" if self._shared.redis is None else "usable" if self._redis_problem is None else "away"
        return f"<Publisher [{len(self._feeds)} feeds | redis {redis}]>"
