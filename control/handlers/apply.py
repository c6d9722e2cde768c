"""Applies a whole catalogue document in one transaction: compare first, then write exactly what differs.

A document adds and changes; it never removes, because what is missing may be somebody else's (a revoke, a customer from billing). Features
are retired and customers archived explicitly.
"""

from __future__ import annotations

from control.domain.document import parse_document
from control.handlers.apply_accounts import apply_accounts, compile_accounts
from control.handlers.apply_catalogue import compile_shelf, plan_shelf, write_shelf
from control.handlers.changes import Diff, Ledger
from control.store.shelves import load_catalogue
from control.store.unit_of_work import UnitOfWork


def apply_document(uow: UnitOfWork, document: object, *, dry_run: bool = False) -> Diff:
    """Bring the database to what a document says, and return what that changed, or with ``dry_run`` would change.

    One call is one delta for each feed it touches, unless that is larger than a delta may be. Applying the same document again changes
    nothing. Raises DocumentError with every mistake of the document, Conflict when it contradicts what is stored.
    """
    uow.lock_all()
    known = load_catalogue(uow.connection)
    parsed = parse_document(document, uow.now_ms, known)
    ledger = Ledger()
    plans = [plan_shelf(ledger, shelf, known) for shelf in parsed.shelves.values()]
    if not dry_run:
        for plan in plans:
            write_shelf(uow, plan)
    changed = apply_accounts(uow, ledger, parsed.accounts, write=not dry_run)
    if dry_run:
        return ledger.diff({})
    for plan in plans:
        compile_shelf(uow, plan)
    compile_accounts(uow, changed)
    ledger.note(uow)
    return ledger.diff(uow.flush())
