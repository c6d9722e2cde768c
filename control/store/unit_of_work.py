"""One transaction: business rows, policy records, outbox and audit commit together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from control.domain.errors import Busy
from control.store import audit_log
from control.store.database import for_writing, is_contention
from control.store.feed_writer import FeedWriter
from control.store.latches import PRODUCTS, hold
from entitlements.policy.ids import RecordKey
from entitlements.policy.model import Customer, Feature, PlanVersion
from entitlements.runtime.clock import Clock
from entitlements.wire.codec import record_to_bytes

Versions = dict[str, tuple[int, int]]
"""Product to (epoch, seq): the position that contains a write."""
Wake = Callable[[frozenset[str]], None]


class UnitOfWork:
    """An open transaction that writes. A handler locks first, then reads, decides, writes, and flushes."""

    def __init__(self, connection: Connection, actor: str, clock: Clock) -> None:
        """Work in a transaction that was begun for writing."""
        self.connection: Final = connection
        self.actor: Final = actor
        self.feeds: Final = FeedWriter(connection)
        self._clock = clock
        self._notes: list[audit_log.Entry] = []

    @property
    def now_ms(self) -> int:
        """Return UTC milliseconds."""
        return self._clock.now_ms()

    def lock(self, *products: str) -> None:
        """Lock the feeds of products; NotFound for an unknown one. Lock everything that a command needs in one call."""
        self.feeds.lock(products)

    def lock_all(self) -> tuple[str, ...]:
        """Lock every feed, and keep products and customers from coming or going; return the products."""
        hold(self.connection, PRODUCTS)
        self.feeds.lock(None)
        return self.feeds.locked

    def changed(self, product: str, key: RecordKey, record: Feature | PlanVersion | Customer | None) -> None:
        """Let a policy record be this one, or be gone."""
        self.feeds.put(product, key, None if record is None else record_to_bytes(record))

    def note(self, action: str, subject: str, before: Any, after: Any) -> None:
        """Enter what was done into the audit trail: plain JSON data, None where there was or is nothing."""
        self._notes.append(audit_log.Entry(action, subject, before, after))

    def flush(self) -> Versions:
        """Write deltas and audit events of what was done so far: one business action. Return the positions that contain it."""
        now_ms = self.now_ms
        self.feeds.flush(now_ms)
        if self._notes:
            audit_log.append(self.connection, self.actor, now_ms, self._notes)
            self._notes.clear()
        return self.feeds.positions()

    def __repr__(self) -> str:
        """Show the actor and what is locked."""
        return f"<UnitOfWork {self.actor} [locked {', '.join(self.feeds.locked) or 'nothing'}]>"


class Store:
    """The database of the control plane; safe for many threads."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Use an engine whose schema is at its newest revision."""
        self.engine: Final = engine
        self.clock: Final = clock
        self._writing = for_writing(engine)
        self._wakes: list[Wake] = []

    def on_commit(self, wake: Wake) -> None:
        """Have a function called after each commit that advanced feeds, with their products, in the committing thread; it must not raise."""
        self._wakes.append(wake)

    @contextmanager
    def begin(self, actor: str) -> Iterator[UnitOfWork]:
        """Open a transaction that writes; it commits when the block ends, and an exception undoes all of it.

        Raises Busy when the database does not let us in or chose this transaction to break a tie.
        """
        try:
            with self._writing.begin() as connection:
                uow = UnitOfWork(connection, actor, self.clock)
                yield uow
                uow.flush()
        except DBAPIError as error:
            if isinstance(error, IntegrityError) or is_contention(error):
                raise Busy from error
            raise
        self._awake(frozenset(uow.feeds.advanced))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads and sees one state of the database."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite reads from one state anyway
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            yield connection

    def _awake(self, products: frozenset[str]) -> None:
        if not products:
            return
        for wake in self._wakes:
            wake(products)
