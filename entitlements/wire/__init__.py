"""The seam to bytes.

Owns: records and decisions to and from protobuf, signed envelopes, the names of Redis keys, domain errors as gRPC statuses.
Imported by: both services and the client.
Invariant: the only package, with the client and the two API edges, that touches generated code; what leaves it is a domain object.
"""
