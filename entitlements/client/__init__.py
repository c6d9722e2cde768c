"""What an application imports.

Owns: the Check client, asynchronous and synchronous, with deadline and per-call fallback.
Imported by: applications and `demo`; stands beside the services, never under them.
Invariant: a sidecar that is away is an answer marked as a fallback, not an exception, unless the caller asks for one.
"""
