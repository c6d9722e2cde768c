"""A real serving process over a store that holds the example vendor; no control plane, no Redis.

with serving_sidecar(folder) as sidecar:
    EntitlementClient(sidecar.target, product="boards")
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from control.domain.compile import compile_document
from control.domain.document import parse_document
from demo.processes import Part
from demo.site import without_settings
from demo.vendor import PRODUCTS, read_document, write_files
from entitlements.client import EntitlementClient
from entitlements.policy.digest import digest_of, sum_records
from entitlements.policy.ids import Epoch, Millis, ProductId, Seq
from entitlements.store.layout import feed_directory_name
from entitlements.store.writer import StoreWriter
from entitlements.wire.codec import record_to_bytes
from entitlements.wire.feed_messages import FeedManifest

MAP_BYTES = 1 << 24
EPOCH = 1_800_000_000


def write_store(folder: Path, product: str, today: date) -> None:
    """Write the example vendor's records of one product, as a snapshot at position EPOCH-1 issued now."""
    now_ms = Millis(time.time_ns() // 1_000_000)
    document = parse_document(read_document(write_files(folder / "catalogue", today)), now_ms)
    held = compile_document(document, ProductId(product))
    records = sorted((key, record_to_bytes(record)) for key, record in held.items())
    manifest = FeedManifest(
        feed=product,
        epoch=Epoch(EPOCH),
        seq=Seq(1),
        issued_at_ms=now_ms,
        chain=bytes(32),
        digest=digest_of(sum_records(records)),
        schema_major=1,
        record_count=len(records),
        chunk_sha256=(),
    )
    directory = folder / "store" / feed_directory_name(product)
    directory.mkdir(parents=True)
    writer = StoreWriter(directory, MAP_BYTES)
    writer.replace(records, manifest, b"")
    writer.close()


class ServingSidecar:
    """The process that answers, on a unix socket in a short folder; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._short = Path(tempfile.mkdtemp(prefix="ent-"))
        socket = self._short / "sidecar.sock"
        self.target = f"unix:{socket}"
        environ = {
            **without_settings(os.environ),
            "ENTITLEMENTS_PRODUCTS": ",".join(PRODUCTS),
            "ENTITLEMENTS_ROOT_KEYS": "00" * 32,
            "ENTITLEMENTS_SOCKET": str(socket),
            "ENTITLEMENTS_LISTEN": "",
            "ENTITLEMENTS_STORE_DIR": str(folder / "store"),
        }
        self.part = Part(
            "serving process",
            [sys.executable, "-m", "sidecar.serving.process", "--go"],
            environ,
            folder / "serving.log",
            self._answers,
        )

    def _answers(self) -> bool:
        with EntitlementClient(self.target, timeout_s=1.0) as client:
            return not client.check("acme", "tasks").is_fallback

    def close(self) -> None:
        """End the process and remove its socket."""
        self.part.stop()
        shutil.rmtree(self._short)


@contextlib.contextmanager
def serving_sidecar(folder: Path) -> Iterator[ServingSidecar]:
    """Run the process for the length of a `with` block."""
    for product in PRODUCTS:
        write_store(folder, product, datetime.now(UTC).date())
    sidecar = ServingSidecar(folder)
    try:
        sidecar.part.start()
        yield sidecar
    finally:
        sidecar.close()
