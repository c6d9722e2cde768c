"""The control plane: where a vendor describes what it sells and who bought what.

Owns: the catalogue, customers, the audit trail, and the log of policy changes that sidecars follow.
Imported by: `demo` and the console script only; control and the sidecar never meet.
Invariant: a write, its audit event and its outbox rows commit together; what is published is a pure function of committed rows.
"""
