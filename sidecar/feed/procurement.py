"""Gets customers when they are asked for: from Redis, then from the control plane, each once, few at a time, and never in anybody's way.

Whoever asks is told only of failure, because a customer that is there shows in the store. What limits it: lanes that fetch at once, places
in the queue, and a budget for strangers. Asking for customers that do not exist costs that budget, and when it is spent, who asks next is
told so at once; a flood of invented ids thus reaches the control plane as a trickle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

from entitlements.policy.feed_state_value import Path, Version
from entitlements.policy.ids import CustomerId, customer_record_key
from entitlements.policy.working_set import Finding
from entitlements.wire.envelope import FeedCustomer, Refused
from sidecar.feed.hindsight import recall_past
from sidecar.feed.inspector import Inspector
from sidecar.feed.ledger import Ledger
from sidecar.feed.parts import FeedParts
from sidecar.feed.pen import Pen
from sidecar.feed.source import PolicySource, SourceUnavailable
from sidecar.feed.stranger_budget import StrangerBudget

LANES: Final = 4
BATCH: Final = 64
QUEUE: Final = 2_000
PATIENCE_MS: Final = 5_000
"""How long a proof of a later position waits for the feed."""
GOING_AT_ONCE: Final = 256

Gone = Callable[[Mapping[CustomerId, str]], None]
"""Hears of customers that cannot be had now, each with a closed reason: unreachable, refused, busy, late, not_ready."""


@dataclass(slots=True)
class Wanted:
    """A customer that somebody waits for, or nobody when it is fetched again by itself."""

    since_mono_ms: int
    hearers: list[Gone] = field(default_factory=list)
    proof: FeedCustomer | None = None
    """One of a later position than ours, or one that came while a snapshot was being written."""
    came_by: str = ""


class ProcurementListener(Protocol):
    """Who follows the feed."""

    def ahead(self, version: Version) -> None:
        """Hear that a genuine proof speaks of a position."""

    def refused(self, refused: Refused) -> None:
        """Hear of bytes that were not accepted."""


class Procurement:
    """The fetching of one feed's customers. Lives on the event loop."""

    def __init__(
        self, parts: FeedParts, ledger: Ledger, pen: Pen, inspector: Inspector, listener: ProcurementListener
    ) -> None:
        """Fetch nothing yet."""
        self._product = parts.product
        self._ledger = ledger
        self._pen = pen
        self._sources: Mapping[Path, PolicySource] = {Path.REDIS: parts.redis, Path.CONTROL: parts.control}
        self._inspector = inspector
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._listener = listener
        self._queue: dict[CustomerId, Wanted] = {}
        self._flying: dict[CustomerId, Wanted] = {}
        self._waiting: dict[CustomerId, Wanted] = {}
        self._again: deque[CustomerId] = deque()
        self._budget = StrangerBudget(parts.clock.monotonic_ms())
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: set[asyncio.Task[None]] = set()
        self._may_write = False

    @property
    def held(self) -> tuple[int, int]:
        """Return how many customers are held, and how many are known not to exist."""
        return self._ledger.roster.customers, self._ledger.roster.absences

    def want(self, customers: Iterable[CustomerId], hearer: Gone) -> None:
        """Get customers that are not held; those that cannot be had are told, those that are under way are not fetched twice."""
        refused: dict[CustomerId, str] = {}
        for customer in customers:
            under_way = self._queue.get(customer) or self._flying.get(customer) or self._waiting.get(customer)
            if under_way is not None:
                if hearer not in under_way.hearers:
                    under_way.hearers.append(hearer)
            elif customer in self._ledger.roster:
                continue
            elif self._ledger.position is None:
                refused[customer] = "not_ready"
            elif len(self._queue) >= QUEUE:
                refused[customer] = "busy"
            else:
                self._queue[customer] = Wanted(self._clock.monotonic_ms(), [hearer])
        self._tell({customer: Wanted(0, [hearer]) for customer in refused}, refused)
        self._start()

    def used(self, customers: Iterable[CustomerId]) -> None:
        """Hear who was asked about lately; also the moment to let absences go that have had their time."""
        self._ledger.roster.use(customers)
        self._settle([])

    def moved(self, *, may_write: bool) -> None:
        """Hear that the feed made a step: proofs that waited for it are looked at again, or have waited too long."""
        self._may_write = may_write
        if self._ledger.customers_before:
            self._again.extend(self._ledger.customers_before)
            self._ledger.customers_before = []
        if self._waiting:
            self._look_again()
        if self._ledger.past_is_open:
            self._ledger.past_is_open = False
            self._spawn(recall_past(self._ledger, self._sources[Path.REDIS], self._inspector))
        self._start()

    def _look_again(self) -> None:
        looked_at, self._waiting = self._waiting, {}
        self._take(looked_at, [one.proof for one in looked_at.values() if one.proof is not None])
        self._queue.update(looked_at)  # touched meanwhile, or of another epoch: a newer proof is needed
        oldest = self._clock.monotonic_ms() - PATIENCE_MS
        late = {customer: one for customer, one in self._waiting.items() if one.since_mono_ms < oldest}
        for customer in late:
            del self._waiting[customer]
        self._tell(late, dict.fromkeys(late, "late"))

    def _start(self) -> None:
        if self._ledger.position is not None and (self._queue or self._again) and len(self._lanes) < LANES:
            self._lanes.add(self._spawn(self._run()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._lanes.discard)
        return task

    async def _run(self) -> None:
        while batch := dict(islice(self._next(), BATCH)):
            self._flying.update(batch)
            left = dict(batch)
            try:
                await self._obtain(left)
            finally:
                for customer in batch:
                    self._flying.pop(customer, None)

    def _next(self) -> Iterator[tuple[CustomerId, Wanted]]:
        while self._queue:
            customer = next(iter(self._queue))
            yield customer, self._queue.pop(customer)
        while self._again:
            customer = self._again.popleft()
            known = customer in self._ledger.roster or customer in self._flying or customer in self._waiting
            if not known:
                yield customer, Wanted(self._clock.monotonic_ms())

    async def _obtain(self, left: dict[CustomerId, Wanted]) -> None:
        """Fetch a batch; what is settled leaves `left`, and what remains at the end cannot be had now."""
        reason = "unreachable"
        for path, source in self._sources.items():
            if not left:
                return
            reserved = len(left) if path is Path.CONTROL else 0
            if not self._budget.reserve(reserved, self._clock.monotonic_ms()):
                reason = "busy"
                break
            started_ms = self._clock.monotonic_ms()
            try:
                envelopes = await source.customers(list(left))
            except SourceUnavailable:
                self._metrics.fetched(self._product, "customers", path.value, good=False)
                self._budget.give_back(reserved)
                continue
            self._metrics.fetched(self._product, "customers", path.value, good=True)
            self._metrics.procured_in(self._product, path.value, self._clock.monotonic_ms() - started_ms)
            proofs = self._verified(envelopes, left)
            self._budget.give_back(reserved - sum(proof.body is None for proof in proofs))
            reason = "refused" if path is Path.CONTROL else reason
            for proof in proofs:
                left[proof.customer].came_by = path.value
            self._take(left, proofs)
        if left:
            self._tell(left, dict.fromkeys(left, reason))

    def _verified(self, envelopes: Iterable[bytes], wanted: Mapping[CustomerId, Wanted]) -> list[FeedCustomer]:
        proofs = []
        for envelope in envelopes:
            try:
                proof = self._inspector.customer(envelope)
            except Refused as refused:
                self._listener.refused(refused)
                continue
            if proof.customer in wanted:
                proofs.append(proof)
        return proofs

    def _take(self, left: dict[CustomerId, Wanted], proofs: Sequence[FeedCustomer]) -> None:
        """Settle what can be; proofs of later positions wait, those that are worth nothing leave their customer in `left`."""
        true: list[FeedCustomer] = []
        for proof in proofs:
            finding = self._ledger.judge(proof)
            if finding is Finding.TRUE and self._may_write:
                true.append(proof)
            elif finding in {Finding.TRUE, Finding.AHEAD}:
                self._wait(proof, left.pop(proof.customer))
            else:
                self._metrics.not_believed(self._product, finding.value)
        absent = {proof.customer for proof in true if proof.body is None}
        for customer in self._settle(true):
            came_by = left.pop(customer).came_by
            self._metrics.procured(self._product, "absent" if customer in absent else came_by)

    def _wait(self, proof: FeedCustomer, one: Wanted) -> None:
        if one.proof is None:
            one.since_mono_ms = self._clock.monotonic_ms()
        one.proof = proof
        self._waiting[proof.customer] = one
        if self._may_write:
            asyncio.get_running_loop().call_soon(self._listener.ahead, Version(proof.epoch, proof.seq))

    def _settle(self, proofs: Sequence[FeedCustomer]) -> list[CustomerId]:
        """Write what was proven and let go what has no room, in one transaction; return who is held now."""
        if not self._may_write:
            return []
        self._ledger.take((proof.customer, proof.body is None) for proof in proofs)
        going = self._ledger.surplus(GOING_AT_ONCE)
        if not proofs and not going:
            return []
        taken = {proof.customer: proof.body for proof in proofs if proof.customer in self._ledger.roster}
        written = self._pen.hold(
            {customer_record_key(customer): body for customer, body in taken.items()},
            [customer_record_key(customer) for customer in going],
        )
        if not written:
            self._ledger.roster.forget(taken)
            self._ledger.take((customer, False) for customer in going)
            return []
        self._metrics.working_set(self._product, self._ledger.roster.customers, self._ledger.roster.absences)
        self._metrics.evicted(self._product, len(going))
        return list(taken)

    def _tell(self, wanted: Mapping[CustomerId, Wanted], reasons: Mapping[CustomerId, str]) -> None:
        """Tell everybody who waits for these customers, each hearer once."""
        by_hearer: dict[Gone, dict[CustomerId, str]] = {}
        for customer, reason in reasons.items():
            self._metrics.procured(self._product, reason)
            for hearer in wanted[customer].hearers:
                by_hearer.setdefault(hearer, {})[customer] = reason
        for hearer, told in by_hearer.items():
            hearer(told)

    async def close(self) -> None:
        """Fetch no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __repr__(self) -> str:
        """Show what is under way."""
        under_way = f"{len(self._queue)} queued | {len(self._flying)} fetched | {len(self._waiting)} wait"
        return f"<Procurement {self._product} [{under_way} | {self._ledger!r}]>"
