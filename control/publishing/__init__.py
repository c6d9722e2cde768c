"""From the outbox to the feed: signing, the log in Redis, heartbeats, snapshots, epochs.

Owns: everything that puts committed deltas on their way.
Imported by: `control.feed_side`, `control.api.feed` and `control.cli`.
Invariant: it publishes only what the database holds, at the position the database gave it.
"""
