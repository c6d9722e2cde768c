"""Commands.

Owns: the one path of every write: open a unit of work, let the domain decide, commit rows, audit and outbox together.
Imported by: `control.api` and `control.app`.
Invariant: one command is one transaction; nothing is half-applied.
"""
