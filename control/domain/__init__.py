"""The vendor's rules, pure.

Owns: catalogue, subscriptions, overrides, suspensions, the audit chain, compilation into policy records.
Imported by: `control.store`, `control.handlers` and what is above them.
Invariant: no I/O, no clock, no database; commands and time come in, events come out.
"""
