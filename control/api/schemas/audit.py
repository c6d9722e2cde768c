"""Bodies of the audit trail."""

from __future__ import annotations

from pydantic import Field

from control.api.schemas.values import Reply


class AuditEntry(Reply):
    """One thing that was done."""

    seq: int = Field(description="Counts from 1 without gaps.")
    at: str
    actor: str = Field(description="`key:<kid>` of the API key, or a name of the control plane itself.")
    action: str
    subject: str
    before: object | None = None
    after: object | None = None
    prev_hash: str = Field(description="Hash of the event before, in hexadecimal.")
    hash: str = Field(description="SHA-256 over this event and `prev_hash`, in hexadecimal.")


class AuditPage(Reply):
    """One page of events, oldest first."""

    items: list[AuditEntry]
    next: str | None = None


class AuditReport(Reply):
    """What checking the whole chain found."""

    ok: bool
    count: int = Field(description="Events that were found good.")
    head: str = Field(description="Hash of the last good one; keep it elsewhere to notice a cut-off end.")
    first_bad_seq: int | None = None
    problem: str | None = None
