"""What stands in for a path that is not configured: asked anything, it is unavailable at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from entitlements.policy.feed_state_commands import Ack
from entitlements.policy.feed_state_events import Head
from entitlements.policy.feed_state_value import Position
from entitlements.policy.ids import CustomerId
from sidecar.feed.bus import BusListener
from sidecar.feed.control_source import SidecarIdentity
from sidecar.feed.source import Judge, LoadedSnapshot, SourceUnavailable


class NoBus:
    """No Redis: every attempt to subscribe ends at once, so the control plane is polled instead."""

    def open(self, listener: BusListener) -> None:
        """Tell the listener that there is no subscription."""
        asyncio.get_running_loop().call_soon(listener.disconnected)

    async def drop(self) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        """Return a fixed text."""
        return "<NoBus>"


class NoSource:
    """No such source; `name` is what the operator would have to configure."""

    def __init__(self, name: str) -> None:
        """Remember what is missing."""
        self._name = name

    async def head(self) -> Head | None:
        """Raise SourceUnavailable."""
        raise self._missing()

    async def heartbeat(self) -> bytes:
        """Raise SourceUnavailable."""
        raise self._missing()

    async def range_after(self, position: Position) -> list[bytes]:  # noqa: ARG002 - the port's signature
        """Raise SourceUnavailable."""
        raise self._missing()

    async def snapshot(self, judge: Judge, *, catalogue: bool = False) -> LoadedSnapshot:  # noqa: ARG002
        """Raise SourceUnavailable."""
        raise self._missing()

    async def customers(self, wanted: Sequence[CustomerId]) -> list[bytes]:  # noqa: ARG002
        """Raise SourceUnavailable."""
        raise self._missing()

    async def key_set(self) -> bytes:
        """Raise SourceUnavailable."""
        raise self._missing()

    async def acknowledge(self, ack: Ack, age_ms: int, identity: SidecarIdentity) -> None:  # noqa: ARG002
        """Raise SourceUnavailable."""
        raise self._missing()

    def _missing(self) -> SourceUnavailable:
        return SourceUnavailable(f"{self._name} is not configured")

    def __repr__(self) -> str:
        """Show what is missing."""
        return f"<NoSource {self._name}>"
