"""The pure core: records in, verdict out.

Owns: every rule by which an entitlement is decided, the closed code table, freshness arithmetic, the feed's transition table, digests.
Imported by: `wire`, `store`, both services, the client's local mode.
Invariant: standard library only; no I/O, no clock, no logging, no randomness. Time comes in as an argument, and the same input always
gives the same output.
"""
