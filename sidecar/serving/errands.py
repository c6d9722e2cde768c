"""The answering end of the hatch: asks the main process for customers that are not held, and tells it who was asked about.

Nothing here waits: a call that lacks a customer is told what to wait for (`Awaited`), and its transport does the waiting. What the main
process said it cannot get is not asked for again for a moment, nor waited for, and nothing is while the main process is away.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from entitlements.local.premises import Premises
from entitlements.local.shelf import Shelf
from entitlements.policy.ids import ProductId, customer_record_key
from entitlements.runtime.metrics import Meters
from entitlements.store.errors import StoreError
from sidecar import hatch, metrics

LOOK_S: Final = 0.2
DIAL_S: Final = 0.1
HOPE_S: Final = 2.0
"""A main process that is away for less than this is expected back: at a restart, at a takeover."""
START_S: Final = 30.0
"""So long after a start one is expected that was not there yet: it has more to import, and is the later one to be ready."""
REPORT_S: Final = 1.0
ASK_AGAIN_S: Final = 0.25
"""Several calls that lack one customer within this time are one errand; what cannot be had is not asked for again before it is over."""
MOST_GONE: Final = 20_000


class Awaited:
    """What one call waits for: customers of some products."""

    __slots__ = ("_ask_at", "_asked_for", "_errands", "_lacking", "_since")

    def __init__(self, errands: Errands, lacking: Mapping[ProductId, Collection[str]], since: float) -> None:
        self._errands = errands
        self._asked_for = lacking
        self._lacking = {product: set(customers) for product, customers in lacking.items()}
        self._since = since
        self._ask_at = since + ASK_AGAIN_S

    @property
    def wait_s(self) -> float:
        """Return the longest that a call waits."""
        return self._errands.wait_s

    def settle(self) -> None:
        """Count what became of the customers; once, when the waiting is over."""
        for product, customers in self._asked_for.items():
            left = set(self._errands.still_lacking(product, customers))
            self._errands.missed(product, customers, left, self._since)

    def ready(self) -> bool:
        """Return whether nothing is left to wait for: each customer is held, or cannot be had. Asks again now and then.

        Asking again costs little and heals what was lost: a main process that ended with our errand, a customer that came and went.
        """
        for product in list(self._lacking):
            left = {
                customer
                for customer in self._errands.still_lacking(product, self._lacking[product])
                if self._errands.reason(product, customer, self._since) is None
            }
            if left:
                self._lacking[product] = left
                now = self._errands.now()
                if now < self._ask_at:
                    return False
                self._ask_at = now + ASK_AGAIN_S
                return not self._errands.ask(self._lacking, now)
            del self._lacking[product]
        return True


class Errands:
    """All errands of one process. `start` begins to keep the connection; calls come from any thread."""

    def __init__(
        self,
        path: Path,
        shelves: Mapping[ProductId, Shelf],
        wait_ms: int,
        meters: Meters,
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare; nothing is opened yet. A call waits at most `wait_ms`, if its own deadline is not shorter."""
        self.wait_s = wait_ms / 1000
        self._path = path
        self._shelves = shelves
        self._meters = meters
        self._monotonic = monotonic
        self._connection: socket.socket | None = None
        self._asked: dict[tuple[ProductId, str], float] = {}
        self._gone: dict[tuple[ProductId, str], tuple[float, str]] = {}
        self._used: dict[ProductId, set[str]] = {product: set() for product in shelves}
        self._unsent: dict[ProductId, set[str]] = {product: set() for product in shelves}
        self._alone_since = monotonic() + START_S - HOPE_S
        self._stopping = threading.Event()
        self.misses = 0
        """Customers that were asked about and not held, since the start; for a ratio, so a lost addition does not matter."""

    def start(self) -> None:
        """Begin to keep in touch with the main process."""
        threading.Thread(target=self._keep, name="errands", daemon=True).start()

    def now(self) -> float:
        """Return the reading of the clock by which everything here goes, in seconds."""
        return self._monotonic()

    def used(self, product: ProductId, customer: str) -> None:
        """Note that a customer was asked about; a set keeps it until the next report."""
        self._used[product].add(customer_record_key(customer))

    def recalled(self, premises: Premises) -> None:
        """Note the customer of a remembered answer, whose record is the first that a decision reads."""
        for key in premises.reads:
            self._used[premises.shelf.product].add(key)
            return

    def fetch(self, lacking: Mapping[ProductId, Collection[str]]) -> Awaited | None:
        """Ask for customers; None when there is nothing to wait for, because none of them can be had now (then they are counted)."""
        now = self._monotonic()
        if self.ask(lacking, now):
            return Awaited(self, lacking, now)
        for product, customers in lacking.items():
            self.missed(product, customers, customers, now - ASK_AGAIN_S)
        return None

    def ask(self, lacking: Mapping[ProductId, Collection[str]], now: float) -> bool:
        """Send what was not sent a moment ago; return whether any of the customers may come."""
        hopeful = False
        for product, customers in lacking.items():
            wanted = []
            for customer in customers:
                name = product, customer
                gone = self._gone.get(name)
                if gone is not None and now - gone[0] < ASK_AGAIN_S:
                    continue
                hopeful = True
                if now - self._asked.get(name, float("-inf")) >= ASK_AGAIN_S:
                    self._asked[name] = now
                    wanted.append(customer)
            if self._connection is None and now - self._alone_since < HOPE_S:
                self._unsent[product].update(wanted)
            elif wanted and not self._send(hatch.packets(hatch.WANT, product, wanted)):
                hopeful = False
                for customer in wanted:
                    self._asked.pop((product, customer), None)
        return hopeful

    def still_lacking(self, product: ProductId, customers: Iterable[str]) -> list[str]:
        """Return those that are not in the store by now; all of them when it cannot be read."""
        try:
            with self._shelves[product].reader.view() as view:
                return [one for one in customers if view.version_of(customer_record_key(one)) is None]
        except StoreError:
            return list(customers)

    def reason(self, product: ProductId, customer: str, since: float) -> str | None:
        """Return why a customer cannot be had, if that was said since an instant."""
        told = self._gone.get((product, customer))
        return None if told is None or told[0] < since else told[1]

    def missed(self, product: ProductId, customers: Collection[str], left: Collection[str], since: float) -> None:
        """Count what became of customers that were not held when they were asked about; some are left."""
        self.misses += len(customers)
        for customer in customers:
            if customer not in left:
                result = "fetched"
            elif self._connection is None:
                result = "no_main_process"
            else:
                result = self.reason(product, customer, since) or "timed_out"
            self._meters.counter(metrics.WORKING_SET_MISSES, product, result).inc()

    def _send(self, packets: Iterable[bytes]) -> bool:
        connection = self._connection
        if connection is None:
            return False
        try:
            for packet in packets:
                connection.send(packet)
        except OSError:  # gone, or so busy that its buffer is full: nothing is waited for
            return False
        return True

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = hatch.dial(self._path)
            except OSError:
                self._stopping.wait(DIAL_S)
                continue
            with connection, contextlib.suppress(OSError):
                self._connection = connection
                self._catch_up()
                self._listen(connection)
            self._alone_since = self._monotonic()
            self._connection = None

    def _catch_up(self) -> None:
        """Ask for what calls wait for that came while nobody was there."""
        for product, unsent in list(self._unsent.items()):
            if unsent:
                self._unsent[product] = set()
                self._send(hatch.packets(hatch.WANT, product, list(unsent)))

    def _listen(self, connection: socket.socket) -> None:
        """Hear what is said until the other end hangs up, and report now and then."""
        report_at = self._monotonic() + REPORT_S
        heard = select.poll()
        heard.register(connection, select.POLLIN)
        while not self._stopping.is_set():
            if heard.poll(LOOK_S * 1000):
                packet = connection.recv(hatch.PACKET_BYTES)
                if not packet:
                    return
                self._hear(packet)
            if self._monotonic() >= report_at:
                report_at = self._monotonic() + REPORT_S
                self._report()

    def _hear(self, packet: bytes) -> None:
        try:
            kind, product, customers = hatch.opened(packet)
        except ValueError:
            return
        if kind == hatch.GONE and isinstance(customers, dict):
            now = self._monotonic()
            for customer, reason in customers.items():
                self._gone[ProductId(product), customer] = (now, reason)

    def _report(self) -> None:
        """Say who was asked about since the last report, and forget what is over."""
        for product, used in list(self._used.items()):
            if used:
                self._used[product] = set()
                # A call that took the old set a moment ago may still add to it; copying is one step, so nothing breaks.
                self._send(hatch.packets(hatch.USED, product, [key.partition("/")[2] for key in list(used)]))
        over = self._monotonic() - max(ASK_AGAIN_S, self.wait_s)
        for name, asked_at in list(self._asked.items()):
            if asked_at < over:
                self._asked.pop(name, None)
        for name, (told_at, _) in list(self._gone.items()):
            if told_at < over or len(self._gone) > MOST_GONE:
                self._gone.pop(name, None)

    def stop(self) -> None:
        """End; the thread goes within a moment."""
        self._stopping.set()

    def __repr__(self) -> str:
        """Show whether the main process is there."""
        return f"<Errands [{'connected' if self._connection else 'alone'} | {len(self._gone)} not to be had]>"
