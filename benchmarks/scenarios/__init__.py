"""What is done to the subjects.

Each module of this package that has a `run` is one scenario:

    NAME: str                                              as in `Row.scenario`
    TITLE: str                                             one line for lists and reports
    run(subjects: Sequence[Subject], generators: Sequence[Generator], rounds: int, seconds: float) -> list[Row]

`run` takes every subject and generator that there is and uses those that fit: what is missing on this machine, or cannot be asked in that way, is
left out with a printed line. Rounds are the outer loop and subjects the inner one, so rows of one round saw the same weather; `seconds` is the
measured length of every single row, warm-up excluded. Rows come back in the order in which they were measured, repetitions of one
measurement have one `Row.key()`, and nothing is averaged here.

Owns: who is asked what, how hard, how often.
Imported by: `benchmarks.__main__` and the report.
Invariant: a scenario leaves no process behind, and a row is never invented: where nothing was measured there is no row.
"""
