"""One product's feed as the control plane would sign it, for stores that a sidecar accepts without a control plane being there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entitlements.policy.digest import chain_base, digest_of, sum_records, sum_replace
from entitlements.policy.ids import RecordKey
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.runtime.boot import read_boot_id
from entitlements.store.layout import feed_directory_name
from entitlements.store.writer import StoreWriter
from entitlements.wire import codec
from entitlements.wire.envelope import (
    FeedCatalogue,
    FeedDelta,
    FeedManifest,
    KeyGrant,
    KeyRole,
    RecordChange,
    SigningKeyPair,
    build_catalogue,
    build_delta,
    build_manifest,
    read_body,
    sign,
    sign_key_set,
)

MAP_BYTES = 1 << 30


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


def mono_ms() -> int:
    """Return the monotonic clock."""
    return time.monotonic_ns() // 1_000_000


def encoded(records: Iterable[Feature | PlanVersion | Customer]) -> dict[str, bytes]:
    """Return record keys and bodies."""
    return {codec.record_key(record): codec.record_to_bytes(record) for record in records}


@dataclass
class SignedFeed:
    """Keys and position of one feed; `write` makes a store, `change` moves it on."""

    product: str
    root: SigningKeyPair = field(default_factory=SigningKeyPair.generate)
    policy: SigningKeyPair = field(default_factory=SigningKeyPair.generate)
    epoch: int = 1_790_000_000
    seq: int = 1
    chain: bytes = b""
    bodies: dict[str, bytes] = field(default_factory=dict)
    total: int = 0

    @property
    def root_hex(self) -> str:
        """Return the pinned root key as settings write it."""
        return self.root.public.hex()

    def key_set(self) -> bytes:
        """Return the signed key set."""
        return sign_key_set(1, [KeyGrant(self.policy.public, KeyRole.POLICY)], self.root)

    def directory(self, store_dir: Path) -> Path:
        """Return where the store of this feed lies."""
        return store_dir / feed_directory_name(self.product)

    def write(self, store_dir: Path, bodies: Mapping[str, bytes], age_ms: int | None = 0) -> None:
        """Make a store with these records and a pulse of this age; None leaves it without a pulse."""
        self.bodies = dict(sorted(bodies.items(), key=lambda pair: pair[0].encode()))
        self.total = sum_records(self.bodies.items())
        digest = digest_of(self.total)
        self.chain = chain_base(self.product, self.epoch, digest, b"nonce")
        body = build_manifest(self.product, self.epoch, self.seq, self.chain, digest, now_ms(), len(self.bodies), [])
        manifest = read_body(body)
        assert isinstance(manifest, FeedManifest)
        with self.writer(store_dir) as writer:
            writer.put_key_set(self.key_set(), 1)
            writer.replace(list(self.bodies.items()), manifest, sign(body, self.policy))
            if age_ms is not None:
                self.pulse(writer, age_ms)
            writer.sync()
            writer.raise_floor()

    def write_catalogue(self, store_dir: Path, bodies: Mapping[str, bytes]) -> None:
        """Make a store of a working set that holds no customer yet, with a pulse of now."""
        self.bodies = dict(sorted(bodies.items(), key=lambda pair: pair[0].encode()))
        self.total = sum_records(self.bodies.items())
        held = {key: body for key, body in self.bodies.items() if not key.startswith("c/")}
        part, whole = digest_of(sum_records(held.items())), digest_of(self.total)
        self.chain = chain_base(self.product, self.epoch, whole, b"nonce")
        body = build_catalogue(self.product, self.epoch, self.seq, self.chain, whole, now_ms(), len(held), [], part)
        catalogue = read_body(body)
        assert isinstance(catalogue, FeedCatalogue)
        with self.writer(store_dir) as writer:
            writer.put_key_set(self.key_set(), 1)
            writer.replace(list(held.items()), catalogue, sign(body, self.policy), part)
            self.pulse(writer)
            writer.sync()
            writer.raise_floor()

    def writer(self, store_dir: Path, boot_id: str | None = None) -> StoreWriter:
        """Open the store for writing, as the main process of a sidecar does, in this boot or the one given."""
        return StoreWriter(self.directory(store_dir), MAP_BYTES, read_boot_id() if boot_id is None else boot_id)

    @staticmethod
    def pulse(writer: StoreWriter, age_ms: int = 0) -> None:
        """Record a heartbeat of this age, received when it was issued."""
        writer.pulse(now_ms() - age_ms, now_ms() - age_ms, mono_ms() - age_ms)

    def change(self, writer: StoreWriter, changes: Mapping[str, bytes | None]) -> tuple[int, int]:
        """Apply one delta and return the new position."""
        for key, body in changes.items():
            self.total = sum_replace(self.total, key, self.bodies.get(key), body)
            if body is None:
                self.bodies.pop(key, None)
            else:
                self.bodies[key] = body
        made = build_delta(
            self.product,
            self.epoch,
            self.seq + 1,
            self.chain,
            [RecordChange(RecordKey(key), body) for key, body in changes.items()],
            digest_of(self.total),
            now_ms(),
        )
        delta = read_body(made.body)
        assert isinstance(delta, FeedDelta)
        writer.apply([delta], sign(made.body, self.policy))
        self.seq += 1
        self.chain = made.chain
        return self.epoch, self.seq
