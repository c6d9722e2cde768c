"""The reference page of the feed protocol, made from the rules that a step notes and from the constants that it uses."""

from __future__ import annotations

from typing import Final

from entitlements.policy.feed_state_rules import TITLES, Rule
from entitlements.policy.feed_state_value import (
    ACK_EVERY_MS,
    ACK_GAP_MS,
    BACKOFF_CAP_MS,
    BACKOFF_FIRST_MS,
    EPOCH_AHEAD_MS,
    HEARTBEAT_TIMEOUT_MS,
    KEY_SET_EVERY_MS,
    KEY_SET_GAP_MS,
    PAGE_SIZE,
    PERSIST_EVERY_MS,
    POLL_EVERY_MS,
    RING_SIZE,
    Phase,
)

_OPENING: Final = """# The feed, seen from a sidecar

A sidecar follows one feed for each product. What it does is one pure function, `entitlements.policy.feed_state.step`: the state and an
event go in, the next state and a list of commands come out. This page is made from the rules which that function notes while it works, in
the order in which it tries them; the first that fits is applied. Every message was verified before it becomes an event.

A version is (epoch, seq); a *chain value* names the whole history up to a version, a *digest* the whole content. The sidecar keeps the
chain values of its last positions (the *ring*): equal values mean a duplicate, different ones another history. The *basis* is gone when
something speaks against the stored set; it is then served on while its age grows, and only a snapshot restores it. The *floor* is the
version below which nothing is accepted, whatever was lost; it is raised after the store is on disk.
"""

_PHASES: Final = {
    Phase.UNLOADED: "no verified policy set yet: nothing is unknown, everything is not ready",
    Phase.LIVE: "at the head that signed messages speak of, confirmed by a heartbeat since this start",
    Phase.BEHIND: "serving what is stored while catching up, or before the first confirmation",
    Phase.FORKED: "on a history that the control plane does not have: served, never fresh, left only by a greater epoch",
}

_CONSTANTS: Final = (
    (f"{HEARTBEAT_TIMEOUT_MS / 1000:g} s", "without a new heartbeat on the bus, and the link is taken for dead"),
    (f"{POLL_EVERY_MS / 1000:g} s", "at most between polls of the control plane while the bus is silent; jittered"),
    (
        f"{BACKOFF_FIRST_MS / 1000:g} s to {BACKOFF_CAP_MS / 1000:g} s",
        "bound of the pause after a failure, doubling; drawn uniformly below it",
    ),
    (f"{ACK_EVERY_MS / 1000:g} s", "between acks when nothing changes"),
    (f"{ACK_GAP_MS / 1000:g} s", "between acks at least"),
    (f"{KEY_SET_EVERY_MS / 1000:g} s", "at most between looks at the key set; an unknown key makes it sooner"),
    (f"{KEY_SET_GAP_MS / 1000:g} s", "between looks at the key set at least"),
    (
        f"{PERSIST_EVERY_MS / 1000:g} s",
        "between bringing the store to disk, when it changed; the floor is raised after it",
    ),
    (f"{EPOCH_AHEAD_MS / 3_600_000:g} h", "an epoch may lie ahead of the clock; one further ahead is refused"),
    (f"{PAGE_SIZE}", "deltas in a page of a range"),
    (f"{RING_SIZE:,}", "chain values in the ring"),
)


def pages() -> dict[str, str]:
    """Return the reference page of the feed (path below the repository's root -> text)."""
    parts = [_OPENING, "## States\n\n| state | meaning |\n|---|---|"]
    parts += [f"| {phase.name} | {meaning} |" for phase, meaning in _PHASES.items()]
    parts.append("\n## Rules")
    for event, title in TITLES.items():
        parts.append(f"\n### {title}\n\n| rule | when | then |\n|---|---|---|")
        parts += [f"| `{rule.name}` | {rule.guard} | {rule.action} |" for rule in Rule if rule.event == event]
    parts.append("\n## Constants\n\n| value | what |\n|---|---|")
    parts += [f"| {value} | {what} |" for value, what in _CONSTANTS]
    return {"docs/reference/feed.md": "\n".join(parts) + "\n"}
