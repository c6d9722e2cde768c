"""The difference between a document and what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from control.domain.forms import Form
from control.store.resources import to_text
from control.store.unit_of_work import UnitOfWork, Versions


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a document adds or changes; forms are those of the document."""

    action: Literal["added", "changed"]
    kind: str
    id: str
    before: Form | None
    after: Form

    def as_json(self) -> dict[str, Any]:
        """Return the change as plain data."""
        return {"action": self.action, "kind": self.kind, "id": self.id, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes in the order in which they are made, and how many things are as the document says already.

    ``versions`` is empty for a diff that was not applied.
    """

    changes: tuple[Change, ...]
    unchanged: int
    versions: Versions


class Ledger:
    """Collects changes while a document is compared."""

    def __init__(self) -> None:
        """Begin empty."""
        self.changes: list[Change] = []
        self.unchanged = 0

    def compare(self, kind: str, id_: str, before: Form | None, after: Form) -> bool:
        """Count one thing; return whether it is new or different."""
        if before is not None and to_text(before) == to_text(after):  # as texts, because 1 == True
            self.unchanged += 1
            return False
        self.changes.append(Change("changed" if before is not None else "added", kind, id_, before, after))
        return True

    def note(self, uow: UnitOfWork, since: int = 0) -> None:
        """Enter the changes from a position on into the audit trail."""
        for change in self.changes[since:]:
            uow.note(f"apply.{change.action}", f"{change.kind}/{change.id}", change.before, change.after)

    def diff(self, versions: Versions) -> Diff:
        """Return what was collected."""
        return Diff(tuple(self.changes), self.unchanged, versions)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"<Ledger [{len(self.changes)} changes | {self.unchanged} unchanged]>"
