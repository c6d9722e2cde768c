"""`entitlements apply`: bring catalogue files into the control plane, after showing what would change.

Exit codes: 0 applied, or nothing to change; 1 there are changes and they were not applied (--dry-run, or declined);
2 the files or the options are wrong; 3 the control plane refused; 4 it could not be reached.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from control.cli.catalogue_file import CatalogueDocument, CatalogueFileError, Mistake, read_catalogue
from control.cli.change_view import change_lines, summary
from control.cli.rest_client import Answer, RestClient, UnreachableError
from control.cli.server_options import OptionError, add_server_options, client_from, problem_text

APPLIED: Final = 0
NOT_APPLIED: Final = 1
WRONG_INPUT: Final = 2
REFUSED: Final = 3
UNREACHABLE: Final = 4


def main(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="entitlements apply",
        description="Bring catalogue files into the control plane, after showing what would change.",
        epilog="exit codes: 0 applied or nothing to change, 1 changes not applied, 2 wrong files or options, "
        "3 refused by the control plane, 4 control plane not reached",
    )
    parser.add_argument(
        "-f", "--file", action="append", required=True, type=Path, metavar="FILE", help="YAML; repeatable"
    )
    parser.add_argument("--yes", action="store_true", help="apply without asking")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    add_server_options(parser)
    options = parser.parse_args(argv)
    try:
        document = read_catalogue(options.file)
        client = client_from(options, os.environ)
        ask = _always if options.yes else _never if options.dry_run else _ask
        return run_apply(client, document, ask, options.dry_run)
    except CatalogueFileError as error:
        _print_mistakes(error.mistakes)
        return WRONG_INPUT
    except OptionError as error:
        print(f"entitlements apply: {error}", file=sys.stderr)
        return WRONG_INPUT
    except UnreachableError as error:
        print(f"entitlements apply: {error}", file=sys.stderr)
        return UNREACHABLE


def run_apply(client: RestClient, document: CatalogueDocument, ask: Callable[[], bool], dry_run: bool) -> int:  # noqa: FBT001
    """Show the difference, ask, apply exactly what was shown; return the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    planned = client.call("POST", "/apply", {"document": document.value, "dry_run": True})
    if not planned.ok:
        return _refused(planned, document)
    changes = planned.body["changes"]
    for style, line in change_lines(changes):
        console.print(line, style=style, markup=False)
    if not changes:
        console.print(f"Nothing to change ({planned.body['unchanged']} as they are).", markup=False)
        return APPLIED
    console.print(summary(changes, planned.body["unchanged"]) + ".", markup=False)
    if dry_run or not ask():
        console.print("Nothing was applied.", markup=False)
        return NOT_APPLIED
    body = {"document": document.value, "plan": planned.body["plan"]}
    applied = client.call("POST", "/apply", body, {"Idempotency-Key": uuid.uuid4().hex})
    if not applied.ok:
        return _refused(applied, document)
    for product, token in sorted(applied.body["versions"].items()):
        console.print(f"applied: {product} is at version {token}", markup=False)
    return APPLIED


def _refused(answer: Answer, document: CatalogueDocument) -> int:
    """Show why; errors about the document with the lines of its files."""
    errors = answer.body.get("errors", []) if isinstance(answer.body, dict) else []
    located = [_locate(error, document) for error in errors]
    if answer.status != 422 or not located or any(mistake is None for mistake in located):
        print(problem_text(answer), file=sys.stderr)
        return WRONG_INPUT if answer.status == 422 else REFUSED
    _print_mistakes([mistake for mistake in located if mistake is not None])
    return WRONG_INPUT


def _locate(error: dict[str, Any], document: CatalogueDocument) -> Mistake | None:
    path = re.sub(r"^document\.", "", error["field"])
    place = document.place_of(path)
    if path == error["field"] or place is None:
        return None
    return Mistake(str(place), path, error["problem"], error["remedy"])


def _print_mistakes(mistakes: tuple[Mistake, ...] | list[Mistake]) -> None:
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"{len(mistakes)} mistakes; nothing was applied.", file=sys.stderr)


def _ask() -> bool:
    if not sys.stdin.isatty():
        raise OptionError("nobody is there to confirm; add --yes to apply, or --dry-run to look")
    return input("Apply this? [y/N] ").strip().lower() in {"y", "yes"}


def _always() -> bool:
    return True


def _never() -> bool:
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
