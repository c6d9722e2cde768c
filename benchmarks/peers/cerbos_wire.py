"""Cerbos' CheckResources as bytes: its public protobuf contract, written by hand because only five fields of it are needed.

Field numbers are those of cerbos.request.v1.CheckResourcesRequest, cerbos.engine.v1 and cerbos.response.v1.CheckResourcesResponse.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.generators.question import Expectation, contains
from benchmarks.questions import Pair

PATH: Final = "/cerbos.svc.v1.CerbosService/CheckResources"
HTTP_PATH: Final = "/api/check/resources"
KIND: Final = "suite"
ROLE: Final = "customer"
LENGTH_DELIMITED: Final = 2
EFFECT_FIELD: Final = b"\x10"  # the map entry's value, a varint
ALLOW: Final = b"\x01"
DENY: Final = b"\x02"


def field(number: int, content: bytes) -> bytes:
    """Return one length-delimited field; contents below 16 KiB, which is all that a question needs."""
    length = len(content)
    size = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return bytes([number << 3 | LENGTH_DELIMITED]) + size + content


def request(pairs: Sequence[Pair], *, role_is_plan: bool) -> bytes:
    """Return the question about one customer and several features; the plan goes along as an attribute, or as the role."""
    customer, plan = pairs[0].customer, pairs[0].plan
    role = plan if role_is_plan else ROLE
    principal = field(1, customer.encode()) + field(3, role.encode())
    if not role_is_plan:
        value = field(3, plan.encode())  # google.protobuf.Value, a string
        principal += field(4, field(1, b"plan") + field(2, value))
    resource = field(1, KIND.encode()) + field(3, KIND.encode())
    actions = b"".join(field(1, pair.feature.encode()) for pair in pairs)
    return field(3, principal) + field(4, actions + field(2, resource))


def effects(pairs: Sequence[Pair]) -> tuple[Expectation, ...]:
    """Return what the answer must hold: one map entry from action to effect for each feature, in any order."""
    return tuple(
        contains(field(1, pair.feature.encode()) + EFFECT_FIELD + (ALLOW if pair.allowed else DENY)) for pair in pairs
    )


def http_request(pairs: Sequence[Pair], host: str) -> bytes:
    """Return the same question as an HTTP/1.1 request with a JSON body."""
    body: dict[str, Any] = {
        "principal": {"id": pairs[0].customer, "roles": [ROLE], "attr": {"plan": pairs[0].plan}},
        "resources": [{"actions": [pair.feature for pair in pairs], "resource": {"kind": KIND, "id": KIND}}],
    }
    text = json.dumps(body, separators=(",", ":"))
    head = f"POST {HTTP_PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return (head + text).encode()


def http_effects(pairs: Sequence[Pair]) -> tuple[Expectation, ...]:
    """Return what the JSON answer must hold. Cerbos puts no blank after a colon."""
    return tuple(
        contains(f'"{pair.feature}":"EFFECT_{"ALLOW" if pair.allowed else "DENY"}"'.encode()) for pair in pairs
    )
