"""The shell around `policy.feed_state`: the doorbell, the log, the loop.

Owns: receiving, verifying and applying policy updates; the sole user of the store's writer.
Imported by: `sidecar.app`.
Invariant: nothing unverified is stored, the position never goes back, and any failure leaves the old set in place.
"""
