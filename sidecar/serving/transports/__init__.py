"""gRPC listeners behind one seam.

Owns: turning calls into `handler(request_bytes) -> response_bytes` for each unary method, and into iterators of messages for streams.
Imported by: `sidecar.serving.process`.
Invariant: no business word; every transport passes the same conformance suite.
"""
