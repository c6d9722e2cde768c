"""Brings in a document with very many customers: the catalogue first, then customers in batches, each its own transaction and delta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from control.domain.document import DOCUMENT_VERSION, parse_document
from control.handlers.apply import apply_document
from control.handlers.apply_accounts import apply_accounts, compile_accounts
from control.handlers.changes import Ledger
from control.store.shelves import load_catalogue
from control.store.unit_of_work import Store, Versions

BATCH: Final = 500
"""Customers of one transaction, so that sidecars follow in even steps and other writers get their turn."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many things changed and how many were as the document says; the positions that contain everything."""

    changed: int
    unchanged: int
    versions: Versions


def import_document(store: Store, actor: str, document: dict[str, object], batch: int = BATCH) -> Imported:
    """Apply a document whose customers may be too many for one transaction.

    The whole document is judged before anything is written. A crash leaves whole batches; importing again completes it.
    Raises DocumentError, Conflict, Busy.
    """
    now_ms = store.clock.now_ms()
    with store.reading() as connection:
        accounts = parse_document(document, now_ms, load_catalogue(connection)).accounts
    changed = unchanged = 0
    with store.begin(actor) as uow:
        head = {"version": DOCUMENT_VERSION, "products": document.get("products") or []}
        diff = apply_document(uow, head)
    versions: Versions = dict(diff.versions)
    changed, unchanged = len(diff.changes), diff.unchanged
    for start in range(0, len(accounts), batch):
        ledger = Ledger()
        with store.begin(actor) as uow:
            uow.lock_all()
            compile_accounts(uow, apply_accounts(uow, ledger, accounts[start : start + batch], write=True))
            ledger.note(uow)
            versions.update(uow.flush())
        changed += len(ledger.changes)
        unchanged += ledger.unchanged
    return Imported(changed, unchanged, versions)
