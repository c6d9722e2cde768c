"""Proofs of single customers at the head of a feed, made when a sidecar asks that holds a working set.

A proof that was made once may serve other sidecars: it is left in Redis for some minutes. That copy is a convenience. It is written
behind the answer, slower than a bound, and forgotten when Redis is away; an absence is never left there, so a flood of unknown customers
does not fill Redis.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from control.metrics import PROOFS
from control.publishing.redis_log import LogUnavailableError, RedisLog
from control.publishing.signing import Signer
from control.store.feed_log import FeedLog
from entitlements.policy.ids import Millis, customer_record_key
from entitlements.runtime.clock import Clock
from entitlements.runtime.metrics import Meters
from entitlements.wire.envelope import build_customer

DEPOSIT_EVERY_S: Final = 0.1
DEPOSITS_AT_ONCE: Final = 50
"""With the pause above: at most 500 a second, so what Redis holds of them at any time stays below 150,000."""
WAITING: Final = 2_000
"""Proofs that wait to be left in Redis; more are not."""


class ProofDesk:
    """Makes proofs, and leaves them in Redis when there is one. Safe for many threads; `deposit` is its thread's whole work."""

    def __init__(self, log: FeedLog, signer: Signer, redis: RedisLog | None, clock: Clock, meters: Meters) -> None:
        """Prepare; nothing runs yet."""
        self._log = log
        self._signer = signer
        self._redis = redis
        self._clock = clock
        self._meters = meters
        self._waiting: deque[tuple[str, str, bytes]] = deque(maxlen=WAITING)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def prove(self, feed: str, customers: Sequence[str]) -> list[bytes] | None:
        """Return an envelope for each customer, all at one position, in their order; None when there is no such feed."""
        view = self._log.records(feed, [customer_record_key(customer) for customer in customers])
        if view is None:
            return None
        at, now_ms = view.head.position, Millis(self._clock.now_ms())
        envelopes = []
        for customer in customers:
            record = view.bodies.get(customer_record_key(customer))
            body = build_customer(feed, at.epoch, at.seq, at.chain, view.head.digest, now_ms, customer, record)
            envelopes.append(self._signer.sign_policy(body, now_ms))
            if record is not None and self._redis is not None:
                self._waiting.append((feed, customer, envelopes[-1]))
        known = len(view.bodies)
        self._meters.counter(PROOFS, feed, "present").inc(known)
        self._meters.counter(PROOFS, feed, "absent").inc(len(set(customers)) - known)
        return envelopes

    def deposit(self) -> None:
        """Leave the next proofs in Redis; those for which it is away are forgotten."""
        if self._redis is None:
            return
        taken: dict[str, dict[str, bytes]] = {}
        for feed, customer, envelope in islice(iter(self._pop, None), DEPOSITS_AT_ONCE):
            taken.setdefault(feed, {})[customer] = envelope
        for feed, proofs in taken.items():
            try:
                self._redis.put_customers(feed, list(proofs.items()))
                outcome = "deposited"
            except LogUnavailableError:
                outcome = "not_deposited"
            self._meters.counter(PROOFS, feed, outcome).inc(len(proofs))

    def _pop(self) -> tuple[str, str, bytes] | None:
        return self._waiting.popleft() if self._waiting else None

    def start(self) -> None:
        """Start the thread."""
        if self._redis is not None:
            self._thread = threading.Thread(target=self._run, name="deposits", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the thread; what waits is forgotten."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.wait(DEPOSIT_EVERY_S):
            self.deposit()

    def __repr__(self) -> str:
        """Show how much waits."""
        return f"<ProofDesk [{len(self._waiting)} waiting]>"
