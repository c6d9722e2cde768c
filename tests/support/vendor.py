"""A small vendor: one catalogue document that tests of the control plane start from."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

NOW_MS = 1_800_000_000_000  # 2027-01-15T08:00:00Z

_DOCUMENT: dict[str, Any] = {
    "version": 1,
    "products": [
        {
            "key": "suite",
            "name": "Suite",
            "contact": "sales@vendor.example",
            "ladder": {"stale_ok_for": "12h"},
            "features": [
                {"key": "reports", "name": "Reports", "kind": "switch"},
                {"key": "exports", "name": "Data export", "kind": "switch", "requires": ["reports"]},
                {"key": "projects", "kind": "config", "type": "int", "combine": "sum", "default": 3, "core": True},
                {"key": "regions", "kind": "config", "type": "list", "combine": "union"},
            ],
            "plans": [
                {"key": "pro", "version": 1, "entitlements": {"reports": True, "projects": 50, "regions": ["eu"]}},
                {"key": "max", "version": 1, "rank": 1, "entitlements": {"exports": True, "projects": "unlimited"}},
            ],
            "addons": [{"key": "more-projects", "version": 1, "entitlements": {"projects": 10}}],
        },
        {
            "key": "desk",
            "name": "Desk",
            "features": [{"key": "chat", "kind": "switch"}],
            "plans": [{"key": "basic", "version": 1, "entitlements": {"chat": True}}],
        },
    ],
    "customers": [
        {
            "id": "acme",
            "name": "Acme GmbH",
            "attributes": {"region": "eu", "seats": 40},
            "subscriptions": [
                {
                    "id": "acme-suite",
                    "product": "suite",
                    "items": [{"ref": "pro@1"}, {"ref": "more-projects@1", "quantity": 2}],
                    "timeline": [{"state": "ACTIVE", "from": "2026-06-01T00:00:00Z"}],
                }
            ],
        },
        {"id": "globex", "name": "Globex", "attributes": {"region": "us"}},
    ],
}


def vendor_document() -> dict[str, Any]:
    """Return a fresh copy of the vendor's document."""
    return deepcopy(_DOCUMENT)
