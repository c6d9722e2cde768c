"""What the writer takes, by shape: verified deltas and manifests. The seam to bytes lives beside this package, not below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from entitlements.policy.ids import Epoch, Millis, Seq


class Change(Protocol):
    """One record put (``body``) or removed (None)."""

    @property
    def key(self) -> str:
        """Return the record key."""

    @property
    def body(self) -> bytes | None:
        """Return the new body, None for a removal."""


class Delta(Protocol):
    """One committed business action; ``digest`` is that of the whole set after it."""

    @property
    def epoch(self) -> Epoch:
        """Return the epoch."""

    @property
    def seq(self) -> Seq:
        """Return the position after this delta."""

    @property
    def prev(self) -> bytes:
        """Return the chain value before this delta."""

    @property
    def chain(self) -> bytes:
        """Return the chain value after this delta."""

    @property
    def digest(self) -> bytes:
        """Return the 32-byte digest of the whole set after this delta (only the last of a run is looked at)."""

    @property
    def ops(self) -> Sequence[Change]:
        """Return the changes."""


class Manifest(Protocol):
    """The description of a snapshot."""

    @property
    def epoch(self) -> Epoch:
        """Return the epoch."""

    @property
    def seq(self) -> Seq:
        """Return the position of the snapshot."""

    @property
    def chain(self) -> bytes:
        """Return the chain value at this position."""

    @property
    def digest(self) -> bytes:
        """Return the 32-byte digest of the whole set."""

    @property
    def issued_at_ms(self) -> Millis:
        """Return when the position was the head."""

    @property
    def record_count(self) -> int:
        """Return the number of records."""
