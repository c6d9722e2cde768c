"""A whole catalogue document at once."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Final

from fastapi import Response

from control.api.auth import Caller, require
from control.api.credentials import Scope
from control.api.describing import writes
from control.api.problems import STALE_REVISION, ProblemError, field_problem
from control.api.refusals import control_problem
from control.api.route import DocumentRoute, api_router
from control.api.schemas.catalogue import ApplyBody, ApplyReply
from control.api.writing import Outcome, Write, version_header, version_tokens
from control.domain.errors import ControlError
from control.handlers.apply import apply_document
from control.handlers.changes import Diff
from control.store.unit_of_work import UnitOfWork

FIELD: Final = "document"
documents = api_router("apply", DocumentRoute)


@documents.post("/apply", summary="Apply a catalogue document", **writes(Scope.PUBLISH, ApplyReply))
def apply(body: ApplyBody, caller: Caller, write: Write) -> Response:
    """In one transaction: all of it or nothing. Adds and changes, never removes; the same document again changes nothing.

    A document with customers needs the scope write, too.
    """
    if body.document.get("customers"):
        require(caller, Scope.WRITE)

    def run(uow: UnitOfWork) -> Diff:
        try:
            if body.plan is not None:
                _same_plan(body.plan, apply_document(uow, body.document, dry_run=True))
            return apply_document(uow, body.document, dry_run=body.dry_run)
        except ControlError as error:
            raise control_problem(error, FIELD) from None

    def finish(diff: Diff) -> Outcome:
        tokens = version_tokens(diff.versions)
        reply = {
            "dry_run": body.dry_run,
            "changes": [change.as_json() for change in diff.changes],
            "plan": plan_of(diff),
            "unchanged": diff.unchanged,
            "versions": tokens,
        }
        return Outcome(200, reply, version_header(tokens))

    return write.run(run, finish)


def plan_of(diff: Diff) -> str:
    """Return a text that differs for plans that would change something else."""
    changes = [change.as_json() for change in diff.changes]
    return sha256(json.dumps(changes, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def _same_plan(wanted: str, diff: Diff) -> None:
    if plan_of(diff) != wanted:
        remedy = "Run the dry run again, look at its changes, and send its plan."
        detail = "What is stored changed since the plan was made. Nothing was written."
        raise ProblemError(STALE_REVISION, detail, [field_problem("plan", "no longer fits what is stored", remedy)])
