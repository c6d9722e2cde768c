"""The feed side of a control plane put together: what publishes, what packs, what serves sidecars.

The composition root makes one, starts it after the database is migrated, and stops it before the database is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from control.api.feed import FeedService, FeedSources
from control.api.feed_server import SNAPSHOT_STREAMS, Authenticate, FeedServer
from control.publishing.ack_desk import AckDesk
from control.publishing.epochs import EpochKeeper
from control.publishing.heartbeats import HeartbeatBook
from control.publishing.key_files import KeyFiles
from control.publishing.proofs import ProofDesk
from control.publishing.publisher import Publisher
from control.publishing.publisher_feed import Shared
from control.publishing.redis_log import RedisLog
from control.publishing.signing import Signer
from control.publishing.snapshots import SnapshotShelf
from control.publishing.snapshotter import Snapshotter
from control.store.feed_log import FeedLog
from control.store.unit_of_work import Store
from entitlements.runtime.certificates import CertificateFiles
from entitlements.runtime.metrics import Meters


@dataclass(frozen=True, slots=True)
class Listener:
    """Where sidecars reach the gRPC feed, and who may; `address` is HOST:PORT or unix:PATH."""

    address: str
    authenticate: Authenticate
    tls: CertificateFiles | None = None


class FeedSide:
    """Everything between a committed change and a sidecar, for one process."""

    def __init__(
        self, store: Store, signing_keys: Path, redis_url: str | None, meters: Meters, listener: Listener | None = None
    ) -> None:
        """Read the keys and bind the listener; nothing runs yet.

        `meters` declare PUBLISHER_METRICS and FEED_SERVICE_METRICS. Raises KeyFileError, NoSigningKeyError,
        RedisUrlError or OSError, each with its remedy.
        """
        clock = store.clock
        log = FeedLog(store)
        signer = Signer.of_directory(KeyFiles(signing_keys), clock)
        self.redis = None if redis_url is None else RedisLog.at(redis_url, clock, meters)
        self.shelf = SnapshotShelf(log, signer, clock, meters)
        self.catalogues = SnapshotShelf(log, signer, clock, meters, catalogue_only=True)
        epochs = EpochKeeper(log, clock, meters)
        shared = Shared(log, self.redis, signer, self.shelf, self.catalogues, epochs, clock, meters)
        self.heartbeats = HeartbeatBook(signer)
        self.desk = AckDesk()
        self.proofs = ProofDesk(log, signer, self.redis, clock, meters)
        self.publisher = Publisher(shared, self.heartbeats, self.desk)
        self.snapshotter = Snapshotter(shared, self.publisher.feed)
        self.sources = FeedSources(
            log, self.heartbeats, self.shelf, self.catalogues, self.proofs, signer, self.desk, clock
        )
        self.server: FeedServer | None = None
        if listener is not None:
            service = FeedService(self.sources, SNAPSHOT_STREAMS)
            self.server = FeedServer(service, listener.authenticate, listener.address, clock, meters, tls=listener.tls)
        store.on_commit(self.publisher.announce)

    def start(self) -> None:
        """Publish, pack and serve from now on."""
        self.publisher.start()
        self.snapshotter.start()
        self.proofs.start()
        if self.server is not None:
            self.server.start()

    def stop(self, grace_s: float) -> None:
        """Serve no new call, let those in flight end within `grace_s` seconds, then end the threads."""
        if self.server is not None:
            self.server.stop(grace_s)
        self.snapshotter.stop()
        self.proofs.stop()
        self.publisher.stop()
        self.close()

    def close(self) -> None:
        """Close the connections to Redis; for a side that was never started."""
        if self.redis is not None:
            self.redis.close()

    def __repr__(self) -> str:
        """Show its parts."""
        return f"<FeedSide [{self.publisher!r} | {self.snapshotter!r} | {self.shelf!r}]>"
