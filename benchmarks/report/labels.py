"""What subjects are called and what kind of thing each is: kinds are coloured alike and compared with like.

Kinds: `ours`; `variant`, ours in another setting; `engine`, another program that decides from policy; `sdk`, a library that decides inside the application; `handmade`, forty lines
around a table of answers; `lookup`, a store of answers with no policy; `limit`, what the machine can do and nothing else; `part`, a piece of ours that is weighed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OURS: Final = "sidecar-inline"
"""The subject that stands for the product: the default transport with everything switched on."""


@dataclass(frozen=True, slots=True)
class Label:
    """A subject for a reader."""

    title: str
    kind: str


LABELS: Final[Mapping[str, Label]] = {
    "sidecar-inline": Label("Entitlements sidecar", "ours"),
    "sidecar-stock": Label("Entitlements, stock transport", "variant"),
    "sidecar-inline-tls": Label("Entitlements, TLS", "variant"),
    "sidecar": Label("Entitlements sidecar", "ours"),
    "main process": Label("main process", "part"),
    "serving process": Label("serving process", "part"),
    "store on disk": Label("store on disk", "part"),
    "cerbos": Label("Cerbos", "engine"),
    "cerbos-unix": Label("Cerbos, unix socket", "engine"),
    "cerbos-http": Label("Cerbos, HTTP", "engine"),
    "cerbos-lean": Label("Cerbos, leanest policy", "engine"),
    "cerbos-lean-unix": Label("Cerbos, leanest policy, unix socket", "engine"),
    "opa": Label("OPA", "engine"),
    "redis": Label("Redis HGET", "lookup"),
    "valkey": Label("Valkey HGET", "lookup"),
    "grpc-aio": Label("grpc.aio, dict look-up", "handmade"),
    "grpc-threads": Label("grpcio threads, dict look-up", "handmade"),
    "inline-empty": Label("inline transport, empty handler", "limit"),
    "stock-empty": Label("stock transport, empty handler", "limit"),
    "ceiling-c": Label("C on nghttp2", "limit"),
    "local": Label("Entitlements, local mode", "ours"),
    "local-anew": Label("Entitlements, local mode, no answer remembered", "variant"),
    "dict": Label("two dict look-ups", "limit"),
    "flipt": Label("Flipt client", "sdk"),
    "launchdarkly": Label("LaunchDarkly SDK", "sdk"),
    "flagd": Label("flagd in process", "sdk"),
    "cedar": Label("Cedar", "sdk"),
    "unleash": Label("Unleash client", "sdk"),
    "opa-engine": Label("OPA engine in process", "sdk"),
    "growthbook": Label("GrowthBook", "sdk"),
    "casbin": Label("Casbin", "sdk"),
    "spicedb": Label("SpiceDB in process", "sdk"),
}


def label(subject: str) -> Label:
    """Return the label of a subject; one that is not in the table is shown by its own name, and is ours when it says so."""
    if subject in LABELS:
        return LABELS[subject]
    if subject.startswith(("sidecar", "local", "entitlements")):
        rest = re.sub(r"^(sidecar|entitlements)-?", "", subject)
        return Label(f"Entitlements, {rest or 'sidecar'}", "variant")
    return Label(subject, "other")


def is_ours(subject: str) -> bool:
    """Tell whether a subject is the product."""
    return label(subject).kind in {"ours", "variant"}


def colours(subjects: list[str]) -> dict[str, str]:
    """Return a class of the page's style for each subject of one chart: ours in the accent, others in fixed order."""
    found, others, ours = {}, 0, 0
    for subject in subjects:
        if is_ours(subject):
            found[subject] = "c-ours" if not ours else f"c-ours{min(ours + 1, 3)}"
            ours += 1
        else:
            found[subject] = f"c{others % 8}"
            others += 1
    return found
