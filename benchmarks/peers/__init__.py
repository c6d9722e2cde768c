"""What a user would run instead: other programs and libraries, asked the same questions in the same run.

Owns: how each peer is installed, set up, asked and checked, and what a reader must know to compare it fairly.
Imported by: `benchmarks.peers` itself and the benchmark suite. A module of one in-process peer is imported only inside the peers' own
    environment (`.venv-peers`), so it imports nothing but that peer's library, the standard library and `benchmarks.peers.questionnaire`.
Invariant: nothing of a peer is in the repository or in the product's environment, and no figure counts without every verdict checked.
"""
