"""What sidecars report: the newest acknowledgement of each, held until the publisher takes it to the database.

Reports arrive several times a second from each sidecar; kept in memory between turns of the publisher they cost one
transaction each half second instead of one each. A report that a crash loses is repeated within five seconds.
"""

from __future__ import annotations

import threading
from typing import Final

from control.domain.acknowledgement import SidecarAck

CAPACITY: Final = 20_000
"""Sidecars that may report between two turns; a flood of invented names ends here."""


class AckDesk:
    """The newest report of each sidecar and feed since the last `take`; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, str], SidecarAck] = {}

    def put(self, ack: SidecarAck) -> bool:
        """Keep a report instead of the sidecar's older one; False when the desk is full."""
        with self._lock:
            place = (ack.feed, ack.sidecar_id)
            if len(self._newest) >= CAPACITY and place not in self._newest:
                return False
            self._newest[place] = ack
            return True

    def take(self) -> list[SidecarAck]:
        """Return and forget what came in, ordered by feed and sidecar."""
        with self._lock:
            taken, self._newest = self._newest, {}
        return [taken[key] for key in sorted(taken)]

    def give_back(self, acks: list[SidecarAck]) -> None:
        """Keep reports that could not be stored, unless newer ones came in."""
        with self._lock:
            for ack in acks:
                self._newest.setdefault((ack.feed, ack.sidecar_id), ack)

    def __repr__(self) -> str:
        """Show how many wait."""
        return f"<AckDesk [{len(self._newest)} waiting]>"
