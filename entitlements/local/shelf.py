"""What a process that decides keeps for one product: its store, its decoded records, its static fallbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from entitlements.local.records import DecodedRecords
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import ProductId
from entitlements.store.layout import StoreState, feed_directory_name
from entitlements.store.reader import StoreReader

Fallbacks: TypeAlias = Mapping[str, Mapping[str, StaticFallback]]
"""Product -> feature -> what to answer."""

NONE: Final[Fallbacks] = MappingProxyType({})


@dataclass(slots=True)
class Shelf:
    """One product. `corrupt` counts what did not match its checksum, for the main process to see."""

    product: ProductId
    reader: StoreReader
    decoded: DecodedRecords
    fallbacks: Mapping[str, StaticFallback] = field(default_factory=dict)
    corrupt: int = 0
    seen: StoreState | None = None
    """The last state that was looked at: what it proves about the clock is already taken into account."""


def open_shelves(
    products: Iterable[ProductId], store_dir: Path, record_cache: int, fallbacks: Fallbacks
) -> dict[ProductId, Shelf]:
    """Return a shelf for each product; a store is opened when it is first looked at, and may appear later."""
    return {
        product: Shelf(
            product,
            StoreReader(store_dir / feed_directory_name(product)),
            DecodedRecords(record_cache),
            fallbacks.get(product, {}),
        )
        for product in products
    }
