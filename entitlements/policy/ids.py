"""Distinct types for look-alike strings and numbers, and the one rule for what an id may be.

The distinct number types follow the habit of SpiceDB's datastore tests: an epoch cannot be passed where a seq is
meant without the type checker noticing.
"""

from __future__ import annotations

import re
from typing import Final, NewType

CustomerId = NewType("CustomerId", str)
FeatureKey = NewType("FeatureKey", str)
ProductId = NewType("ProductId", str)
PlanRef = NewType("PlanRef", str)
"""PLAN@VERSION, such as ``pro@7``."""
RecordKey = NewType("RecordKey", str)
"""``f/FEATURE``, ``p/PLAN@VERSION`` or ``c/CUSTOMER``."""
Epoch = NewType("Epoch", int)
Seq = NewType("Seq", int)
Millis = NewType("Millis", int)
"""Milliseconds: an instant in UTC since 1970 or a length of time, as the name says."""

MAX_ID_BYTES: Final = 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def id_problem(value: str) -> str | None:
    """Return what is wrong with an id in words fit for an error message, or None when it is valid (semantics A1)."""
    if not value:
        return "must not be empty"
    if len(value) > MAX_ID_BYTES or len(value.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        return f"must be at most {MAX_ID_BYTES} bytes of UTF-8"
    if _CONTROL.search(value):
        return "must not contain control characters"
    if value != value.strip():
        return "must not start or end with white space"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid UTF-8"
    return None


def feature_record_key(feature: str) -> RecordKey:
    """Return the record key of a feature."""
    return RecordKey("f/" + feature)


def plan_record_key(ref: str) -> RecordKey:
    """Return the record key of a plan or add-on version (``PLAN@VERSION``)."""
    return RecordKey("p/" + ref)


def customer_record_key(customer_id: str) -> RecordKey:
    """Return the record key of a customer."""
    return RecordKey("c/" + customer_id)
