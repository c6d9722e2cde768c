"""Deciding from a mapped policy store, in whatever process maps it.

Owns: decoded records, the age of the policy, the instant of a decision, one product's questions answered on one version of its store, and
what must still be true of an answer that is remembered.
Imported by: `sidecar.serving` and `entitlements.client`.
Invariant: everything is read through one view; no network, no writing, and whatever breaks inside becomes a marked fallback.
"""
