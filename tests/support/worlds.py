"""The worlds of the vectors as policy stores that a sidecar accepts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb

from control.domain.compile import compile_document
from control.domain.document import parse_document
from entitlements.policy.model import DEFAULT_LADDER, Feature, Ladder
from entitlements.store.layout import RECORDS, environment_path
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import SigningKeyPair
from tests.support.signed_feed import SignedFeed, encoded, now_ms


@dataclass
class WorldStores:
    """One world compiled and stored, one store for each product; kept open for writing, as a main process does."""

    root: SigningKeyPair = field(default_factory=SigningKeyPair.generate)
    writers: dict[str, StoreWriter] = field(default_factory=dict)
    ladders: dict[tuple[str, str], Ladder] = field(default_factory=dict)
    open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def write(cls, world: Mapping[str, Any], store_dir: Path) -> WorldStores:
        """Compile and store a world."""
        made = cls()
        document = parse_document(world, now_ms())
        for product in world["products"]:
            key = product["key"]
            records = compile_document(document, key).values()
            made.ladders.update({(key, one.key): one.ladder for one in records if isinstance(one, Feature)})
            feed = SignedFeed(key, root=made.root)
            feed.write(store_dir, encoded(records))
            made.writers[key] = made.open.enter_context(feed.writer(store_dir))
        return made

    def ladder(self, product: str, feature: str) -> Ladder:
        """Return a feature's ladder."""
        return self.ladders.get((product, feature), DEFAULT_LADDER)

    def pulse(self, product: str, issued_at_ms: int, mono_rx_ms: int) -> None:
        """Record a heartbeat that came when it was issued."""
        self.writers[product].pulse(issued_at_ms, issued_at_ms, mono_rx_ms)

    def close(self) -> None:
        """Close the stores."""
        self.open.close()


def damage_records(directory: Path, prefix: str) -> None:
    """Change a byte of the checksum of every record whose key starts with this, as a failing disk would; the store must be closed."""
    with lmdb.open(str(environment_path(directory)), max_dbs=2, map_size=1 << 30) as environment:
        database = environment.open_db(RECORDS)
        with environment.begin(write=True) as transaction, transaction.cursor(db=database) as cursor:
            for key, value in list(cursor):
                if key.startswith(prefix.encode()):
                    transaction.put(key, bytes([value[0] ^ 1]) + value[1:], db=database)
