"""`entitlements feed`: show where each feed stands, and begin a new epoch after a restore."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from control.domain.errors import Busy
from control.publishing.epochs import begin_epoch
from control.settings import database_url, load_settings
from control.store.database import open_engine
from control.store.feed_log import FeedHead, FeedLog
from control.store.schema import is_current
from control.store.unit_of_work import Store
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import Clock, SystemClock
from entitlements.runtime.settings import SettingsError

ACTOR = "cli:feed"


class FeedCommandError(Exception):
    """The command cannot be done; the message says why and what to do."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this command line."""
    parser = argparse.ArgumentParser(
        prog="entitlements feed", description="The log of changes that sidecars follow, one for each product."
    )
    parser.add_argument(
        "--database", metavar="URL", help="the control plane's database (default: ENTITLEMENTS_CONTROL_DATABASE)"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("show", help="print position and digest of every feed")
    again = commands.add_parser(
        "re-epoch",
        help="begin a new epoch: after the database was restored from a backup, or a signing key was stolen",
    )
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--product", action="append", metavar="KEY", help="a product; may be given several times")
    which.add_argument("--all", action="store_true", help="every product")
    again.add_argument("--reason", default="asked for on the command line", help="what the audit trail says")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns 0, or 1 after printing what is wrong and what to do."""
    return run(argv, os.environ, SystemClock())


def run(argv: list[str], environ: Mapping[str, str], clock: Clock) -> int:
    """Run the command in an environment, at a clock's time; as `main`."""
    options = build_parser().parse_args(argv)
    try:
        url = _database(options.database, environ)
        engine = open_engine(url)
        try:
            if not is_current(engine):
                raise FeedCommandError("the database has another schema; start this version's control plane once")
            log = FeedLog(Store(engine, clock))
            for line in _run(options, log):
                print(line)
        finally:
            engine.dispose()
    except (FeedCommandError, SettingsError) as error:
        print(f"entitlements feed: {error}", file=sys.stderr)
        return 1
    except (SQLAlchemyError, Busy) as error:
        print(f"entitlements feed: the database cannot be used ({type(error).__name__})", file=sys.stderr)
        return 1
    return 0


def _database(given: str | None, environ: Mapping[str, str]) -> str:
    if given is None:
        return load_settings(environ).database_url
    try:
        return database_url().read(given)
    except ValueError as error:
        raise FeedCommandError(f"--database {error}; write {database_url().accepts}") from None


def _run(options: argparse.Namespace, log: FeedLog) -> Iterable[str]:
    heads = {head.feed: head for head in log.heads()}
    if options.command == "show":
        return [_shown(head) for head in heads.values()] or ["no products yet"]
    wanted = list(heads) if options.all else options.product
    unknown = sorted(set(wanted) - heads.keys())
    if unknown:
        raise FeedCommandError(f"there is no product {unknown[0]!r}; products are {', '.join(heads) or 'none'}")
    return [_re_epoch(log, heads[name], options.reason) for name in wanted]


def _re_epoch(log: FeedLog, head: FeedHead, reason: str) -> str:
    epoch = begin_epoch(log, head, head.position.epoch, ACTOR, reason, Millis(log.now_ms()))
    if epoch is None:
        raise FeedCommandError(f"the epoch of {head.feed!r} was changed meanwhile; look with `entitlements feed show`")
    return f"{head.feed}: {head.position.epoch}-{head.position.seq} -> {epoch}-0; sidecars load a snapshot"


def _shown(head: FeedHead) -> str:
    at = head.position
    return f"{head.feed}: {at.epoch}-{at.seq}, digest {head.digest.hex()[:16]}, replayable from {head.oldest_seq}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
