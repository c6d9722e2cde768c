"""Deletes what has outlived its use: replies kept under idempotency keys."""

from __future__ import annotations

import threading
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from control.store import replies
from control.store.unit_of_work import Store
from entitlements.runtime.logs import logger

EVERY_S: Final = 600.0


class Sweeper:
    """One quiet thread; `sweep` is its whole work."""

    def __init__(self, store: Store, keep_ms: int) -> None:
        """Keep replies for `keep_ms`."""
        self._store = store
        self._keep_ms = keep_ms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Start the thread; it sweeps at once, then every ten minutes."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(5.0)

    def sweep(self) -> int:
        """Delete old replies; return how many."""
        return replies.forget(self._store.engine, self._store.clock.now_ms() - self._keep_ms)

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except SQLAlchemyError as error:
                logger().warning("sweep_failed", problem=type(error).__name__)
            if self._stopping.wait(EVERY_S):
                return
