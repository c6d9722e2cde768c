"""A small world around the feed's core: a database, a publisher, Redis, the control plane, a store, and everything that can go wrong.

It knows the truth (which content belongs to which chain value), so it can say after every move whether what the sidecar holds, and what it
calls fresh, is right. The store in here trusts the core blindly: no defence of the real one hides a mistake of the core.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from random import Random
from typing import Final

from entitlements.policy import feed_state_commands as commands
from entitlements.policy.feed_state import FeedState, Moment, step
from entitlements.policy.feed_state_events import (
    Applied,
    ApplyFailed,
    DeltaArrived,
    Disconnected,
    Event,
    FetchFailed,
    FetchProblem,
    Head,
    HeadArrived,
    HeartbeatArrived,
    KeySetArrived,
    Persisted,
    PollEnded,
    RangeArrived,
    SnapshotArrived,
    Started,
    Subscribed,
    Tick,
    WriteProblem,
)
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import NO_VERSION, Path, Phase, Position, Version
from entitlements.policy.ids import Epoch, Millis, Seq
from tests.support.feed_bench import HeartbeatOf, ManifestOf

START_MS: Final = 1_795_000_000_000
FRESH_FOR_MS: Final = 5_000
LOG_KEEPS: Final = 6
SNAPSHOT_EVERY: Final = 3
CALM_LIMIT_MS: Final = 25_000
Content = tuple[tuple[str, int], ...]
Step = Callable[[FeedState, Event, Moment], tuple[FeedState, list[commands.Command]]]


def _hash(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=8).digest()


@dataclass(frozen=True)
class Delta:
    """A delta of the model: one key gets a new value."""

    epoch: Epoch
    seq: Seq
    prev: bytes
    chain: bytes
    digest: bytes
    key: str
    value: int


Message = Delta | HeartbeatOf


@dataclass
class Database:
    """The truth: one branch, its entries since the epoch began, and the present content."""

    epoch: Epoch
    seq: Seq
    chain: bytes
    content: Content
    entries: list[Delta] = field(default_factory=list)

    def copy(self) -> "Database":
        """Return a backup."""
        return replace(self, entries=list(self.entries))

    def chain_at(self, seq: int) -> bytes | None:
        """Return the chain value at a seq of this epoch."""
        if seq == self.seq:
            return self.chain
        later = [entry for entry in self.entries if entry.seq == seq + 1]
        return later[0].prev if later else None


@dataclass
class RedisCopy:
    """What Redis holds of the feed."""

    head: Position | None = None
    low: int = 1
    log: list[Delta] = field(default_factory=list)
    snapshot: tuple[Position, Content] | None = None

    def copy(self) -> "RedisCopy":
        """Return what a replica holds."""
        return replace(self, log=list(self.log))


@dataclass
class Store:
    """What the sidecar holds on disk."""

    position: Position | None = None
    content: Content = ()
    forked: bool = False
    issued_at_ms: int = 0
    wall_rx_ms: int = 0
    mono_rx_ms: int = 0
    floor: Version = NO_VERSION

    def copy(self) -> "Store":
        """Return the same."""
        return replace(self)


class World:
    """All of it. `truth` is chain value -> (position, chain before, content); `heads` when the database stood where."""

    def __init__(self, seed: int, skew_ms: int, core: Step = step) -> None:
        self.random = Random(seed)
        self.core = core
        self.now_ms = START_MS
        self.skew_ms = skew_ms
        self.nonce = 0
        self.truth: dict[bytes, tuple[Position, bytes | None, Content]] = {}
        self.database = Database(Epoch(0), Seq(0), b"", ())
        self.heads: list[tuple[int, Position]] = []
        self.re_epoch()
        self.redis = RedisCopy()
        self.redis_up = self.control_up = self.publisher_up = True
        self.issued_ms = 0
        self.acked: Position | None = None
        self.acked_fork = False
        self.history: list[Message] = []
        self.link = "down"
        self.bus: list[Message] = []
        self.store = Store()
        self.synced = Store()
        self.state = FeedState()
        self.pending: list[tuple[commands.Command, Callable[[], list[Event]]]] = []
        self.rules: set[Rule] = set()
        self.drifted = self.broken = False
        self.lowest = NO_VERSION
        self.start()

    # the control plane

    def _record(self, prev: bytes | None) -> None:
        at = Position(self.database.epoch, self.database.seq, self.database.chain)
        self.truth[at.chain] = (at, prev, self.database.content)
        self.heads.append((self.now_ms, at))

    def re_epoch(self) -> None:
        """Begin a new epoch at the present content."""
        seen = max([self.database.epoch, *(position.epoch for position, _, _ in self.truth.values())])
        self.nonce += 1
        epoch = Epoch(max(self.now_ms // 1000, seen + 1))
        self.database = Database(epoch, Seq(0), _hash("base", epoch, self.nonce), self.database.content)
        self._record(None)

    def write(self, key: str, value: int) -> None:
        """Commit one change."""
        base = self.database
        self.nonce += 1
        content = tuple(sorted({**dict(base.content), key: value}.items()))
        entry = Delta(
            base.epoch, Seq(base.seq + 1), base.chain, _hash(base.chain, self.nonce), _hash(content), key, value
        )
        self.database = Database(base.epoch, entry.seq, entry.chain, content, [*base.entries, entry])
        self._record(base.chain)

    def restore(self, backup: Database, *, re_epoch: bool) -> None:
        """Put a backup in place of the database."""
        self.database = backup.copy()
        at = Position(self.database.epoch, self.database.seq, self.database.chain)
        self.heads.append((self.now_ms, at))
        if re_epoch:
            self.re_epoch()

    def publish(self) -> None:
        """Run the publisher's loop once: notice regressions, refill the log, send a heartbeat."""
        if not self.publisher_up:
            return
        if self._regressed(self.acked) or (self.redis_up and self._regressed(self.redis.head)):
            self.re_epoch()
        if self.redis_up:
            self._refill()
        beat = self.heartbeat()
        if self.redis_up:
            self._ring(beat)

    def _regressed(self, seen: Position | None) -> bool:
        base = self.database
        if seen is None or seen.epoch < base.epoch:
            return False
        if seen is self.acked and self.acked_fork:
            return True  # whoever is forked cannot come back within this epoch, even when it stands on the right branch
        if seen.epoch > base.epoch or seen.seq > base.seq:
            return True
        known = base.chain_at(seen.seq)
        return known is not None and known != seen.chain

    def _refill(self) -> None:
        base, redis = self.database, self.redis
        if redis.head is None or redis.head.epoch < base.epoch:
            first = max(0, base.seq - LOG_KEEPS)
            at = base.chain_at(first)
            assert at is not None
            self.redis = redis = RedisCopy(Position(base.epoch, Seq(first), at), first + 1)
        assert redis.head is not None
        for entry in base.entries:
            if entry.seq > redis.head.seq:
                redis.log.append(entry)
                redis.head = Position(entry.epoch, entry.seq, entry.chain)
                self._ring(entry)
        if redis.snapshot is None or base.seq - redis.snapshot[0].seq >= SNAPSHOT_EVERY:
            redis.snapshot = (redis.head, base.content)
            redis.low = max(redis.low, base.seq - LOG_KEEPS + 1)
            redis.log = [entry for entry in redis.log if entry.seq >= redis.low]

    def heartbeat(self) -> HeartbeatOf:
        """Return a signed heartbeat of the database's head."""
        base = self.database
        self.issued_ms = max(self.issued_ms + 1, self.now_ms)
        beat = HeartbeatOf(
            base.epoch,
            base.seq,
            base.chain,
            _hash(base.content),
            Millis(self.issued_ms),
            Millis(self.issued_ms + 30_000),
        )
        self.history.append(beat)
        return beat

    def _ring(self, message: Message) -> None:
        self.history.append(message)
        if self.link == "up":
            self.bus.append(message)

    # the sidecar

    def start(self) -> None:
        """Start the sidecar on its store."""
        self.pending.clear()
        self.bus.clear()
        self.link = "down"
        self.drifted = False
        self.state = FeedState()
        held = self.store
        if held.position is None:
            self.tell(Started(floor=held.floor, has_keys=True))
        else:
            self.tell(
                Started(
                    held.position,
                    _hash(held.content),
                    held.floor,
                    forked=held.forked,
                    fresh_at_ms=Millis(held.issued_at_ms),
                    has_keys=True,
                )
            )

    def lose_power(self) -> None:
        """Restart on what was brought to disk; the floor was written after it."""
        floor = self.store.floor
        self.store = self.synced.copy()
        self.store.floor = floor
        self.lowest = floor
        self.start()

    def tell(self, event: Event) -> None:
        """Make a step, execute what is short, and queue what takes time."""
        self.broken = True  # until this step is over without an assertion
        events = [event]
        while events:
            now = Moment(Millis(self.now_ms + self.skew_ms), Millis(self.now_ms - START_MS), self.random.random())
            self.state, following = self.core(self.state, events.pop(0), now)
            for command in following:
                events += self._execute(command)
        self.check()
        self.broken = False

    def _execute(self, command: commands.Command) -> list[Event]:
        match command:
            case commands.Note():
                self.rules.add(command.rule)
            case commands.Apply():
                return [self._apply(command)]
            case commands.Pulse():
                self.store.issued_at_ms = command.issued_at_ms
                self.store.wall_rx_ms, self.store.mono_rx_ms = command.wall_rx_ms, command.mono_rx_ms
            case commands.SetForked():
                self.store.forked = True
            case commands.Ack():
                if self.control_up:
                    self.acked = command.position
                    self.acked_fork = command.phase is Phase.FORKED
            case commands.DropLink():
                self.link = "down"
                self.bus.clear()
                self.pending = [waiting for waiting in self.pending if not isinstance(waiting[0], commands.OpenLink)]
            case _:
                self.pending.append((command, self._prepared(command)))
        return []

    def _apply(self, command: commands.Apply) -> Event:
        if self.drifted:
            return ApplyFailed(WriteProblem.DIGEST_MISMATCH)
        content = dict(self.store.content)
        for entry in command.deltas:
            assert isinstance(entry, Delta)
            content[entry.key] = entry.value
        last = command.deltas[-1]
        before = self.store.position
        assert before is not None, "I5: a delta was applied to nothing"
        assert before.epoch == last.epoch, "I14: an epoch changed without a snapshot"
        self.store.content = tuple(sorted(content.items()))
        self.store.position = Position(last.epoch, last.seq, last.chain)
        return Applied(self.store.position, _hash(self.store.content))

    def _replace(self, command: commands.Replace) -> Event:
        manifest = command.manifest
        held = self.store
        at = Position(manifest.epoch, manifest.seq, manifest.chain)
        if held.position is None or held.position.epoch != at.epoch:
            held.issued_at_ms, held.wall_rx_ms, held.mono_rx_ms = 1, 0, 0
        held.position, held.content, held.forked = at, command.records, False  # type: ignore[assignment]
        self.drifted = False
        return Applied(at, _hash(held.content))

    def _prepared(self, command: commands.Command) -> Callable[[], list[Event]]:
        """Return what answers a command; the sources are read when the answer is made, which may be long after the question."""
        return lambda: self._answer(command)

    def _answer(self, command: commands.Command) -> list[Event]:
        match command:
            case commands.FetchHead():
                return self._head(command)
            case commands.FetchRange():
                return [self._range(command)]
            case commands.FetchSnapshot():
                return [self._snapshot(command)]
            case commands.Replace():
                return [self._replace(command)]
            case commands.PollSecondPath():
                beats: list[Event] = [HeartbeatArrived(self.heartbeat(), Path.CONTROL)] if self.control_up else []
                return [*beats, PollEnded()]
            case commands.FetchKeySet():
                return [KeySetArrived(newer=False)]
            case commands.OpenLink():
                self.link = "up" if self.redis_up else "down"
                return [Subscribed() if self.redis_up else Disconnected()]
            case commands.Persist():
                return [self._persist()]
            case _:
                raise AssertionError(f"{command} is not one that waits")

    def _persist(self) -> Event:
        self.synced = self.store.copy()
        if self.store.position is not None:
            self.store.floor = max(self.store.floor, self.store.position.version)
        return Persisted(self.store.floor)

    def _reachable(self, path: Path) -> bool:
        return self.redis_up if path is Path.REDIS else self.control_up

    def _head(self, command: commands.FetchHead) -> list[Event]:
        if not self._reachable(command.path):
            return [FetchFailed(command.ticket)]
        if command.path is Path.CONTROL:
            beat = self.heartbeat()
            head = Head(beat.epoch, beat.seq, Seq(self._kept_from()))
            return [HeartbeatArrived(beat, Path.CONTROL), HeadArrived(command.ticket, head)]
        at = self.redis.head
        return [HeadArrived(command.ticket, None if at is None else Head(at.epoch, at.seq, Seq(self.redis.low)))]

    def _kept_from(self) -> int:
        """Return the oldest seq in the database's outbox, which keeps a little more than the log."""
        return max(1, self.database.seq - 2 * LOG_KEEPS)

    def _range(self, command: commands.FetchRange) -> Event:
        if not self._reachable(command.path):
            return FetchFailed(command.ticket)
        after = command.after.version
        if command.path is Path.CONTROL:
            if after.epoch != self.database.epoch or after.seq + 1 < self._kept_from():
                return FetchFailed(command.ticket, FetchProblem.TRIMMED)
            page = self.database.entries
        else:
            page = self.redis.log
        return RangeArrived(command.ticket, [entry for entry in page if Version(entry.epoch, entry.seq) > after][:4])

    def _snapshot(self, command: commands.FetchSnapshot) -> Event:
        if not self._reachable(command.path):
            return FetchFailed(command.ticket)
        base = self.database
        held = (Position(base.epoch, base.seq, base.chain), base.content)
        if command.path is Path.REDIS:
            if self.redis.snapshot is None:
                return FetchFailed(command.ticket)
            held = self.redis.snapshot
        at, content = held
        return SnapshotArrived(command.ticket, ManifestOf(at.epoch, at.seq, at.chain), b"", content)

    def complete(self, index: int, *, fail: bool = False) -> None:
        """Let one waiting command be answered, or fail where it can."""
        command, answer = self.pending.pop(index % len(self.pending))
        fetches = (commands.FetchHead, commands.FetchRange, commands.FetchSnapshot)
        if fail and isinstance(command, fetches):
            events: list[Event] = [FetchFailed(command.ticket)]
        elif fail and isinstance(command, commands.OpenLink):
            events = [Disconnected()]
        elif fail and isinstance(command, commands.PollSecondPath):
            events = [PollEnded()]
        elif fail and isinstance(command, commands.Replace):
            events = [ApplyFailed(WriteProblem.STORE)]
        else:
            events = answer()
        for event in events:
            self.tell(event)

    def hear(self, message: Message) -> None:
        """Let a message reach the sidecar over the bus."""
        if isinstance(message, Delta):
            self.tell(DeltaArrived(message, b""))
        else:
            self.tell(HeartbeatArrived(message, Path.REDIS))

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms
        self.tell(Tick())

    def cut(self) -> None:
        """Cut the subscription; the sidecar notices."""
        self.bus.clear()
        if self.link != "down":
            self.link = "down"
            self.tell(Disconnected())

    # what must hold

    def fresh(self) -> bool:
        """Return whether an answer from the store would be called FRESH now."""
        held = self.store
        if held.position is None or held.forked or not held.mono_rx_ms:
            return False
        mono = self.now_ms - START_MS
        age = mono - held.mono_rx_ms + max(0, held.wall_rx_ms - held.issued_at_ms)
        return age <= FRESH_FOR_MS

    def check(self) -> None:
        """Assert I1, I2, I4, I5 and what the core says of itself."""
        held = self.store
        at = held.position
        if at is None:
            assert held.content == (), "I5: records without a policy set"
            return
        known, _, content = self.truth[at.chain]
        assert known == at, f"I1: {at} is no position of the database"
        assert content == held.content or self.drifted, f"I1: the content at {at.version} is not the database's"
        assert at.version >= self.lowest, f"I2: from {self.lowest} back to {at.version}"
        self.lowest = at.version
        assert at.version >= held.floor, f"I15: {at.version} is below the floor {held.floor}"
        if self.fresh():
            assert self._honest(at), f"I4: called fresh at {at.version}, where no head of the last 5 s was"

    def _honest(self, at: Position) -> bool:
        """Return whether some head within the last five seconds lies on our branch at or behind our position."""
        ours: set[bytes] = set()
        chain: bytes | None = at.chain
        while chain is not None:
            ours.add(chain)
            chain = self.truth[chain][1]
        until = self.now_ms
        for since, head in reversed(self.heads):
            if head.chain in ours:
                return True
            until = since
            if until < self.now_ms - FRESH_FOR_MS:
                break
        return False

    def calm(self) -> None:
        """Stop all faults and assert I9: within the limit the sidecar is at the head and fresh."""
        self.redis_up = self.control_up = self.publisher_up = True
        limit = self.now_ms + CALM_LIMIT_MS
        while self.now_ms < limit:
            if (self.now_ms - START_MS) // 100 % 10 == 0:
                self.publish()
            for message in list(self.bus):
                self.hear(message)
            self.bus.clear()
            for _ in range(len(self.pending)):
                self.complete(0)
            if self._arrived():
                return
            self.advance(100)
        raise AssertionError(
            f"I9: no convergence: {self.state!r}, database at {self.database.epoch}-{self.database.seq}"
        )

    def _arrived(self) -> bool:
        base, at = self.database, self.store.position
        return at == Position(base.epoch, base.seq, base.chain) and self.fresh() and not self.state.polls
