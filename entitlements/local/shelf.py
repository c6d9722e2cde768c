"""What a process that decides keeps for one product: its store, its decoded records, its static fallbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from entitlements.local.age import born_mono_ms, is_live
from entitlements.local.records import Catalogue, DecodedRecords
from entitlements.policy.freshness import StaticFallback
from entitlements.policy.ids import ProductId
from entitlements.store.layout import StoreState, feed_directory_name
from entitlements.store.reader import StoreReader

Fallbacks: TypeAlias = Mapping[str, Mapping[str, StaticFallback]]
"""Product -> feature -> what to answer."""

Basis: TypeAlias = tuple[StoreState, int | None, bool, Catalogue]
"""A state of the store with what follows from it for this process, worked out once: the monotonic reading at which its policy was born (None
when only the wall clock can tell), whether a heartbeat has confirmed it since the start, and the catalogue of its position."""

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
    basis: Basis | None = None
    """What followed from the last state that was decided on."""

    def basis_of(self, state: StoreState, boot_id: str, started_mono_ms: int) -> Basis:
        """Return what follows from a state; the same tuple for the same state, as long as no other one was asked about."""
        known = self.basis
        if known is not None:
            if known[0] is state:
                return known
            catalogue = known[3] if known[0][:3] == state[:3] else {}
        else:
            catalogue = {}
        made = state, born_mono_ms(state, boot_id), is_live(state, started_mono_ms, boot_id), catalogue
        self.basis = made
        return made


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
