"""`entitlements audit`: list and verify the audit trail, over REST or in the database itself.

Exit codes: 0 the trail is whole (or was listed); 1 it is not; 2 wrong options; 3 refused; 4 not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from control.api.routers.audit import event_json, verdict_json
from control.cli.rest_client import Answer, UnreachableError
from control.cli.server_options import OptionError, add_server_options, client_from, problem_text
from control.settings import database_url
from control.store import audit_log
from control.store.database import open_engine
from control.store.unit_of_work import Store
from entitlements.runtime.clock import SystemClock

WHOLE: Final = 0
BROKEN: Final = 1
WRONG_INPUT: Final = 2
REFUSED: Final = 3
UNREACHABLE: Final = 4
_FILTERS: Final = ("actor", "action", "subject")


def main(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        return _list(options) if options.command == "list" else _verify(options)
    except OptionError as error:
        print(f"entitlements audit: {error}", file=sys.stderr)
        return WRONG_INPUT
    except SQLAlchemyError as error:
        print(f"entitlements audit: --database cannot be read ({type(error).__name__})", file=sys.stderr)
        return UNREACHABLE
    except UnreachableError as error:
        print(f"entitlements audit: {error}", file=sys.stderr)
        return UNREACHABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entitlements audit", description="The audit trail: a chain of hashes.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    verify = commands.add_parser("verify", help="recompute every hash; exit 1 when the trail was tampered with")
    listing = commands.add_parser("list", help="print events, oldest first, one a line")
    for command in (verify, listing):
        add_server_options(command)
        command.add_argument(
            "--database", metavar="URL", help="read the database itself: sqlite:///PATH or postgresql://"
        )
    verify.add_argument("--head", metavar="HASH", help="also require this hash of an earlier run to be in the trail")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.add_argument("--after", type=int, default=0, metavar="SEQ", help="only events after this one")
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="at most this many (default 100)")
    for name in _FILTERS:
        listing.add_argument(f"--{name}", default="", help=f"only events with exactly this {name}")
    return parser


def _verify(options: argparse.Namespace) -> int:
    report = _report(options)
    if isinstance(report, Answer):
        print(problem_text(report), file=sys.stderr)
        return REFUSED
    if not report["ok"]:
        print(f"BROKEN at event {report['first_bad_seq']}: {report['problem']}", file=sys.stderr)
        return BROKEN
    if options.head and not _contains(options, options.head):
        print(f"BROKEN: no event has the hash {options.head}; the end was cut off or rewritten", file=sys.stderr)
        return BROKEN
    print(f"ok: {report['count']} events, head {report['head']}")
    return WHOLE


def _report(options: argparse.Namespace) -> dict[str, Any] | Answer:
    if options.database:
        with _reading(options.database) as connection:
            return verdict_json(audit_log.verify(connection))
    answer = client_from(options, os.environ).call("GET", "/audit/verify")
    if not answer.ok:
        return answer
    body: dict[str, Any] = answer.body
    return body


def _contains(options: argparse.Namespace, wanted: str) -> bool:
    """Tell whether an event has a hash, walking all of them."""
    after = 0
    while True:
        page = _page(options, after, 500)
        if isinstance(page, Answer) or not page:
            return False
        if any(event["hash"] == wanted for event in page):
            return True
        after = page[-1]["seq"]


def _list(options: argparse.Namespace) -> int:
    if not 1 <= options.limit <= 100_000 or options.after < 0:
        raise OptionError("--limit is from 1 to 100000 and --after from 0 on")
    after, left = options.after, options.limit
    while left:
        page = _page(options, after, min(left, 500))
        if isinstance(page, Answer):
            print(problem_text(page), file=sys.stderr)
            return REFUSED
        for event in page:
            print(json.dumps(event, ensure_ascii=False) if options.json else _line(event))
        if not page:
            break
        after, left = page[-1]["seq"], left - len(page)
    return WHOLE


def _page(options: argparse.Namespace, after: int, limit: int) -> list[dict[str, Any]] | Answer:
    filters = {name: getattr(options, name, "") for name in _FILTERS}
    if options.database:
        with _reading(options.database) as connection:
            return [event_json(each) for each in audit_log.events(connection, after, limit, **filters)]
    query = urlencode({"after": after, "limit": limit, **filters})
    answer = client_from(options, os.environ).call("GET", f"/audit?{query}")
    if not answer.ok:
        return answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items


@contextmanager
def _reading(given: str) -> Iterator[Connection]:
    """Read a database that is there: looking must not create one."""
    try:
        url = make_url(database_url().read(given))
    except (ValueError, ArgumentError) as error:
        raise OptionError(f"--database {error}; write {database_url().accepts}") from None
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise OptionError(f"--database: there is no file {url.database}")
    engine = open_engine(url.render_as_string(hide_password=False))
    try:
        with Store(engine, SystemClock()).reading() as connection:
            yield connection
    finally:
        engine.dispose()


def _line(event: dict[str, Any]) -> str:
    return f"{event['seq']:>8}  {event['at']}  {event['actor']:<20}  {event['action']:<24}  {event['subject']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
