"""`entitlements control`: run the control plane, migrate its database, make the first API key, import many customers."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from control.api.credentials import generate_key, key_hash
from control.app import ControlPlane, StartError, open_store, read_pepper
from control.cli.bulk import import_files
from control.domain.errors import Busy
from control.handlers.keys import add_key
from control.publishing.key_files import KeyFileError
from control.publishing.signing import NoSigningKeyError
from control.settings import Settings, load_settings
from control.store.api_keys import ApiKeyRow
from control.store.database import open_engine
from control.store.schema import migrate
from entitlements.runtime.clock import Clock, SystemClock
from entitlements.runtime.forms import duration_ms
from entitlements.runtime.logs import configure
from entitlements.runtime.redis import RedisUrlError
from entitlements.runtime.settings import SettingsError

ACTOR: Final = "cli:control"
FAILED: Final = 1
_STARTING: Final = (StartError, KeyFileError, NoSigningKeyError, RedisUrlError, OSError, SettingsError)


def run_command(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run a command line; 0, or 1 after one line with what is wrong and what to do."""
    options = _parser().parse_args(argv)
    try:
        return run(options, environ, SystemClock())
    except _STARTING as error:
        print(f"entitlements control: {error}", file=sys.stderr)
    except (SQLAlchemyError, Busy) as error:
        print(f"entitlements control: the database cannot be used ({type(error).__name__})", file=sys.stderr)
    return FAILED


def run(options: argparse.Namespace, environ: Mapping[str, str], clock: Clock) -> int:
    """Run parsed options; errors of starting are raised."""
    settings = load_settings(environ)
    if options.command == "migrate":
        return _migrate(settings)
    if options.command == "create-key":
        return _create_key(options, settings, clock)
    if options.command == "import":
        return _import(options, settings, clock)
    return _serve(settings, clock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="entitlements control",
        description="Run the control plane until SIGTERM. Settings come from the environment: docs/reference/control-settings.md.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run it (the default)")
    commands.add_parser("migrate", help="bring the database to this version's schema")
    create = commands.add_parser("create-key", help="make an API key, print it once, and keep only its hash")
    words = ("admin", "publish", "write", "read", "sidecar")
    create.add_argument("--scope", action="append", choices=words, required=True, help="repeatable")
    create.add_argument("--name", required=True, help="what or who uses it")
    create.add_argument("--expires", metavar="TIME", type=_duration, help="such as 90d; without it, never")
    bulk = commands.add_parser("import", help="bring very many customers in, from JSON catalogue documents")
    bulk.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a document: docs/catalogue.md")
    return parser


def _duration(raw: str) -> int:
    try:
        return duration_ms(1_000).read(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{raw!r} {error}; write a number with ms, s, m, h or d") from None


def _serve(settings: Settings, clock: Clock) -> int:
    configure(settings.log_level, settings.log_format, process="control")
    plane = ControlPlane(settings, clock)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: plane.stop())
    plane.run()
    return 0


def _migrate(settings: Settings) -> int:
    engine = open_engine(settings.database_url)
    try:
        migrate(engine)
    finally:
        engine.dispose()
    print("The database has this version's schema.")
    return 0


def _import(options: argparse.Namespace, settings: Settings, clock: Clock) -> int:
    """Work on the database itself; a running control plane publishes what came in within half a second."""
    store = open_store(settings.database_url, clock)
    try:
        return import_files(store, ACTOR, options.files)
    finally:
        store.engine.dispose()


def _create_key(options: argparse.Namespace, settings: Settings, clock: Clock) -> int:
    """Work on the database itself: the first key cannot be asked for over REST."""
    if not 1 <= len(options.name) <= 200:
        raise StartError("--name has from 1 to 200 characters")
    store = open_store(settings.database_url, clock)
    try:
        made = generate_key()
        pepper = read_pepper(settings.pepper_file)
        now_ms = clock.now_ms()
        row = ApiKeyRow(
            kid=made.kid,
            name=options.name,
            scopes=tuple(dict.fromkeys(options.scope)),
            hash=key_hash(pepper, made),
            created_at_ms=now_ms,
            expires_at_ms=None if options.expires is None else now_ms + options.expires,
        )
        with store.begin(ACTOR) as uow:
            add_key(uow, row)
    finally:
        store.engine.dispose()
    print(made.text.reveal())
    print("This key is shown once; only its hash is kept.", file=sys.stderr)
    return 0
