"""One sidecar of the story: its process, and what a service, a probe and a scraper see of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

from demo.pages import Page, metric, page
from demo.processes import Part, wait_until
from demo.site import Site, free_port, without_settings
from demo.vendor import PRODUCTS
from entitlements.client import Answer, EntitlementClient, ExplainLevel
from entitlements.runtime.locks import FileLock
from sidecar.intercom import SERVING_LOCK

CLOSED: Final = 0.0
OPEN: Final = 2.0


class Sidecar:
    """A sidecar on a unix socket of its own, for all products of the vendor."""

    def __init__(self, name: str, site: Site, socket: Path, *, root_keys: str, token: str) -> None:
        self.name = name
        self.socket = socket
        self.store = site.folder / f"store-{name}"
        self._admin = f"http://127.0.0.1:{free_port()}"
        self.client = EntitlementClient(f"unix:{socket}", product=PRODUCTS[0], timeout_s=1.0)
        self.part = Part(
            f"sidecar {name}",
            [sys.executable, "-m", "sidecar"],
            {
                **without_settings(os.environ),
                "PYTHONUNBUFFERED": "1",
                "ENTITLEMENTS_PRODUCTS": ",".join(PRODUCTS),
                "ENTITLEMENTS_ROOT_KEYS": root_keys,
                "ENTITLEMENTS_SOCKET": str(socket),
                "ENTITLEMENTS_LISTEN": "",
                "ENTITLEMENTS_ADMIN": self._admin.removeprefix("http://"),
                "ENTITLEMENTS_STORE_DIR": str(self.store),
                "ENTITLEMENTS_REDIS_URL": f"unix://{site.valkey_socket}",
                "ENTITLEMENTS_CONTROL_TARGET": f"127.0.0.1:{site.grpc}",
                "ENTITLEMENTS_CONTROL_TOKEN": token,
                "ENTITLEMENTS_SIDECAR_ID": name,
            },
            site.logs / f"sidecar-{name}.log",
            lambda: self.admin("/readyz").status == 200,
        )

    def ask(self, customer: str, feature: str, *, explain: ExplainLevel = ExplainLevel.NONE) -> Answer:
        """May this customer of Fernhill Boards use this feature now?"""
        return self.client.check(customer, feature, explain=explain)

    def is_live(self) -> bool:
        """Tell whether a heartbeat confirmed its policy since it started, and lately."""
        answer = self.ask("acme", "tasks")
        return (answer.served_from, answer.freshness) == ("LIVE", "FRESH")

    def crash(self) -> None:
        """Kill both of its processes at once; by itself the one that answers would outlive the other, and go on answering."""
        wait_until(lambda: self.admin("/statusz").status == 200, f"the status page of sidecar {self.name}")
        serving = self.admin("/statusz").json["serving"]["pid"]
        self.part.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(serving, signal.SIGKILL)

    def end(self) -> None:
        """End it as an operator would; a process that answers and has lost its main process is killed."""
        self.client.close()
        self.part.stop()
        claim = FileLock(self.store / SERVING_LOCK)
        if self.store.exists() and claim.is_held_elsewhere():
            pid = claim.owner().get("pid")
            if isinstance(pid, int):
                os.kill(pid, signal.SIGKILL)

    def admin(self, path: str) -> Page:
        """Fetch a page of the admin address."""
        return page(self._admin + path)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's present value, summed over its other labels."""
        return metric(self.admin("/metrics").text, name, **labels)

    def breaker_is(self, state: float, dependency: str = "redis") -> bool:
        """Tell whether its circuit breaker towards a dependency is CLOSED or OPEN."""
        return self.metric("entitlements_breaker_state", dependency=dependency) == state

    def refused(self, product: str, reason: str) -> float:
        """Return how many messages of a product's feed it refused for a reason."""
        return self.metric("entitlements_feed_refused_total", product=product, reason=reason)

    def __repr__(self) -> str:
        """Show the part."""
        return f"<Sidecar [{self.part!r}]>"
