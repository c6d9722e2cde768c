"""Turns the rows of a result file into what people read: a page, a picture, the tables of the documents.

Owns: how measurements are named, drawn, judged against the targets and summed up. Nothing here measures.
Imported by: the dispatcher of the benchmarks and their tests.
Invariant: reads rows only; every number on a page is computed from them, and a page asks the network for nothing.
"""
