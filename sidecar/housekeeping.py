"""Looks after one product's store while its feed runs: frees the places of killed readers, watches the free pages, has the file compacted.

Compaction waits for calm (the feed is live and no snapshot is being written), gives way to everything, and happens seldom, because the next
snapshot needs the room again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from entitlements.runtime import logs
from entitlements.runtime.clock import Clock
from entitlements.runtime.courtesy import idly
from entitlements.runtime.metrics import Meters
from entitlements.store.compaction import Compaction, remove_leftovers
from entitlements.store.errors import StoreError
from entitlements.store.mapped_file import MappedFile, Room
from sidecar import metrics

EVERY_S: Final = 10.0
FREE_SHARE: Final = 0.4
FREE_BYTES: Final = 8 << 20
"""Less is not worth the trouble, whatever share it is."""
REST_MS: Final = 600_000
"""Between two attempts, also after one that came to nothing."""
COPY_S: Final = 900.0
TRIES: Final = 200
PAUSE_S: Final = 0.05
Outcome = TypeVar("Outcome")


class CopyFailed(Exception):  # noqa: N818 - names the finding
    """The process that copies did not make a good copy."""


class Housekeeping:
    """One store's. `is_calm` says whether nothing else is going on; the writer's file must stay open until `keep` has ended."""

    def __init__(
        self,
        product: str,
        file: MappedFile,
        directory: Path,
        meters: Meters,
        clock: Clock,
        is_calm: Callable[[], bool],
        least_free_bytes: int = FREE_BYTES,
    ) -> None:
        """Remove what an earlier process may have left; touch nothing else."""
        self._file = file
        self._directory = directory
        self._clock = clock
        self._is_calm = is_calm
        self._least_free_bytes = least_free_bytes
        self._rest_until_mono_ms = 0
        self._log = logs.logger(product=product)
        self._size = meters.gauge(metrics.STORE_BYTES, product)
        self._free = meters.gauge(metrics.STORE_FREE, product)
        self._ends = {
            end: meters.counter(metrics.STORE_COMPACTIONS, product, end) for end in ("done", "void", "failed")
        }
        remove_leftovers(directory)

    async def keep(self) -> None:
        """Look every ten seconds until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
            except (StoreError, OSError) as error:
                self._log.error("housekeeping failed", problem=str(error))

    async def look(self) -> None:
        """Look once, and compact if it is worth it and nothing speaks against it."""
        freed = await _to_its_end(self._file.clear_dead_readers)
        if freed:
            self._log.warning("freed the places of readers that were killed", readers=freed)
        room = await self._measured()
        wasted = room.file_bytes - room.used_bytes
        if room.free_share < FREE_SHARE or wasted < self._least_free_bytes:
            return
        if self._is_calm() and self._clock.monotonic_ms() >= self._rest_until_mono_ms:
            self._rest_until_mono_ms = self._clock.monotonic_ms() + REST_MS
            await self._compact(room)

    async def _measured(self) -> Room:
        room = await _to_its_end(self._file.room)
        self._size.set(room.file_bytes)
        self._free.set(room.free_share)
        return room

    async def _compact(self, before: Room) -> None:
        began_ms = self._clock.monotonic_ms()
        compaction = Compaction(self._file, self._directory)
        try:
            copied = await _copied(await _to_its_end(compaction.begin))
            await _swapped(compaction)
            self._ends["done"].inc()
            took_ms = self._clock.monotonic_ms() - began_ms
            self._log.info("store compacted", before_bytes=before.file_bytes, took_ms=took_ms, **copied)
        except StoreError as error:  # a snapshot came between, or there is no room for a copy
            self._ends["void"].inc()
            self._log.warning("store not compacted", problem=str(error))
        except (CopyFailed, OSError) as error:
            self._ends["failed"].inc()
            self._log.error("store not compacted", problem=str(error), remedy="see whether the disk is full or failing")
        finally:
            await _to_its_end(compaction.end)
        await self._measured()

    def __repr__(self) -> str:
        """Show which store."""
        return f"<Housekeeping {self._directory.name}>"


async def _copied(command: Sequence[str]) -> dict[str, Any]:
    """Run the process that copies and return what it says; CopyFailed otherwise. It is killed when nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        *idly(command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(COPY_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise CopyFailed(f"the copy took longer than {COPY_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CopyFailed(said.decode("utf-8", "replace").strip() or f"the copy ended with {process.returncode}")
    facts: dict[str, Any] = json.loads(said)
    return facts


async def _swapped(compaction: Compaction) -> None:
    for _ in range(TRIES):
        await _to_its_end(compaction.catch_up)
        if compaction.swap():
            return
        await asyncio.sleep(PAUSE_S)
    raise CopyFailed("the copy did not catch up with the changes")


async def _to_its_end(work: Callable[[], Outcome]) -> Outcome:
    """Run something in a thread; a cancellation waits for its end, because the file must not be closed under it."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
