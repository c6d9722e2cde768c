"""What a command answers with."""

from __future__ import annotations

from dataclasses import dataclass

from control.domain.forms import Form
from control.store.resources import Saved
from control.store.unit_of_work import UnitOfWork, Versions


@dataclass(frozen=True, slots=True)
class Result:
    """The resource after a command, and the position of each touched product that contains it (semantics H1).

    ``entity`` is the document form. A command that changed nothing keeps the revision and returns the present positions.
    """

    entity: Form
    revision: int
    changed: bool
    versions: Versions


def finish(uow: UnitOfWork, action: str, subject: str, saved: Saved) -> Result:
    """Note a changed resource in the audit trail and flush: one command is one delta for each feed it touches."""
    if saved.changed:
        uow.note(action, subject, saved.before, saved.form)
    return Result(saved.form, saved.revision, saved.changed, uow.flush())
