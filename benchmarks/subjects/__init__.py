"""What answers: our sidecar by transport, bare servers, ceilings; peers implement the same protocol.

Owns: starting, asking in the right wire format, stopping.
Imported by: `benchmarks.scenarios` and `benchmarks.__main__`.
Invariant: nothing of a subject runs after `stop`, whatever happened before.
"""
