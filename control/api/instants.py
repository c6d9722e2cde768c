"""Instants of request bodies as UTC milliseconds; a mistake names its field."""

from __future__ import annotations

from control.api.problems import invalid_fields
from control.api.refusals import domain_fields
from control.domain.fields import Fields, Findings
from entitlements.policy.ids import Millis
from entitlements.policy.model import Window


def read_instants(now_ms: int, **given: str | None) -> dict[str, Millis | None]:
    """Return field -> milliseconds, None for one that was not given; 422 names every field that is no instant."""
    findings = Findings(now_ms)
    fields = Fields(findings, {name: text for name, text in given.items() if text is not None}, "", given.keys())
    read = {name: fields.instant(name) for name in given}
    _judge(findings)
    return read


def read_window(now_ms: int, start: str | None, until: str | None) -> Window | None:
    """Return [from, until), None when neither is given."""
    if start is None and until is None:
        return None
    findings = Findings(now_ms)
    window = Fields(findings, {"from": start, "until": until}, "", {"from", "until"}).window()
    _judge(findings)
    return window


def _judge(findings: Findings) -> None:
    if findings.problems:
        raise invalid_fields(domain_fields(findings.problems))
