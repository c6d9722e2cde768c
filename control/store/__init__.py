"""The control plane's memory.

Owns: tables, migrations, repositories, the unit of work, the outbox; on SQLite and PostgreSQL alike.
Imported by: `control.handlers` and what is above them.
Invariant: one suite passes on every backend; SQL appears nowhere else.
"""
