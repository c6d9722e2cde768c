"""Every metric of a sidecar, declared once: those of a process that answers, those of the main process, those of both.

`/metrics` of the main process joins them; each series tells by its label `process` where it comes from. The reference page is made from
these declarations.
"""

from __future__ import annotations

from typing import Final

from entitlements.runtime.metrics import Kind, Metric, reference_table

CHECK_DURATION: Final = Metric(
    "entitlements_check_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the bytes of a request to the bytes of its answer inside the engine, by method; transport excluded.",
    ("method",),
)
CHECKS: Final = Metric(
    "entitlements_checks_total",
    Kind.COUNTER,
    "Decisions given, by reason code and by the tier that answered; every item of a batch and of a list counts.",
    ("code", "served_from"),
)
DECISION_CACHE: Final = Metric(
    "entitlements_decision_cache_total",
    Kind.COUNTER,
    "Look-ups in the decision cache, one for each question of a batch or a list: hit, revalidated (records compared, still true), miss.",
    ("result",),
)
POLICY_AGE: Final = Metric(
    "entitlements_policy_age_seconds",
    Kind.GAUGE,
    "Time since the newest verified heartbeat was issued, per product, as the process that answers sees it; NaN without a policy.",
    ("product",),
)
FEED_POSITION: Final = Metric(
    "entitlements_feed_position",
    Kind.GAUGE,
    "Position of the policy in use, per product: epoch and seq in two series.",
    ("product", "part"),
)
REFUSALS: Final = Metric(
    "entitlements_refusals_total",
    Kind.COUNTER,
    "Requests refused for the caller's mistake, by method and closed reason.",
    ("method", "reason"),
)
INTERNAL_ERRORS: Final = Metric(
    "entitlements_internal_errors_total",
    Kind.COUNTER,
    "Failures inside the sidecar while answering, by method; each was answered by a fallback or with INTERNAL.",
    ("method",),
)
CORRUPT_RECORDS: Final = Metric(
    "entitlements_store_corrupt_records_total",
    Kind.COUNTER,
    "Records whose bytes did not match their checksum when they were read, per product.",
    ("product",),
)
CLOCK_OFFSET: Final = Metric(
    "entitlements_clock_offset_seconds",
    Kind.GAUGE,
    "How far the wall clock is ahead of the time that decisions use; not zero while a step of the wall clock is being followed slowly.",
)
VERSION_WAITS: Final = Metric(
    "entitlements_version_waits_total",
    Kind.COUNTER,
    "Calls with min_version that found the store behind, by result: reached or behind.",
    ("result",),
)
TRANSPORT: Final = Metric(
    "entitlements_transport",
    Kind.GAUGE,
    "1 for what carries the calls; when it is not the `wanted` one, the installed grpcio was found unfit for that and calls are slower.",
    ("transport", "wanted"),
)
TLS_RENEWALS: Final = Metric(
    "entitlements_tls_renewals_total",
    Kind.COUNTER,
    "Changes of the certificate files that were noticed, by result: loaded, or refused because the files do not belong together.",
    ("result",),
)
LOG_LINES_DROPPED: Final = Metric(
    "entitlements_log_lines_dropped_total",
    Kind.COUNTER,
    "Log lines that were dropped because whoever reads standard error does not keep up; nothing waits for it.",
)
EVERY: Final = (LOG_LINES_DROPPED,)
"""Counted in every process of a sidecar."""
WORKING_SET_MISSES: Final = Metric(
    "entitlements_working_set_misses_total",
    Kind.COUNTER,
    "Customers that were asked about and not held, by what became of the call: fetched, timed_out, no_main_process, or why they cannot be had.",
    ("product", "result"),
)
WORKING_SET_HIT_RATIO: Final = Metric(
    "entitlements_working_set_hit_ratio",
    Kind.GAUGE,
    "Share of all decisions since the start for which the customer was held; 1 where the whole set is.",
)
TALLIED: Final = (CHECK_DURATION, CHECKS, DECISION_CACHE)
"""Counted by the tally of the serving process itself, which is cheaper than a collector of the client library."""
SERVING: Final = (
    POLICY_AGE,
    FEED_POSITION,
    REFUSALS,
    INTERNAL_ERRORS,
    CORRUPT_RECORDS,
    CLOCK_OFFSET,
    VERSION_WAITS,
    WORKING_SET_MISSES,
    WORKING_SET_HIT_RATIO,
    TRANSPORT,
    TLS_RENEWALS,
)

