"""What a sidecar knows about one feed at one moment: a frozen value that `feed_state.step` replaces, never edits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from entitlements.policy.ids import Epoch, Millis, Seq

RING_SIZE: Final = 1_024
"""How many recent chain values are kept to tell a duplicate from another history."""
PAGE_SIZE: Final = 500
"""Deltas in one page of a range."""
HEARTBEAT_TIMEOUT_MS: Final = Millis(3_000)
"""A bus without a new heartbeat for this long is taken for dead."""
EPOCH_AHEAD_MS: Final = Millis(86_400_000)
"""An epoch counts seconds since 1970; one that lies further ahead of the wall clock than this is refused."""
BACKOFF_FIRST_MS: Final = 200
BACKOFF_CAP_MS: Final = 5_000
POLL_EVERY_MS: Final = Millis(1_000)
ACK_EVERY_MS: Final = Millis(5_000)
ACK_GAP_MS: Final = Millis(250)
"""Changes are reported at most four times a second."""
KEY_SET_EVERY_MS: Final = Millis(30_000)
KEY_SET_GAP_MS: Final = Millis(2_000)
"""An unknown key makes the key set be fetched early, but not more often than this."""
PERSIST_EVERY_MS: Final = Millis(5_000)


class Moment(NamedTuple):
    """When a step happens, and its share of randomness: `draw` lies in [0, 1) and is fresh for each step."""

    wall_ms: Millis
    mono_ms: Millis
    draw: float


class Version(NamedTuple):
    """Epoch and seq; compares as the feed is ordered."""

    epoch: Epoch
    seq: Seq


NO_VERSION: Final = Version(Epoch(0), Seq(0))


class Position(NamedTuple):
    """A version and the chain value there, which tells one history from another."""

    epoch: Epoch
    seq: Seq
    chain: bytes

    @property
    def version(self) -> Version:
        """Return epoch and seq alone."""
        return Version(self.epoch, self.seq)


class Path(Enum):
    """Where something comes from: Redis, or the control plane's own service."""

    REDIS = "redis"
    CONTROL = "control"

    @property
    def other(self) -> Path:
        """Return the other one."""
        return Path.CONTROL if self is Path.REDIS else Path.REDIS


class Phase(IntEnum):
    """What a sidecar says of itself; numbers equal the protobuf enum FeedState."""

    UNLOADED = 1
    LIVE = 2
    BEHIND = 3
    FORKED = 4


class Link(Enum):
    """The subscription: not there, being opened, confirmed by the server."""

    DOWN = "down"
    OPENING = "opening"
    UP = "up"


class Stage(Enum):
    """What a catch-up is waiting for."""

    HEAD = "head"
    RANGE = "range"
    SNAPSHOT = "snapshot"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """The one catch-up under way. `ticket` is the number of the answer it waits for; every other answer is stale.

    `other_tried` says that the second choice of path is in use; `head` is the last one seen.
    """

    stage: Stage
    ticket: int
    path: Path
    other_tried: bool = False
    head: Version = NO_VERSION


@dataclass(frozen=True, slots=True)
class Writing:
    """The one write under way: what the position will be, and the chain values that join the ring."""

    position: Position
    chains: tuple[bytes, ...]
    whole: bool
    """The write replaces everything (a snapshot)."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """All of it. Instants ending in `_mono_ms` are of the monotonic clock, `issued_at` ones of the publisher's wall clock."""

    position: Position | None = None
    """What the store holds; None before the first snapshot."""
    digest: bytes = b""
    basis: bool = False
    """The stored set is complete and nothing speaks against it."""
    forked: bool = False
    floor: Version = NO_VERSION
    """No snapshot below this is accepted, whatever was lost."""
    ring: tuple[bytes, ...] = ()
    """Chain values of the last positions in order; the last is that of `position`."""
    known_head: Version = NO_VERSION
    """The head that signed messages speak of."""
    issued_at_ms: Millis = Millis(0)
    """Of the newest heartbeat taken."""
    fresh_at_ms: Millis = Millis(0)
    """Of the newest heartbeat that confirmed what the store holds."""
    confirmed: bool = False
    """Confirmed since this start, at the present position or one before it."""

    link: Link = Link.DOWN
    generation: int = 0
    """How often the server has confirmed a subscription, including those renewed silently."""
    link_failures: int = 0
    bus_live: bool = False
    """The present subscription has delivered a new heartbeat."""
    heard_mono_ms: Millis = Millis(0)
    """When the bus last brought a new heartbeat, the link was confirmed, or its opening began."""
    connect_at_mono_ms: Millis = Millis(0)

    wanted: bool = False
    """A catch-up is due."""
    catch_up: CatchUp | None = None
    writing: Writing | None = None
    tickets: int = 0
    failures: int = 0
    retry_at_mono_ms: Millis = Millis(0)

    polling: bool = False
    poll_at_mono_ms: Millis = Millis(0)
    ack_due: bool = False
    acked_mono_ms: Millis = Millis(0)
    has_keys: bool = False
    fetching_keys: bool = False
    keys_asked_mono_ms: Millis = Millis(0)
    keys_at_mono_ms: Millis = Millis(0)
    persisting: bool = False
    persisted: Version = NO_VERSION
    persist_at_mono_ms: Millis = Millis(0)

    @property
    def version(self) -> Version:
        """Return the version held, (0, 0) when there is none."""
        return NO_VERSION if self.position is None else self.position.version

    @property
    def phase(self) -> Phase:
        """Return what this sidecar says of itself."""
        if self.position is None:
            return Phase.UNLOADED
        if self.forked:
            return Phase.FORKED
        live = self.basis and self.confirmed and self.version >= self.known_head
        return Phase.LIVE if live else Phase.BEHIND

    @property
    def polls(self) -> bool:
        """Return whether heartbeats must be asked for, because the bus does not bring them."""
        return self.link is not Link.UP or not self.bus_live

    def chain_at(self, seq: Seq) -> bytes | None:
        """Return the chain value at a seq of the present epoch, None when it is ahead or too long ago."""
        if self.position is None:
            return None
        back = self.position.seq - seq
        return self.ring[-1 - back] if 0 <= back < len(self.ring) else None

    def __repr__(self) -> str:
        """Show position, phase, link and what is under way."""
        at = "nothing" if self.position is None else f"{self.position.epoch}-{self.position.seq}"
        doing = "idle" if self.catch_up is None else f"{self.catch_up.stage.value} from {self.catch_up.path.value}"
        return f"<FeedState [{at} | {self.phase.name} | link {self.link.value} | {doing}]>"
