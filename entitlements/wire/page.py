"""A page of deltas verified by one signature: the chain binds all of them to the last, and the last is signed.

Verifying each of 10,000 deltas would take about a second; the chain takes some milliseconds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from entitlements.policy.digest import chain_next
from entitlements.v1 import policy_pb2
from entitlements.wire.errors import Refusal, Refused
from entitlements.wire.feed_messages import FeedDelta, parse_outer, read_message
from entitlements.wire.key_ring import KeyRing, open_envelope


def verify_page(
    envelopes: Sequence[bytes], feed: str, ring: KeyRing, prev_chain: bytes | None, now_ms: int
) -> list[FeedDelta]:
    """Return the deltas of a page that continues a history at ``prev_chain`` (None: at whatever the page starts from).

    Refused with ``bad_chain`` when the page is not one unbroken piece of history, with ``forked`` when it is authentic but continues
    another history than the caller's, else with the reason for which its last envelope is not accepted. Only the last delta's
    ``digest`` and ``issued_at_ms`` are attested; the inner ones come with an empty digest.
    """
    if not envelopes:
        return []
    last = ring.verify(envelopes[-1], feed, now_ms)
    if not isinstance(last, FeedDelta):
        raise Refused(Refusal.BAD_CHAIN, f"a page of deltas ends with a {type(last).__name__}")
    outers = [parse_outer(open_envelope(envelope).body) for envelope in envelopes[:-1]]
    start = _start(outers[0]) if outers else last.prev
    if _chain_over(outers, start) != last.prev:
        raise Refused(Refusal.BAD_CHAIN, "the page does not lead to its signed last delta")
    if prev_chain is not None and start != prev_chain:
        raise Refused(Refusal.FORKED, f"the page continues another history at {last.epoch}-{last.seq}")
    deltas = [_inner(outer, feed) for outer in outers]
    for earlier, later in itertools.pairwise([*deltas, last]):
        if later.epoch != earlier.epoch or later.seq != earlier.seq + 1 or later.prev != earlier.chain:
            raise Refused(Refusal.BAD_CHAIN, f"{later.epoch}-{later.seq} follows {earlier.epoch}-{earlier.seq}")
    return [*deltas, last]


def _start(outer: policy_pb2.FeedMessage) -> bytes:
    try:
        return policy_pb2.Delta.FromString(outer.payload).prev
    except DecodeError as error:
        raise Refused(Refusal.BAD_CHAIN, f"the first delta cannot be read: {error}") from error


def _chain_over(outers: Sequence[policy_pb2.FeedMessage], start: bytes) -> bytes:
    chain = start
    for outer in outers:
        chain = chain_next(chain, outer.epoch, outer.seq, outer.payload)
    return chain


def _inner(outer: policy_pb2.FeedMessage, feed: str) -> FeedDelta:
    message = read_message(outer)
    if not isinstance(message, FeedDelta) or message.feed != feed:
        raise Refused(Refusal.BAD_CHAIN, "the page holds something else than this feed's deltas")
    return dataclasses.replace(message, digest=b"")
