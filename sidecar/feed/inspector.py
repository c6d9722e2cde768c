"""The gate between bytes and the protocol: what passes here was verified, everything else becomes a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.policy.feed_state_commands import FetchSnapshot
from entitlements.policy.feed_state_events import DeltaArrived, Event, HeartbeatArrived, NudgeArrived
from entitlements.policy.feed_state_value import Path, Version
from entitlements.runtime.clock import Clock
from entitlements.runtime.courtesy import give_way
from entitlements.wire import snapshot
from entitlements.wire.envelope import (
    FeedCatalogue,
    FeedCustomer,
    FeedDelta,
    FeedHeartbeat,
    FeedManifest,
    FeedMessage,
    FeedNudge,
    KeyRing,
    Refusal,
    Refused,
    verify_page,
)
from sidecar.feed.source import LoadedSnapshot, Unsuitable


class Inspector:
    """Verifies everything that one feed receives. Every method raises Refused for bytes that are not accepted."""

    def __init__(self, product: str, ring: KeyRing, clock: Clock, *, catalogue_only: bool = False) -> None:
        """Use a ring that may be shared with other feeds. With `catalogue_only`, snapshots are of the catalogue."""
        self._product = product
        self.catalogue_only = catalogue_only
        self._ring = ring
        self._clock = clock

    def frame(self, raw: bytes) -> tuple[str, Event]:
        """Return the kind of a message from the bus, and the event it is."""
        message = self._verified(raw)
        match message:
            case FeedDelta():
                return "delta", DeltaArrived(message, raw)
            case FeedHeartbeat():
                return "heartbeat", HeartbeatArrived(message, Path.REDIS)
            case FeedNudge():
                return "nudge", NudgeArrived(Version(message.epoch, message.seq))
            case _:
                raise Refused(Refusal.MALFORMED, f"a {type(message).__name__} does not travel on the bus")

    def heartbeat(self, raw: bytes) -> FeedHeartbeat:
        """Return a heartbeat that was asked for."""
        message = self._verified(raw)
        if not isinstance(message, FeedHeartbeat):
            raise Refused(Refusal.MALFORMED, f"a {type(message).__name__} came instead of a heartbeat")
        return message

    def page(self, envelopes: Sequence[bytes]) -> list[FeedDelta]:
        """Return an unbroken page of deltas; whether it continues our history is the protocol's question."""
        return verify_page(envelopes, self._product, self._ring, None, self._clock.now_ms())

    def customer(self, raw: bytes) -> FeedCustomer:
        """Return the proof of a customer; what it is worth at our position is another question."""
        message = self._verified(raw)
        if not isinstance(message, FeedCustomer):
            raise Refused(Refusal.MALFORMED, f"a {type(message).__name__} came instead of a customer")
        return message

    def manifest(self, raw: bytes, wanted: FetchSnapshot) -> FeedManifest | FeedCatalogue:
        """Return a snapshot's manifest; Unsuitable when its chunks are not worth loading."""
        message = self._verified(raw)
        if not isinstance(message, FeedCatalogue if self.catalogue_only else FeedManifest):
            raise Refused(Refusal.MALFORMED, f"a {type(message).__name__} came instead of a manifest")
        version = Version(message.epoch, message.seq)
        if version < wanted.at_least or (wanted.above is not None and message.epoch <= wanted.above):
            raise Unsuitable(f"the snapshot {version.epoch}-{version.seq} would not take us forward")
        return message

    @staticmethod
    def records(loaded: LoadedSnapshot) -> list[tuple[str, bytes]]:
        """Return the records of a snapshot whose chunks are the signed ones; takes seconds for a large set, so call it in a thread."""
        wanted = loaded.manifest.chunk_sha256
        if len(wanted) != len(loaded.chunks):
            raise Refused(Refusal.MALFORMED, f"{len(loaded.chunks)} chunks came, {len(wanted)} were signed")
        records: list[tuple[str, bytes]] = []
        for digest, chunk in zip(wanted, loaded.chunks, strict=True):
            if snapshot.chunk_hash(chunk) != digest:
                raise Refused(Refusal.MALFORMED, "a chunk is not the one that was signed")
            records.extend(snapshot.unpack(chunk, give_way))
        return records

    def _verified(self, raw: bytes) -> FeedMessage:
        message = self._ring.verify(raw, self._product, self._clock.now_ms())
        give_way()
        return message

    def __repr__(self) -> str:
        """Show feed and key set."""
        return f"<Inspector {self._product} [{self._ring!r}]>"
