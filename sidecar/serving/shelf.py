"""What the serving process keeps for one product: its store, its decoded records, its static fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import ProductId
from entitlements.store.reader import StoreReader
from sidecar.serving.records import DecodedRecords


@dataclass(slots=True)
class Shelf:
    """One product. `corrupt` counts what did not match its checksum, for the main process to see."""

    product: ProductId
    reader: StoreReader
    decoded: DecodedRecords
    fallbacks: Mapping[str, StaticFallback] = field(default_factory=dict)
    corrupt: int = 0
