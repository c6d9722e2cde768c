"""What a sidecar may believe of one customer, when it holds only some of them.

The store stands at one position and holds, for every customer it has, the record of exactly that position; so an answer is of one
version here as it is with the whole set (semantics G1). A proof says what a customer was at the position at which it was made:

* at our position it is taken;
* made before it, it still says what is so if no delta in between touched the customer. The last deltas are remembered for that, with
  their chain values, so a proof from another branch of history is not taken either;
* made after it, it waits until the feed has come that far, and is then judged again.

So an old copy, from whatever cache it comes, can delay an answer and never make a wrong one. Nothing here reads a clock or does I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, Protocol

from entitlements.policy.feed_state_value import Position
from entitlements.policy.ids import CustomerId, Epoch, Seq, customer_record_key

WINDOW: Final = 16_384
"""Deltas that are remembered; a proof from before them is not believed."""
TOUCHES: Final = 65_536
"""Customers that these may have touched altogether; fewer deltas are remembered when they touch more."""
_PREFIX: Final = customer_record_key("")


class Finding(Enum):
    """What is to be thought of a proof."""

    TRUE = "true"
    """It says what is so at our position."""
    AHEAD = "ahead"
    """The feed has not come that far, or has not seen that epoch begin."""
    TOUCHED = "touched"
    """The customer was changed since it was made."""
    TOO_OLD = "too_old"
    """It is from before the deltas that are remembered, or from an earlier epoch."""
    OTHER_BRANCH = "other_branch"
    """It belongs to a history that is not ours."""
    NO_POSITION = "no_position"
    """Nothing is loaded that it could be compared with."""


class Proof(Protocol):
    """What is read of a proof; it was verified before."""

    @property
    def epoch(self) -> Epoch:
        """Return the epoch."""

    @property
    def seq(self) -> Seq:
        """Return the position at which it was made."""

    @property
    def chain(self) -> bytes:
        """Return the chain value there."""

    @property
    def customer(self) -> CustomerId:
        """Return of whom it speaks."""


class Op(Protocol):
    """What is read of a change of one record."""

    @property
    def key(self) -> str:
        """Return the record key."""

    @property
    def body(self) -> bytes | None:
        """Return the new body, None for a removal."""


class Delta(Protocol):
    """What is read of an applied delta."""

    @property
    def seq(self) -> Seq:
        """Return the position after it."""

    @property
    def prev(self) -> bytes:
        """Return the chain value before it."""

    @property
    def chain(self) -> bytes:
        """Return the chain value after it."""

    @property
    def ops(self) -> Sequence[Op]:
        """Return the changes."""


def customer_of(key: str) -> CustomerId | None:
    """Return the customer of a record key, None for a record of the catalogue."""
    return CustomerId(key[len(_PREFIX) :]) if key.startswith(_PREFIX) else None


def _touched_by(delta: Delta) -> tuple[CustomerId, ...]:
    return tuple(found for op in delta.ops if (found := customer_of(op.key)) is not None)


class Recollection:
    """The position, the chain values that led to it, and which customers the deltas between touched."""

    __slots__ = ("_chains", "_last", "_most", "_position", "_touched", "_touches", "_window")

    def __init__(self, window: int = WINDOW, touches: int = TOUCHES) -> None:
        """Remember nothing; there is no position."""
        self._window = window
        self._most = touches
        self._position: Position | None = None
        self._chains: deque[bytes] = deque()
        self._touched: deque[tuple[CustomerId, ...]] = deque()
        self._last: dict[CustomerId, Seq] = {}
        self._touches = 0

    @property
    def position(self) -> Position | None:
        """Return where the store stands."""
        return self._position

    def begin(self, position: Position | None) -> None:
        """Stand at a position of which the past is not known: after a start, or after everything was replaced."""
        self._position = position
        self._chains.clear()
        self._touched.clear()
        self._last.clear()
        self._touches = 0

    def follow(self, deltas: Iterable[Delta]) -> None:
        """Go on over deltas that were applied; each continues the one before. ValueError before a position."""
        for delta in deltas:
            if self._position is None:
                raise ValueError("a delta was applied to nothing")
            touched = _touched_by(delta)
            self._chains.append(self._position.chain)
            self._touched.append(touched)
            self._touches += len(touched)
            for customer in touched:
                self._last[customer] = delta.seq
            self._position = Position(self._position.epoch, delta.seq, delta.chain)
            while len(self._chains) > self._window or self._touches > self._most:
                self._forget()

    @property
    def oldest(self) -> Position | None:
        """Return the earliest position of which a proof is believed."""
        at = self._position
        if at is None or not self._chains:
            return at
        return Position(at.epoch, Seq(at.seq - len(self._chains)), self._chains[0])

    def recall(self, deltas: Sequence[Delta]) -> bool:
        """Remember verified deltas, in order, that led to the oldest position; False when they did not, or when there is no more room."""
        for delta in reversed(deltas):
            oldest, touched = self.oldest, _touched_by(delta)
            full = len(self._chains) >= self._window or self._touches + len(touched) > self._most
            if oldest is None or full or (delta.seq, delta.chain) != (oldest.seq, oldest.chain):
                return False
            self._chains.appendleft(delta.prev)
            self._touched.appendleft(touched)
            self._touches += len(touched)
            for customer in touched:
                self._last.setdefault(customer, delta.seq)
        return True

    def _forget(self) -> None:
        if self._position is None:
            return
        seq = self._position.seq - len(self._chains) + 1
        self._chains.popleft()
        forgotten = self._touched.popleft()
        self._touches -= len(forgotten)
        for customer in forgotten:
            if self._last.get(customer) == seq:
                del self._last[customer]

    def judge(self, proof: Proof) -> Finding:
        """Return what a proof is worth at our position."""
        at = self._position
        if at is None:
            return Finding.NO_POSITION
        if proof.epoch < at.epoch:
            return Finding.TOO_OLD
        if (proof.epoch, proof.seq) > at.version:
            return Finding.AHEAD
        back = at.seq - proof.seq
        if back > len(self._chains):
            return Finding.TOO_OLD
        if proof.chain != (self._chains[-back] if back else at.chain):
            return Finding.OTHER_BRANCH
        return Finding.TOUCHED if self._last.get(proof.customer, -1) > proof.seq else Finding.TRUE

    def __repr__(self) -> str:
        """Show the position and how far back is remembered."""
        at = "nothing" if self._position is None else f"{self._position.epoch}-{self._position.seq}"
        return f"<Recollection [{at} | {len(self._chains)} deltas | {len(self._last)} customers]>"
