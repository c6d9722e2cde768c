"""What sidecars last reported, read beside the heads that they follow."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from control.store.tables import feed, sidecar_ack


class SidecarReport(NamedTuple):
    """The newest report of one sidecar about one feed, and the feed's head at the time of reading; instants in UTC ms."""

    feed: str
    sidecar_id: str
    boot_id: str
    epoch: int
    seq: int
    state: str
    digest_ok: bool
    software: str
    age_ms: int
    acked_at_ms: int
    head_epoch: int
    head_seq: int


def reports(connection: Connection, product: str, after: str, limit: int) -> list[SidecarReport]:
    """Return the reports about a feed in the order of sidecar ids, after one; about all feeds when the product is empty."""
    ack = sidecar_ack.c
    query = (
        sa.select(
            ack.feed, ack.sidecar_id, ack.boot_id, ack.epoch, ack.seq, ack.state, ack.digest_ok, ack.software,
            ack.age_ms, ack.acked_at_ms, feed.c.epoch, feed.c.seq,
        )
        .join(feed, feed.c.product == ack.feed)
        .where(ack.sidecar_id > after)
        .order_by(ack.sidecar_id, ack.feed)
        .limit(limit)
    )  # fmt: skip
    if product:
        query = query.where(ack.feed == product)
    return [SidecarReport._make(row) for row in connection.execute(query)]


def positions(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return product -> (epoch, seq) of every feed."""
    rows = connection.execute(sa.select(feed.c.product, feed.c.epoch, feed.c.seq).order_by(feed.c.product))
    return {product: (epoch, seq) for product, epoch, seq in rows}
