"""Engines: SQLite by default, PostgreSQL by URL, with the settings that durability needs.

SQLite runs in WAL mode with synchronous=FULL: a commit that was published must not be lost with the power, else the feed's history would
regress. Transactions are begun by us, not by the driver: ``BEGIN IMMEDIATE`` for those that write, so that two writers queue instead of
failing when they upgrade a read, and ``BEGIN`` for those that read.
"""

from __future__ import annotations

import sqlite3
from threading import Event
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

BUSY_TIMEOUT_MS: Final = 10_000
"""How long a writer waits for the one before it on SQLite."""
_RETRY_MS: Final = 10
_WRITES: Final = "control_writes"


def open_engine(url: str) -> Engine:
    """Return an engine for ``sqlite:///PATH`` or ``postgresql://...``; ValueError for another database."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            engine = _sqlite(url, memory=parsed.database in {None, "", ":memory:"})
        case "postgresql":
            engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
        case other:
            raise ValueError(f"database {other!r} is not supported: use sqlite:///PATH or postgresql://...")
    return engine


def _sqlite(url: str, *, memory: bool) -> Engine:
    engine = create_engine(url, poolclass=StaticPool) if memory else create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        for pragma in ("synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        _write_ahead(cursor)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(cursor: Any) -> None:
    """Switch a database to WAL; the mode stays in the file.

    SQLite does not wait for its turn here, whatever the busy timeout: two processes that open a new file at once may both be told
    that it is locked (about one in a hundred did in our trial). So we wait, as long as any writer would.
    """
    pause = Event()
    for attempt in range(BUSY_TIMEOUT_MS // _RETRY_MS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == BUSY_TIMEOUT_MS // _RETRY_MS - 1:
                raise
            pause.wait(_RETRY_MS / 1000)


def for_writing(engine: Engine) -> Engine:
    """Return the engine whose transactions take the write lock when they begin (SQLite; no difference on PostgreSQL)."""
    return engine.execution_options(**{_WRITES: True})


def is_contention(error: DBAPIError) -> bool:
    """Return whether a transaction failed only because of another one, so that repeating it may succeed."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available
    return "database is locked" in str(error.orig)
