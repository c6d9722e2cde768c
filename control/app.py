"""The composition root of the control plane: every part is made here and handed what it needs."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from control.api import rest_metrics
from control.api.auth import Authenticator
from control.api.credentials import load_pepper
from control.api.key_directory import StoredKeys
from control.api.rest import RestParts, create_rest
from control.api.routers import ROUTERS
from control.feed_side import FeedSide, Listener
from control.metrics import FEED_SERVICE_METRICS, PUBLISHER_METRICS
from control.settings import Settings
from control.store.database import open_engine
from control.store.schema import is_current, migrate
from control.store.unit_of_work import Store
from control.sweeper import Sweeper
from entitlements.runtime.certificates import CertificateError, CertificateFiles
from entitlements.runtime.clock import Clock
from entitlements.runtime.forms import Address
from entitlements.runtime.logs import logger
from entitlements.runtime.metrics import Meters

METRICS: Final = (*rest_metrics.DECLARED, *PUBLISHER_METRICS, *FEED_SERVICE_METRICS)


class StartError(Exception):
    """The process cannot start; the message names the cause and the remedy."""


def open_store(database_url: str, clock: Clock) -> Store:
    """Return the store at its newest schema: SQLite is migrated on the way, PostgreSQL must have been (StartError)."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(database_url)
    try:
        _prepare(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        problem = f"the database cannot be used ({type(error).__name__})"
        raise StartError(f"{problem}; check ENTITLEMENTS_CONTROL_DATABASE and that it is reachable") from None
    except StartError:
        engine.dispose()
        raise
    return Store(engine, clock)


def _prepare(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        migrate(engine)
    elif not is_current(engine):
        raise StartError("the database has an older schema; run `entitlements control migrate`")


class RestServer(uvicorn.Server):
    """Uvicorn on a socket of ours; signals are the composition root's, which stops the other parts too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


def tls_files(settings: Settings) -> CertificateFiles | None:
    """Return the files of the gRPC address's certificate, None without one; StartError for half a pair or a file that cannot be used."""
    pair = (settings.grpc_certificate, settings.grpc_key)
    if pair == (None, None):
        return None
    certificate, key = pair
    if certificate is None or key is None:
        raise StartError("set both ENTITLEMENTS_CONTROL_GRPC_CERT and ENTITLEMENTS_CONTROL_GRPC_KEY, or neither")
    files = CertificateFiles(certificate, key, None, _tell_renewal)
    try:
        files.credentials()
    except CertificateError as error:
        raise StartError(f"{error}; see ENTITLEMENTS_CONTROL_GRPC_CERT and _KEY") from None
    return files


def _tell_renewal(result: str, problem: str) -> None:
    """Log what became of changed certificate files."""
    if problem:
        logger().warning("renewed_certificate_not_taken", problem=problem)
    else:
        logger().info("renewed_certificate_taken", result=result)


class ControlPlane:
    """One control plane: REST, the feed, and the database between them."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Open, migrate and bind everything; nothing runs yet. StartError, OSError or KeyFileError say what is missing."""
        self._settings = settings
        self.store: Final = open_store(settings.database_url, clock)
        try:
            self._pepper = read_pepper(settings.pepper_file)
            self._meters = Meters(METRICS)
            authenticator = Authenticator(StoredKeys(self.store), self._pepper, clock)
            listener = Listener(str(settings.grpc), authenticator.authenticate, tls_files(settings))
            self._socket = _listen(settings.http)
            try:
                self.feed: Final = FeedSide(
                    self.store, settings.signing_keys, settings.redis_url, self._meters, listener
                )
            except BaseException:
                self._socket.close()
                raise
        except BaseException:
            self.store.engine.dispose()
            raise
        self.app: Final = self._rest(authenticator, clock)
        self._sweeper = Sweeper(self.store, settings.idempotency_keep_ms)
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, settings.drain_ms // 1_000),
        )
        self._server = RestServer(config)

    @property
    def http_port(self) -> int:
        """Return the port that REST listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def grpc_port(self) -> int:
        """Return the port of the gRPC feed, 0 without one."""
        return self.feed.server.port if self.feed.server is not None else 0

    def _rest(self, authenticator: Authenticator, clock: Clock) -> FastAPI:
        parts = RestParts(
            store=self.store,
            authenticator=authenticator,
            pepper=self._pepper,
            clock=clock,
            metrics=rest_metrics.RestMetrics(self._meters),
            readiness=self.unready,
            exposition=self._meters.exposition,
        )
        return create_rest(parts, ROUTERS)

    def unready(self) -> dict[str, str]:
        """Return part -> problem of what keeps writes or the feed from working; Redis being away does not."""
        problems = {}
        try:
            with self.store.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            problems["database"] = type(error).__name__
        if not self.feed.publisher.alive:
            problems["publisher"] = "not running"
        return problems

    def run(self) -> None:
        """Serve until `stop` is called, then end everything in order."""
        self.feed.start()
        self._sweeper.start()
        logger().info("control_started", http=self.http_port, grpc=self.grpc_port)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._sweeper.stop()
            self.feed.stop(self._settings.drain_ms / 1_000)
            self._socket.close()
            self.store.engine.dispose()
            logger().info("control_stopped")

    def stop(self) -> None:
        """Let `run` return after the requests in flight; safe from a signal handler and from other threads."""
        self._server.should_exit = True


def read_pepper(path: Path) -> bytes:
    """Return the pepper, made on first use; StartError when the file is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return load_pepper(path)
    except ValueError as error:
        raise StartError(str(error)) from None


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        remedy = "stop what listens there, or set ENTITLEMENTS_CONTROL_HTTP"
        raise StartError(f"cannot listen on {address}: {error.strerror}; {remedy}") from None
    return listening
