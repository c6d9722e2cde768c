"""Process plumbing.

Owns: the clock, settings, circuit breaker, retry, the Redis client factory, metrics, logs, supervision of child processes.
Imported by: both services and the client.
Invariant: not one business word; pybreaker and tenacity have one importer each, and it is here; the wall clock is read in `clock` alone.
"""
