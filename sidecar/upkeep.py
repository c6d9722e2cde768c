"""What the main process knows of the process that answers, and how it stays in touch: the intercom, once a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sidecar.intercom import ask

ASK_S: Final = 0.5
"""How long the process that answers may take to say how it is; when it hangs, nothing here hangs with it."""
EVERY_S: Final = 1.0
HURRY_S: Final = 0.02
"""The interval until the sidecar is ready for the first time."""


class Upkeep:
    """Asks the serving process for its status, again and again, and tells when a reader has found damage."""

    def __init__(self, products: tuple[str, ...], on_damage: Callable[[str], None]) -> None:
        """Know nothing yet. `on_damage` hears the product whose store has a damaged record."""
        self._products = products
        self._on_damage = on_damage
        self._intercom: Path | None = None
        self._corrupt: dict[str, int] = {}
        self.facts: dict[str, Any] = {}
        self.last_status: dict[str, Any] | None = None

    def up(self, facts: dict[str, Any]) -> None:
        """Take note of a process that has announced itself."""
        self.facts = facts
        self._intercom = Path(str(facts.get("intercom", "")))
        self._corrupt = {}

    def down(self) -> None:
        """Take note that it has ended."""
        self.facts = {}
        self._intercom = None
        self.last_status = None

    @property
    def is_up(self) -> bool:
        """Return whether it has announced itself and not ended since."""
        return self._intercom is not None

    def not_loaded(self) -> list[str]:
        """Return the products of which it has no policy, as of its last answer."""
        told = {} if self.last_status is None else self.last_status.get("products", {})
        return [product for product in self._products if not told.get(product, {}).get("loaded")]

    async def keep(self) -> None:
        """Stay in touch until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(EVERY_S if self.last_status is not None and not self.not_loaded() else HURRY_S)

    async def _look(self) -> None:
        reply = await self.ask("status")
        self.last_status = None if reply is None else json.loads(reply)
        if self.last_status is not None:
            for product, told in self.last_status["products"].items():
                if told["corrupt"] > self._corrupt.get(product, 0):
                    self._on_damage(product)
                self._corrupt[product] = told["corrupt"]

    async def ask(self, request: str) -> bytes | None:
        """Return what it replies, or None when it does not."""
        intercom = self._intercom
        if intercom is None:
            return None
        try:
            return await asyncio.to_thread(ask, intercom, request, ASK_S)
        except OSError:
            return None

    def __repr__(self) -> str:
        """Show whether the process that answers is up."""
        return f"<Upkeep [{'up' if self.is_up else 'down'} | not loaded: {', '.join(self.not_loaded()) or 'nothing'}]>"
