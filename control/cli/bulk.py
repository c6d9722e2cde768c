"""`entitlements control import`: bring very many customers in, straight into the database, in even steps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from control.api.strict_json import JsonError, parse_json
from control.domain.errors import Conflict, DocumentError
from control.handlers.imports import import_document
from control.store.unit_of_work import Store

SHOWN: Final = 20
"""Mistakes that are printed; a wrong column is wrong a hundred thousand times."""


def import_files(store: Store, actor: str, files: list[Path]) -> int:
    """Import JSON documents in order; 0, or 1 after lines that name each mistake. A file with a mistake changes nothing."""
    for path in files:
        try:
            done = import_document(store, actor, _read(path))
        except OSError as error:
            return _refuse(path, [f"cannot be read ({error.strerror})"])
        except JsonError as error:
            return _refuse(path, [f"{error}; {error.remedy}"])
        except DocumentError as error:
            return _refuse(path, [str(each) for each in error.problems])
        except Conflict as error:
            return _refuse(path, [str(error)])
        at = ", ".join(f"{product}={epoch}-{seq}" for product, (epoch, seq) in sorted(done.versions.items()))
        print(f"{path}: {done.changed} changed, {done.unchanged} as they were; {at or 'no feed'}")
    return 0


def _read(path: Path) -> dict[str, object]:
    document: Any = parse_json(path.read_bytes())
    if not isinstance(document, dict):
        raise JsonError("document", "is not an object", "Write a catalogue document: docs/catalogue.md")
    return document


def _refuse(path: Path, mistakes: list[str]) -> int:
    for line in mistakes[:SHOWN]:
        print(f"entitlements control: {path}: {line}", file=sys.stderr)
    if len(mistakes) > SHOWN:
        print(f"entitlements control: {path}: and {len(mistakes) - SHOWN} more", file=sys.stderr)
    return 1
