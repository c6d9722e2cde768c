"""Every metric of the control plane's publisher and of its gRPC feed, declared once as data."""

from __future__ import annotations

from typing import Final

from entitlements.runtime.metrics import Kind, Metric, reference_table

SNAPSHOT_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PUBLISH_BUCKETS_S: Final = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0)

PUBLISH_LATENCY: Final = Metric(
    "entitlements_publish_latency_seconds",
    Kind.HISTOGRAM,
    "From the commit of a change until Redis has it in the log and on the channel.",
    ("feed",),
    PUBLISH_BUCKETS_S,
)
PUBLISHED: Final = Metric("entitlements_deltas_published_total", Kind.COUNTER, "Deltas appended to the log.", ("feed",))
OUTBOX_LAG: Final = Metric(
    "entitlements_outbox_lag_deltas", Kind.GAUGE, "Committed deltas that the log does not hold.", ("feed",)
)
FEED_HEAD: Final = Metric(
    "entitlements_feed_head", Kind.GAUGE, "Head of the feed in the database; part is epoch or seq.", ("feed", "part")
)
HEARTBEATS: Final = Metric(
    "entitlements_heartbeats_total",
    Kind.COUNTER,
    "Heartbeats; outcome is signed (ready for gRPC) or broadcast (sent over Redis too).",
    ("feed", "outcome"),
)
LOG_RESETS: Final = Metric(
    "entitlements_log_resets_total", Kind.COUNTER, "Times the log in Redis was started anew.", ("feed",)
)
REEPOCHS: Final = Metric(
    "entitlements_reepochs_total",
    Kind.COUNTER,
    "Epochs begun by itself because published history was missing from the database; witness is log or ack.",
    ("feed", "witness"),
)
HELD: Final = Metric(
    "entitlements_publishing_held",
    Kind.GAUGE,
    "1 while nothing is published to Redis and a person is needed; cause is contradiction (log and outbox do not fit), reepoch_limit or eviction_policy (of Redis; feed is empty).",
    ("feed", "cause"),
)
SNAPSHOTS: Final = Metric(
    "entitlements_snapshots_total",
    Kind.COUNTER,
    "Snapshots; outcome is packed, stored (in Redis), catalogue_packed (for sidecars with a working set) or digest_mismatch (refused).",
    ("feed", "outcome"),
)
SNAPSHOT_PACK: Final = Metric(
    "entitlements_snapshot_pack_seconds",
    Kind.HISTOGRAM,
    "Time to read, hash and compress one snapshot.",
    ("feed",),
    SNAPSHOT_BUCKETS_S,
)
OUTBOX_TRIMMED: Final = Metric(
    "entitlements_outbox_trimmed_total", Kind.COUNTER, "Outbox rows deleted after their retention.", ("feed",)
)
REDIS_ERRORS: Final = Metric(
    "entitlements_publisher_redis_errors_total", Kind.COUNTER, "Failed calls of the publisher to Redis."
)
TURNS_LOST: Final = Metric(
    "entitlements_publisher_turns_lost_total",
    Kind.COUNTER,
    "Turns that ended in an error, such as the database being away; thread is publisher or snapshotter.",
    ("thread",),
)
BREAKER_STATE: Final = Metric(
    "entitlements_breaker_state",
    Kind.GAUGE,
    "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
    ("dependency",),
)
FEED_CALLS: Final = Metric(
    "entitlements_feed_calls_total", Kind.COUNTER, "Calls of FeedService by method and status.", ("method", "status")
)
FEED_CALL: Final = Metric(
    "entitlements_feed_call_seconds", Kind.HISTOGRAM, "Duration of FeedService calls.", ("method",), SNAPSHOT_BUCKETS_S
)

PUBLISHER_METRICS: Final = (
    PUBLISH_LATENCY,
    PUBLISHED,
    OUTBOX_LAG,
    FEED_HEAD,
    HEARTBEATS,
    LOG_RESETS,
    REEPOCHS,
    HELD,
    SNAPSHOTS,
    SNAPSHOT_PACK,
    OUTBOX_TRIMMED,
    REDIS_ERRORS,
    TURNS_LOST,
    BREAKER_STATE,
)
PROOFS: Final = Metric(
    "entitlements_customer_proofs_total",
    Kind.COUNTER,
    "Proofs of single customers for sidecars with a working set; outcome is present, absent, deposited (in Redis) or not_deposited.",
    ("feed", "outcome"),
)
FEED_SERVICE_METRICS: Final = (FEED_CALLS, FEED_CALL, PROOFS)


def pages() -> dict[str, str]:
    """Return the reference page of these metrics (path below the repository's root -> text)."""
    page = (
        "# Metrics of the control plane's feed side\n\n"
        "Served at `GET /metrics` of the control plane. This page is made from the declarations in `control/metrics.py`.\n\n"
        "## Publishing\n\n"
        + reference_table(PUBLISHER_METRICS)
        + "\n## The gRPC feed\n\n"
        + reference_table(FEED_SERVICE_METRICS)
    )
    return {"docs/reference/control-feed-metrics.md": page}
