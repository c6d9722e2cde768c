"""A policy bus in memory that can fail, for feeds without a server; it passes the suite that the real one passes."""

import asyncio

from sidecar.feed.bus import BusListener


class MemoryChannel:
    """What a server's channel is: whoever is subscribed hears what is published from then on."""

    def __init__(self) -> None:
        """Begin without subscribers, up."""
        self.up = True
        self._listeners: dict[MemoryBus, BusListener] = {}

    def publish(self, raw: bytes) -> int:
        """Hand a message to every subscriber and return how many there were."""
        listeners = list(self._listeners.values()) if self.up else []
        for listener in listeners:
            listener.frame(raw)
        return len(listeners)

    def fault(self) -> None:
        """Go down: subscriptions end, and none can be opened."""
        self.up = False
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener.disconnected()

    def recover(self) -> None:
        """Come up again, with no subscriber."""
        self.up = True

    def resubscribe(self) -> None:
        """Confirm every subscription once more, as a client that reconnected silently sees it."""
        for listener in list(self._listeners.values()):
            listener.subscribed()

    def connect(self, bus: "MemoryBus", listener: BusListener) -> None:
        """Confirm a subscription, or tell that there is none."""
        if self.up:
            self._listeners[bus] = listener
            listener.subscribed()
        else:
            listener.disconnected()

    def forget(self, bus: "MemoryBus") -> None:
        """End a subscription without a word."""
        self._listeners.pop(bus, None)


class MemoryBus:
    """A subscription to a channel in memory (PolicyBus)."""

    def __init__(self, channel: MemoryChannel) -> None:
        """Prepare; nothing is subscribed yet."""
        self._channel = channel
        self._opening: asyncio.Handle | None = None

    def open(self, listener: BusListener) -> None:
        """Subscribe in the next turn of the event loop."""
        self._opening = asyncio.get_running_loop().call_soon(self._channel.connect, self, listener)

    async def drop(self) -> None:
        """End the subscription."""
        if self._opening is not None:
            self._opening.cancel()
        self._channel.forget(self)

    def __repr__(self) -> str:
        """Show whether the channel is up."""
        return f"<MemoryBus [{'up' if self._channel.up else 'down'}]>"
