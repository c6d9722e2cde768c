"""Bodies about feeds and the sidecars that follow them."""

from __future__ import annotations

from pydantic import Field

from control.api.schemas.values import Reply


class FeedReply(Reply):
    """The head of one feed."""

    product: str
    epoch: int
    seq: int
    version: str = Field(description="Version token of the head.")


class FeedList(Reply):
    """Every feed."""

    items: list[FeedReply]


class SidecarReply(Reply):
    """What a sidecar last reported about a feed."""

    product: str
    sidecar_id: str
    boot_id: str
    version: str = Field(description="Version token of what it applied.")
    behind: int | None = Field(description="Deltas it lacks; null when it is on another epoch.")
    state: str
    digest_ok: bool = Field(description="Its policy set has the signed digest.")
    software: str
    age_ms: int = Field(description="Age of its policy when it reported.")
    acked_at: str
    silent_ms: int = Field(description="Time since it reported.")


class SidecarList(Reply):
    """Reports, sorted by sidecar id."""

    items: list[SidecarReply]
    next: str | None = None
