"""The acts of the story, each a function that does something to real processes and claims what must follow.

Owns: what is told. `demo.stage` owns the processes, `demo.narration` how it is told.
Imported by: `demo.story` and the benchmarks.
Invariant: nothing is printed that was not measured or claimed in the same run, and a claim that does not hold ends the story.
"""
