"""What the serving process tells about itself: its metrics, and one JSON object for `/statusz` and for the main process."""

from __future__ import annotations

import json
import math
import os

from entitlements.local.age import age_ms
from entitlements.local.shelf import Shelf
from entitlements.local.steady_clock import SteadyClock
from entitlements.runtime.metrics import Meters
from entitlements.store.errors import StoreError
from entitlements.store.layout import StoreState
from sidecar import metrics
from sidecar.serving.engine import Engine


class Status:
    """Reads what the engine would answer from at this moment."""

    def __init__(self, engine: Engine, clock: SteadyClock, meters: Meters, boot_id: str) -> None:
        """Observe an engine."""
        self._engine = engine
        self._clock = clock
        self._meters = meters
        self._boot_id = boot_id

    def exposition(self) -> bytes:
        """Return the metrics of this process; gauges are set at this moment."""
        now, mono = self._clock.read()
        meters = self._meters
        meters.gauge(metrics.CLOCK_OFFSET).set(self._clock.offset_ms / 1000)
        errands, decisions = self._engine.errands, self._engine.tally.decisions
        meters.gauge(metrics.WORKING_SET_HIT_RATIO).set(
            1 if errands is None or not decisions else max(0.0, 1 - errands.misses / decisions)
        )
        for product, shelf in self._engine.shelves.items():
            state = _state(shelf)
            age = math.nan if state is None else age_ms(state, now, mono, self._boot_id) / 1000
            meters.gauge(metrics.POLICY_AGE, product).set(age)
            meters.gauge(metrics.FEED_POSITION, product, "epoch").set(0 if state is None else state.epoch)
            meters.gauge(metrics.FEED_POSITION, product, "seq").set(0 if state is None else state.seq)
        return meters.exposition()

    def as_json(self) -> bytes:
        """Return pid, clock, calls that wait for a version and, per product, position, age and what is wrong with the store."""
        now, mono = self._clock.read()
        products = {product: self._product(shelf, now, mono) for product, shelf in self._engine.shelves.items()}
        told = {
            "pid": os.getpid(),
            "clock_offset_ms": self._clock.offset_ms,
            "waiting": self._engine.tally.waiting,
            "products": products,
        }
        return json.dumps(told).encode()

    def _product(self, shelf: Shelf, now: int, mono: int) -> dict[str, object]:
        state = _state(shelf)
        told: dict[str, object] = {"corrupt": shelf.corrupt, "trouble": shelf.reader.trouble}
        if state is None:
            return {**told, "loaded": False}
        age = age_ms(state, now, mono, self._boot_id)
        return {
            **told,
            "loaded": state.complete,
            "epoch": state.epoch,
            "seq": state.seq,
            "age_ms": age,
            "forked": state.forked,
        }


def _state(shelf: Shelf) -> StoreState | None:
    try:
        with shelf.reader.view() as view:
            return view.state()
    except StoreError:
        return None
