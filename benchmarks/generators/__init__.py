"""What asks: load generators in several languages behind one protocol, and the questions they are given.

Owns: the question file, latencies, sending and checking; knows no service by name.
Imported by: `benchmarks.scenarios`, `benchmarks.subjects` (the questions alone) and `benchmarks.load`.
Invariant: every answer is checked by whoever asked; a call that failed is counted, never dropped.
"""
