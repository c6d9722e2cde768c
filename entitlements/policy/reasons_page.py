"""Writes docs/reference/reasons.md from the code table."""

from __future__ import annotations

from entitlements.policy.reasons import NOT_PRODUCED, REASONS, Family

_FAMILIES = {
    Family.SYSTEM: "The service itself, never a statement about what the customer bought.",
    Family.LOOKUP: "Who and what was asked about.",
    Family.LICENSE: "Offline licences.",
    Family.COMMERCIAL: "Why no subscription is live.",
    Family.SCOPE: "A subscription may be live, but not for this feature, value, place or situation.",
    Family.QUANTITY: "Limits that are used up.",
    Family.ALLOW: "Allowed, and which source won.",
}
_HEAD = """# Reason codes

Made by `python3 dev.py docs` from `entitlements/policy/reasons.py`; do not edit.

Every answer carries exactly one code, on allow too. Among several denies the first of this page is reported; which one applies when is
told in [semantics](../semantics.md), rules A3, C4 and D1 to D5. On gRPC a decision always has status OK; the HTTP column is a hint for
gateways and REST facades. *Later* marks codes that belong to the closed table and that this version never answers.
"""


def pages() -> dict[str, str]:
    """Return the page under its path."""
    parts = [_HEAD]
    for family, sentence in _FAMILIES.items():
        parts.append(f"## {family.value.capitalize()}\n\n{sentence}\n")
        parts.append(
            "| code | for the end user | for the engineer | retryable | remedy | HTTP |\n|---|---|---|---|---|---|"
        )
        for reason in REASONS.values():
            if reason.family is family:
                name = f"`{reason.code.name}`" + (" *later*" if reason.code in NOT_PRODUCED else "")
                retryable = "yes" if reason.retryable else "no"
                parts.append(
                    f"| {name} | {reason.user_message} | {reason.engineer_message} | {retryable} "
                    f"| {reason.remedy.name} | {reason.http_status} |"
                )
        parts.append("")
    return {"docs/reference/reasons.md": "\n".join(parts)}
