"""Feeds and the sidecars that follow them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from control.api.decision_json import instant_text
from control.api.describing import reads
from control.api.paging import Wanted
from control.api.reading import Reads, json_reply
from control.api.route import api_router
from control.api.schemas.operations import FeedList, FeedReply, SidecarList
from control.api.segments import PathId
from control.domain.errors import NotFound
from control.store import sidecars
from control.store.sidecars import SidecarReport
from entitlements.wire.names import stream_id

feeds = api_router("feeds")


def _feed(product: str, epoch: int, seq: int) -> dict[str, Any]:
    return {"product": product, "epoch": epoch, "seq": seq, "version": stream_id(epoch, seq)}


@feeds.get("/feeds", response_model=FeedList, summary="List feeds with their positions", **reads())
def list_feeds(store: Reads) -> Response:
    """One feed for each product."""
    with store.reading() as connection:
        heads = sidecars.positions(connection)
    return json_reply({"items": [_feed(product, epoch, seq) for product, (epoch, seq) in heads.items()]})


@feeds.get("/feeds/{product}", response_model=FeedReply, summary="Read a feed's position", **reads())
def read_feed(product: PathId, store: Reads) -> Response:
    """The position that contains every write so far."""
    with store.reading() as connection:
        heads = sidecars.positions(connection)
    if product not in heads:
        raise NotFound("feed", product)
    return json_reply(_feed(product, *heads[product]))


@feeds.get("/sidecars", response_model=SidecarList, summary="List what sidecars reported", **reads())
def list_sidecars(
    store: Reads,
    wanted: Wanted,
    product: Annotated[str, Query(max_length=128, description="Only of this feed.")] = "",
) -> Response:
    """A sidecar reports every few seconds; one that is silent or behind answers with an older policy."""
    with store.reading() as connection:
        found = sidecars.reports(connection, product, wanted.after, wanted.limit + 1)
    now_ms = store.clock.now_ms()
    shown = found[: wanted.limit]
    following = shown[-1].sidecar_id if len(found) > wanted.limit else None
    return json_reply({"items": [_report(each, now_ms) for each in shown], "next": following})


def _report(report: SidecarReport, now_ms: int) -> dict[str, Any]:
    return {
        "product": report.feed,
        "sidecar_id": report.sidecar_id,
        "boot_id": report.boot_id,
        "version": stream_id(report.epoch, report.seq),
        "behind": report.head_seq - report.seq if report.epoch == report.head_epoch else None,
        "state": report.state,
        "digest_ok": report.digest_ok,
        "software": report.software,
        "age_ms": report.age_ms,
        "acked_at": instant_text(report.acked_at_ms),
        "silent_ms": max(0, now_ms - report.acked_at_ms),
    }
