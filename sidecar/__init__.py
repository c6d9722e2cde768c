"""The sidecar: answers Check beside a product service.

Owns: the main process (feed, admin HTTP, supervision) and the serving process.
Imported by: `demo` and the console script only; control and the sidecar never meet.
Invariant: what answers never shares an interpreter with what verifies and stores; the two meet in the policy store's file alone.
"""
