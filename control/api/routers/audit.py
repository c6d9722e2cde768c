"""The audit trail: who did what, and whether anybody tampered with it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query, Response

from control.api.credentials import Scope
from control.api.decision_json import instant_text
from control.api.describing import reads
from control.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from control.api.reading import Reads, json_reply
from control.api.route import api_router
from control.api.schemas.audit import AuditPage, AuditReport
from control.domain.audit import AuditVerdict, ChainedEvent
from control.store import audit_log

Filter = Annotated[str, Query(max_length=300, description="Only events with exactly this one.")]
trail = api_router("audit")


@trail.get("/audit", response_model=AuditPage, summary="List what was done", **reads())
def list_events(
    store: Reads,
    actor: Filter = "",
    action: Filter = "",
    subject: Filter = "",
    after: Annotated[int, Query(ge=0, description="Only events after this seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> Response:
    """Oldest first, with what was there before and after."""
    with store.reading() as connection:
        found = audit_log.events(connection, after, limit + 1, actor=actor, action=action, subject=subject)
    items = [event_json(each) for each in found[:limit]]
    return json_reply({"items": items, "next": str(items[-1]["seq"]) if len(found) > limit else None})


@trail.get("/audit/verify", response_model=AuditReport, summary="Check the whole trail", **reads(Scope.READ))
def verify(store: Reads) -> Response:
    """Recomputes every hash; about a microsecond an event."""
    with store.reading() as connection:
        return json_reply(verdict_json(audit_log.verify(connection)))


def event_json(chained: ChainedEvent) -> dict[str, Any]:
    """Return an event as `AuditEntry` describes it."""
    event = chained.event
    return {
        "seq": event.seq,
        "at": instant_text(event.at_ms),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "before": None if event.before is None else json.loads(event.before),
        "after": None if event.after is None else json.loads(event.after),
        "prev_hash": chained.prev_hash.hex(),
        "hash": chained.hash.hex(),
    }


def verdict_json(verdict: AuditVerdict) -> dict[str, Any]:
    """Return a verdict as `AuditReport` describes it."""
    return {
        "ok": verdict.ok,
        "count": verdict.count,
        "head": verdict.head.hex(),
        "first_bad_seq": verdict.first_bad_seq,
        "problem": verdict.problem,
    }
