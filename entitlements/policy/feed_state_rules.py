"""The transition table in words: every rule that a step can apply, in the order in which its event tries them.

A step notes the rule it applies, so counters, logs, tests and the reference page speak of the same rules.
"""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """One row of the table: event, guard, action."""

    def __init__(self, event: str, guard: str, action: str) -> None:
        self.event = event
        self.guard = guard
        self.action = action

    STARTED_VERIFIED = ("start", "the store was verified and is not below the floor", "build on it; open the link")
    STARTED_UNLOADED = ("start", "there is no usable store", "open the link; the floor stays in force")
    STARTED_BELOW_FLOOR = ("start", "the store is below the floor", "do not build on it; open the link")

    STARTED_OTHER_EXTENT = (
        "start",
        "as verified, but it holds the whole set and only a working set is wanted",
        "serve it; no basis, so a snapshot of the catalogue will replace it",
    )

    LINK_LATE = ("subscribed", "the link was dropped meanwhile", "nothing")
    LINK_SUBSCRIBED = (
        "subscribed",
        "always, also after a silent reconnect",
        "new generation; catch up without a pause",
    )
    LINK_LOST = ("disconnected", "always", "open again after a jittered pause; ask the control plane meanwhile")
    LINK_SILENT = (
        "tick",
        "no new heartbeat on the bus for 3 s, or no outcome of opening the link",
        "drop the link; as above",
    )

    DELTA_FUTURE_EPOCH = ("delta", "the epoch is more than a day ahead of the clock", "drop")
    DELTA_OLDER_EPOCH = ("delta", "the epoch is older than ours", "drop; an ack is due")
    DELTA_WHILE_WRITING = ("delta", "a write is under way", "catch up afterwards")
    DELTA_NEWER_EPOCH = ("delta", "the epoch is newer than ours, or there is no store yet", "catch up")
    DELTA_WHILE_FORKED = ("delta", "we are forked", "drop; an ack is due")
    DELTA_NO_BASIS = ("delta", "the set is not to be built upon", "catch up")
    DELTA_DUPLICATE = ("delta", "not ahead of us; the ring has the same chain value there, or none", "drop")
    DELTA_FORK_BEHIND = ("delta", "not ahead of us; the ring has another chain value there", "fork")
    DELTA_GAP = ("delta", "more than one ahead of us", "catch up")
    DELTA_FORK_AHEAD = ("delta", "the next one, but it follows another chain value than ours", "fork")
    DELTA_NEXT = ("delta", "the next one, and it follows ours", "apply")

    NUDGE_AHEAD = ("nudge", "ahead of us", "catch up")
    NUDGE_REACHED = ("nudge", "not ahead of us", "nothing")

    HEARTBEAT_EXPIRED = ("heartbeat", "past its end", "drop")
    HEARTBEAT_NOT_NEWER = ("heartbeat", "not issued after the newest one taken", "drop")
    HEARTBEAT_FUTURE_EPOCH = ("heartbeat", "the epoch is more than a day ahead of the clock", "drop")
    HEARTBEAT_OLDER_EPOCH = ("heartbeat", "the epoch is older than ours", "drop; an ack is due")
    HEARTBEAT_WHILE_WRITING = ("heartbeat", "a write is under way", "catch up afterwards")
    HEARTBEAT_NEWER_EPOCH = ("heartbeat", "the epoch is newer than ours, or there is no store yet", "catch up")
    HEARTBEAT_WHILE_FORKED = ("heartbeat", "we are forked", "nothing: the age grows; an ack is due")
    HEARTBEAT_AHEAD = ("heartbeat", "ahead of us, or the set is not to be built upon", "catch up")
    HEARTBEAT_BEYOND_RING = ("heartbeat", "behind us by more than the ring holds", "nothing: it proves nothing")
    HEARTBEAT_FORK = ("heartbeat", "the ring has another chain value there", "fork")
    HEARTBEAT_DRIFT = ("heartbeat", "at our position, but the digest is not ours", "basis lost; catch up")
    HEARTBEAT_CONFIRMS = ("heartbeat", "the ring has its chain value", "the age counts from its time of issue")

    HEAD_STALE_ANSWER = ("fetched", "not the answer that is waited for", "drop")
    HEAD_MISSING = ("head", "there is none", "ask the other path, then later")
    HEAD_FUTURE_EPOCH = ("head", "the epoch is more than a day ahead of the clock", "ask the other path, then later")
    HEAD_OLDER = ("head", "older than what signed messages or our store speak of", "ask the other path, then later")
    HEAD_WHILE_FORKED = ("head", "we are forked and the epoch is not greater", "done")
    HEAD_NEEDS_SNAPSHOT = ("head", "no basis, a greater epoch, or the next delta is trimmed", "fetch a snapshot")
    HEAD_BEHIND = ("head", "ahead of us in our epoch", "fetch a page of the range after us")
    HEAD_REACHED = ("head", "where we are", "done")

    RANGE_EMPTY = ("range", "brings nothing beyond us, though the head is", "ask the other path, then later")
    RANGE_GAP = ("range", "starts beyond the next delta, or in another epoch", "fetch a snapshot")
    RANGE_FORK = ("range", "does not continue our chain value", "fork")
    RANGE_NEXT = ("range", "continues where we are", "apply the part beyond us")
    RANGE_SUPERSEDED = ("range", "a fork, a drift or a write came in between", "look at the head again")

    SNAPSHOT_FUTURE_EPOCH = ("snapshot", "the epoch is more than a day ahead of the clock", "other path, then later")
    SNAPSHOT_BELOW_FLOOR = ("snapshot", "below the floor or below us", "ask the other path, then later")
    SNAPSHOT_SAME_EPOCH = ("snapshot", "we are forked and its epoch is not greater", "ask the other path, then later")
    SNAPSHOT_SUPERSEDED = (
        "snapshot",
        "we are there already and nothing speaks against what we hold",
        "look at the head",
    )
    SNAPSHOT_TAKEN = ("snapshot", "otherwise", "replace everything in one transaction")

    FETCH_TRIMMED = ("fetch failed", "the range is no longer kept", "fetch a snapshot")
    FETCH_OTHER_PATH = ("fetch failed", "the other path was not tried", "ask the other path")
    FETCH_LATER = ("fetch failed", "both paths were tried", "try again after a jittered pause; keep serving")

    WRITE_APPLIED = ("applied", "a run of deltas", "the position moves; an ack is due")
    WRITE_REPLACED = ("applied", "a snapshot", "basis; no fork any more; look at the head again")
    WRITE_DIGEST_MISMATCH = ("apply failed", "the set would not have the signed digest", "basis lost; catch up later")
    WRITE_FAILED = ("apply failed", "the store could not be written", "keep serving; catch up later")
    STORE_DAMAGED = ("store damaged", "always", "basis lost; catch up")

    KEYS_UNKNOWN = ("refused", "signed by an unknown key", "fetch the key set, at most every 2 s")
    KEYS_NEWER = ("key set", "newer than the one installed", "catch up without a pause: what was refused may be good")


TITLES = {
    "start": "Start",
    "subscribed": "The server confirms a subscription",
    "disconnected": "The subscription ends or cannot be opened",
    "tick": "Time passes",
    "delta": "A delta arrives on the bus",
    "nudge": "A nudge arrives on the bus",
    "heartbeat": "A heartbeat arrives, from either path",
    "fetched": "Any answer to a fetch",
    "head": "A source names the head",
    "range": "A source brings a page of deltas",
    "snapshot": "A source brings a snapshot",
    "fetch failed": "A fetch brings nothing",
    "applied": "A write is committed",
    "apply failed": "A write is aborted",
    "store damaged": "A reader found a damaged record",
    "refused": "Bytes are refused",
    "key set": "A key set is installed",
}
"""What the events of the table are, in the order of the reference page."""
