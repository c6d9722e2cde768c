"""SpiceDB's core as a library: a Go program loaded into the process, its memory datastore, CheckPermission through ctypes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from authzed.api.v1 import (
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    ObjectReference,
    Relationship,
    RelationshipUpdate,
    SubjectReference,
    WriteRelationshipsRequest,
)
from spicedb_embedded import EmbeddedSpiceDB

from benchmarks.peers.questionnaire import Ask, Questionnaire

DISTRIBUTIONS: Final = ("spicedb-embedded", "authzed")
NOTE: Final = (
    "plan looked up by the engine: feature.plan->subscriber; minimize_latency; memory datastore; protobuf in and out"
)
SCHEMA: Final = """
definition customer {}
definition plan {
  relation subscriber: customer
}
definition feature {
  relation plan: plan
  permission use = plan->subscriber
}
"""
TOUCH: Final = RelationshipUpdate.OPERATION_TOUCH
WRITTEN_AT_ONCE: Final = 500  # it refuses more than a thousand
LONGEST_LAG_S: Final = 30.0
PAUSE_S: Final = 0.05
ALLOWED: Final = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Write the schema, which plan holds which feature, and who subscribes to which plan."""
    held = [
        related("feature", feature, "plan", "plan", plan)
        for plan, features in questions.plans.items()
        for feature in features
    ]
    subscribed = [
        related("plan", plan, "subscriber", "customer", customer) for customer, plan in questions.customers.items()
    ]
    engine = EmbeddedSpiceDB.start(SCHEMA)
    permissions = engine.permissions()
    for batch in batches([*held, *subscribed], WRITTEN_AT_ONCE):
        updates = [RelationshipUpdate(operation=TOUCH, relationship=each) for each in batch]
        permissions.WriteRelationships(WriteRelationshipsRequest(updates=updates))
    freshness = Consistency(minimize_latency=True)

    def ask(customer: str, feature: str) -> bool:
        request = CheckPermissionRequest(
            consistency=freshness,
            resource=ObjectReference(object_type="feature", object_id=feature),
            permission="use",
            subject=SubjectReference(object=ObjectReference(object_type="customer", object_id=customer)),
        )
        found: bool = permissions.CheckPermission(request).permissionship == ALLOWED
        return found

    try:
        wait_until_seen(ask, questions)
        yield ask
    finally:
        engine.close()


def wait_until_seen(ask: Ask, questions: Questionnaire) -> None:
    """Wait until the last customer written has its plan: minimize_latency reads a moment that may lie some seconds back."""
    customer, plan = list(questions.customers.items())[-1]
    end = time.monotonic() + LONGEST_LAG_S
    while not ask(customer, questions.plans[plan][0]):
        if time.monotonic() > end:
            raise TimeoutError(f"SpiceDB does not show what was written {LONGEST_LAG_S:g} s ago")
        time.sleep(PAUSE_S)


def batches(edges: list[Relationship], size: int) -> Iterator[list[Relationship]]:
    """Cut a list into lists of at most this size."""
    for start in range(0, len(edges), size):
        yield edges[start : start + size]


def related(kind: str, name: str, relation: str, subject_kind: str, subject: str) -> Relationship:
    """Return one edge of the graph."""
    return Relationship(
        resource=ObjectReference(object_type=kind, object_id=name),
        relation=relation,
        subject=SubjectReference(object=ObjectReference(object_type=subject_kind, object_id=subject)),
    )