BREAKER_STATE: Final = Metric(
    "entitlements_breaker_state",
    Kind.GAUGE,
    "Circuit breaker towards a dependency: 0 closed, 1 half open, 2 open.",
    ("dependency",),
)
SERVING_UP: Final = Metric(
    "entitlements_serving_up",
    Kind.GAUGE,
    "Whether a process that answers is up and ready, 1 or 0, by its number; number 0 has the unix socket and decides readiness.",
    ("number",),
)
SERVING_RESTARTS: Final = Metric(
    "entitlements_serving_restarts_total",
    Kind.COUNTER,
    "Times a process that answers had to be started again, by its number.",
    ("number",),
)
STORES_SET_ASIDE: Final = Metric(
    "entitlements_stores_set_aside_total",
    Kind.COUNTER,
    "Policy stores that did not verify and were set aside, per product.",
    ("product",),
)
STORE_BYTES: Final = Metric(
    "entitlements_store_bytes", Kind.GAUGE, "Size of the policy store's file on disk, per product.", ("product",)
)
STORE_FREE: Final = Metric(
    "entitlements_store_free_ratio",
    Kind.GAUGE,
    "Share of free pages in the policy store's file, per product; about a half after a snapshot, until the file is compacted.",
    ("product",),
)
STORE_COMPACTIONS: Final = Metric(
    "entitlements_store_compactions_total",
    Kind.COUNTER,
    "Compactions of the policy store, per product, by result: done, void (a snapshot came between, or no room), failed.",
    ("product", "result"),
)
FEED_MESSAGES: Final = Metric(
    "entitlements_feed_messages_total",
    Kind.COUNTER,
    "Verified messages of the feed by kind: delta, heartbeat, nudge, other.",
    ("product", "kind"),
)
FEED_REFUSED: Final = Metric(
    "entitlements_feed_refused_total",
    Kind.COUNTER,
    "Bytes that were not accepted as policy, by closed reason; anything but zero deserves a look.",
    ("product", "reason"),
)
FEED_FETCHES: Final = Metric(
    "entitlements_feed_fetches_total",
    Kind.COUNTER,
    "Fetches of heads, ranges, snapshots, key sets and heartbeats, by path (redis, control) and result (good, bad).",
    ("product", "what", "path", "result"),
)
FEED_EVENTS: Final = Metric(
    "entitlements_feed_events_total",
    Kind.COUNTER,
    "What happened to the feed: gap, resync, digest_mismatch, fork, reconnect, store_failure.",
    ("product", "event"),
)
FEED_HEAD: Final = Metric(
    "entitlements_feed_head",
    Kind.GAUGE,
    "Newest position that signed messages speak of, per product: epoch and seq in two series.",
    ("product", "part"),
)
FEED_APPLIED: Final = Metric(
    "entitlements_feed_applied",
    Kind.GAUGE,
    "Position that the main process has stored, per product: epoch and seq in two series.",
    ("product", "part"),
)
FEED_AGE: Final = Metric(
    "entitlements_feed_age_seconds", Kind.GAUGE, "Age of the policy as the feed sees it, per product.", ("product",)
)
FEED_PHASE: Final = Metric(
    "entitlements_feed_phase",
    Kind.GAUGE,
    "What the feed says of itself: 1 for the present phase.",
    ("product", "phase"),
)
WORKING_SET_WANTED: Final = Metric(
    "entitlements_working_set_wanted_total",
    Kind.COUNTER,
    "Customers that were wanted and not held, by result: had from redis or control, or proven absent; else unreachable, refused, busy, late, not_ready.",
    ("product", "result"),
)
WORKING_SET_FETCH: Final = Metric(
    "entitlements_working_set_fetch_seconds",
    Kind.HISTOGRAM,
    "Time that a source took to answer for a batch of customers, by path (redis, control).",
    ("product", "path"),
)
WORKING_SET_DISBELIEVED: Final = Metric(
    "entitlements_working_set_disbelieved_total",
    Kind.COUNTER,
    "Genuine proofs that do not say what is so at our position, by finding: touched, too_old, other_branch, no_position.",
    ("product", "finding"),
)
WORKING_SET_HELD: Final = Metric(
    "entitlements_working_set_held",
    Kind.GAUGE,
    "What the working set holds, by kind: customers, and absences of customers that do not exist.",
    ("product", "kind"),
)
WORKING_SET_EVICTIONS: Final = Metric(
    "entitlements_working_set_evictions_total",
    Kind.COUNTER,
    "Customers that were let go for want of room, and absences that had had their time.",
    ("product",),
)
START_DURATION: Final = Metric(
    "entitlements_start_duration_seconds",
    Kind.GAUGE,
    "Time from the start of the main process to the first moment it was ready.",
)
MAIN: Final = (
    BREAKER_STATE,
    FEED_MESSAGES,
    FEED_REFUSED,
    FEED_FETCHES,
    FEED_EVENTS,
    FEED_HEAD,
    FEED_APPLIED,
    FEED_AGE,
    FEED_PHASE,
    SERVING_UP,
    SERVING_RESTARTS,
    STORES_SET_ASIDE,
    STORE_BYTES,
    STORE_FREE,
    STORE_COMPACTIONS,
    START_DURATION,
    WORKING_SET_WANTED,
    WORKING_SET_FETCH,
    WORKING_SET_DISBELIEVED,
    WORKING_SET_HELD,
    WORKING_SET_EVICTIONS,
)


def pages() -> dict[str, str]:
    """Return the reference page of the sidecar's metrics (path below the repository's root -> text)."""
    page = (
        "# Metrics of the sidecar\n\n"
        "`GET /metrics` on the admin address joins the registries of all processes; the label `process` of every series is `serving`, `main`,\n"
        "or `serving-1` and so on for further processes that answer. Beside these, all export the usual `process_*` and `python_gc_*` figures. This page is made from the declarations in\n"
        "`sidecar/metrics.py`.\n\n"
        "## The process that answers\n\n"
        + reference_table((*TALLIED, *SERVING))
        + "\n## The main process\n\n"
        + reference_table(MAIN)
        + "\n## Every process\n\n"
        + reference_table(EVERY)
    )
    return {"docs/reference/metrics.md": page}
