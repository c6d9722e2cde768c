"""The serving process: Check from the store.

Owns: the engine, the decision cache, the gRPC methods.
Imported by: nobody; it is started as a process of its own.
Invariant: no network and no write on the path of an answer; it opens the store read-only and works while the main process is away.
"""
