"""A bench for the feed protocol's core: facts without bytes, a clock in hand, and a record of what each step said."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, TypeVar

from entitlements.policy.feed_state import FeedState, Moment, step
from entitlements.policy.feed_state_commands import Command, Note
from entitlements.policy.feed_state_events import Applied, DeltaArrived, Event, HeartbeatArrived, Started, Subscribed
from entitlements.policy.feed_state_rules import Rule
from entitlements.policy.feed_state_value import NO_VERSION, Path, Position, Version
from entitlements.policy.ids import Epoch, Millis, Seq

WALL_MS: Final = Millis(1_795_000_000_000)
EPOCH: Final = Epoch(1_794_000_000)

C = TypeVar("C", bound=Command)


@dataclass(frozen=True, slots=True)
class DeltaOf:
    """A delta's facts."""

    epoch: Epoch
    seq: Seq
    prev: bytes
    chain: bytes
    digest: bytes = b"digest"


@dataclass(frozen=True, slots=True)
class HeartbeatOf:
    """A heartbeat's facts."""

    epoch: Epoch
    seq: Seq
    chain: bytes
    digest: bytes
    issued_at_ms: Millis
    not_after_ms: Millis


@dataclass(frozen=True, slots=True)
class ManifestOf:
    """A manifest's facts."""

    epoch: Epoch
    seq: Seq
    chain: bytes


def chain(seq: int, branch: str = "main", epoch: int = EPOCH) -> bytes:
    """Return the chain value at a seq of a branch."""
    return blake2b(f"{branch}/{epoch}/{seq}".encode(), digest_size=8).digest()


def digest(seq: int, branch: str = "main", epoch: int = EPOCH) -> bytes:
    """Return the digest of the whole set at a seq of a branch."""
    return b"d" + chain(seq, branch, epoch)


def position(seq: int, branch: str = "main", epoch: int = EPOCH) -> Position:
    """Return the position at a seq of a branch."""
    return Position(Epoch(epoch), Seq(seq), chain(seq, branch, epoch))


def version(seq: int, epoch: int = EPOCH) -> Version:
    """Return the version at a seq."""
    return Version(Epoch(epoch), Seq(seq))


def delta(seq: int, branch: str = "main", epoch: int = EPOCH) -> DeltaOf:
    """Return the delta that leads to a seq of a branch."""
    return DeltaOf(Epoch(epoch), Seq(seq), chain(seq - 1, branch, epoch), chain(seq, branch, epoch))


def manifest(seq: int, branch: str = "main", epoch: int = EPOCH) -> ManifestOf:
    """Return the manifest of a snapshot at a seq of a branch."""
    return ManifestOf(Epoch(epoch), Seq(seq), chain(seq, branch, epoch))


@dataclass
class Bench:
    """A core under test. `draw` is what randomness gives until it is set to something else."""

    state: FeedState = field(default_factory=FeedState)
    wall_ms: Millis = WALL_MS
    mono_ms: Millis = Millis(1_000_000)
    draw: float = 0.5
    said: list[Command] = field(default_factory=list)

    def tell(self, event: Event) -> list[Command]:
        """Make one step and return what it says."""
        self.state, commands = step(self.state, event, Moment(self.wall_ms, self.mono_ms, self.draw))
        self.said += commands
        return commands

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.wall_ms = Millis(self.wall_ms + ms)
        self.mono_ms = Millis(self.mono_ms + ms)

    @property
    def rules(self) -> list[Rule]:
        """Return the rules noted so far, in order."""
        return [command.rule for command in self.said if isinstance(command, Note)]

    def last(self, kind: type[C]) -> C:
        """Return the newest command of a kind."""
        return [command for command in self.said if isinstance(command, kind)][-1]

    def says(self, kind: type[Command]) -> bool:
        """Return whether a command of a kind was said so far."""
        return any(isinstance(command, kind) for command in self.said)

    def forget(self) -> None:
        """Forget what was said."""
        self.said.clear()

    def started(self, seq: int | None = 10, *, floor: Version = NO_VERSION, forked: bool = False) -> "Bench":
        """Start on a store at a seq (None: on nothing), with nothing due but what follows from it."""
        if seq is None:
            self.tell(Started(floor=floor, has_keys=True))
        else:
            self.tell(Started(position(seq), digest(seq), floor, forked=forked, fresh_at_ms=Millis(1), has_keys=True))
        return self

    def subscribed(self) -> "Bench":
        """Let the server confirm the subscription."""
        self.tell(Subscribed())
        return self

    def hear(self, seq: int, branch: str = "main", epoch: int = EPOCH, path: Path = Path.REDIS) -> None:
        """Let a heartbeat issued now arrive."""
        beat = HeartbeatOf(
            Epoch(epoch),
            Seq(seq),
            chain(seq, branch, epoch),
            digest(seq, branch, epoch),
            self.wall_ms,
            Millis(self.wall_ms + 30_000),
        )
        self.tell(HeartbeatArrived(beat, path))

    def deliver(self, seq: int, branch: str = "main", epoch: int = EPOCH) -> None:
        """Let a delta arrive on the bus."""
        self.tell(DeltaArrived(delta(seq, branch, epoch), b"envelope"))

    def commit(self, seq: int, branch: str = "main", epoch: int = EPOCH) -> None:
        """Report a write as committed."""
        self.tell(Applied(position(seq, branch, epoch), digest(seq, branch, epoch)))

    def follow(self, seq: int) -> None:
        """Let a delta arrive and be committed."""
        self.deliver(seq)
        self.commit(seq)
