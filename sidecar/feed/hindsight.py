"""Reads the log in Redis backwards from where the store stands, so that proofs made before the sidecar came can be believed.

Without it a sidecar that has just started would believe no proof in Redis but one of its very position, and ask the control plane for
everybody. What is read is verified: each page by its signature and chain, and that it leads to a position that we hold.
"""

from __future__ import annotations

from entitlements.policy.feed_state_value import PAGE_SIZE, Position
from entitlements.policy.ids import Seq
from entitlements.wire.envelope import Refused
from sidecar.feed.inspector import Inspector
from sidecar.feed.ledger import Ledger
from sidecar.feed.source import PolicySource, SourceUnavailable, Trimmed


async def recall_past(ledger: Ledger, source: PolicySource, inspector: Inspector) -> None:
    """Go back page by page, until the ledger has no more room, the log no more past, or either of them moved on to another history."""
    while (oldest := ledger.oldest) is not None and oldest.seq > 0:
        before = Position(oldest.epoch, Seq(max(0, oldest.seq - PAGE_SIZE)), b"")
        try:
            page = inspector.page(await source.range_after(before))
        except (SourceUnavailable, Trimmed, Refused):
            return
        known = [delta for delta in page if delta.epoch == oldest.epoch and delta.seq <= oldest.seq]
        if not known or not ledger.recall(known):
            return
