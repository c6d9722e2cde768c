"""Joins what the address of a request names with the body that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.domain.fields import Findings


def keyed(findings: Findings, name: str, value: object, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec with a field from the address; a spec that names another value is a mistake."""
    if spec.get(name) not in (None, value):
        findings.refuse(name, f"is {spec[name]!r}, but the address names {value!r}", "Leave it out, or write the same")
    return {**spec, name: value}
