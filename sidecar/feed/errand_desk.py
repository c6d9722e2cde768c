"""The main process's end of the hatch: takes errands from the processes that answer, and tells them what cannot be had."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from entitlements.policy.ids import CustomerId, id_problem
from entitlements.runtime import logs
from sidecar import hatch
from sidecar.feed.procurement import Gone, Procurement

AGAIN_S: Final = 1.0


class ErrandDesk:
    """Serves any number of processes. `procurement_of` finds the feed of a product, None while it is not followed."""

    def __init__(self, path: Path, procurement_of: Callable[[str], Procurement | None]) -> None:
        """Prepare; nothing is opened yet."""
        self._path = path
        self._procurement_of = procurement_of
        self._peers: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """Listen and serve until cancelled. A path that cannot be had is tried again: meanwhile what is held is answered."""
        while True:
            try:
                with hatch.listen(self._path) as listener:
                    await self._accept(listener)
            except OSError as error:
                logs.logger().error("the hatch is shut", path=str(self._path), problem=str(error))
                await asyncio.sleep(AGAIN_S)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(listener)
                peer = asyncio.create_task(self._serve(connection))
                self._peers.add(peer)
                peer.add_done_callback(self._peers.discard)
        finally:
            for peer in self._peers:
                peer.cancel()
            await asyncio.gather(*self._peers, return_exceptions=True)

    async def _serve(self, connection: socket.socket) -> None:
        """Take one process's errands until it hangs up."""
        loop = asyncio.get_running_loop()
        hearers: dict[str, Gone] = {}
        connection.setblocking(False)
        with connection, contextlib.suppress(OSError):
            while packet := await loop.sock_recv(connection, hatch.PACKET_BYTES):
                with contextlib.suppress(ValueError):
                    kind, product, customers = hatch.opened(packet)
                    hearer = hearers.setdefault(product, _hearer(connection, product))
                    self._take(kind, product, [CustomerId(one) for one in customers if _is_id(one)], hearer)

    def _take(self, kind: str, product: str, customers: list[CustomerId], hearer: Gone) -> None:
        procurement = self._procurement_of(product)
        if kind == hatch.WANT and procurement is None:
            hearer(dict.fromkeys(customers, "not_ready"))
        elif kind == hatch.WANT and procurement is not None:
            procurement.want(customers, hearer)
        elif kind == hatch.USED and procurement is not None:
            procurement.used(customers)

    def __repr__(self) -> str:
        """Show how many processes are served."""
        return f"<ErrandDesk {self._path} [{len(self._peers)} processes]>"


def _is_id(one: object) -> bool:
    return isinstance(one, str) and id_problem(one) is None


def _hearer(connection: socket.socket, product: str) -> Gone:
    """Return what tells one process; one that does not listen misses it, and waits for as long as it would have."""

    def hear(reasons: Mapping[CustomerId, str]) -> None:
        with contextlib.suppress(OSError):
            for packet in hatch.gone_packets(product, reasons.items()):
                connection.send(packet)

    return hear
