"""Measures how fast a revoke takes effect, over real processes: Valkey, control plane on SQLite with synchronous=FULL, two sidecars.

    python3 dev.py bench revoke [--count 500]

Each round puts a denying override over REST and asks both sidecars in turn until each answers REVOKED, then takes it back. Three spans are
kept, in milliseconds, all until the second of the two sidecars denies:

  from_request   since just before the request was sent: holds authentication, the transaction and its fsync
  from_commit    since the instant that the control plane's transaction stamped on its outbox row, just before it committed
  from_reply     since the reply was read: 0 when the sidecars were faster than the reply

The goal (p50 below 20 ms, p99 below 100 ms) is for `from_commit`. Asking costs time, too: about 0.3 ms for each question.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.result import machine, summary, write
from demo.acts.revoking import reinstate, revoke
from demo.narration import Narrator
from demo.site import Site
from demo.stage import Stage
from demo.story import set_up

CUSTOMER: Final = "acme"
FEATURE: Final = "report-exports"
GOAL_P50_MS: Final = 20.0
GOAL_P99_MS: Final = 100.0
WARM_UP: Final = 20


def main(argv: list[str]) -> int:
    """Run; return 1 when the goal was missed."""
    parser = argparse.ArgumentParser(prog="bench revoke", description="From a revoke until both sidecars deny.")
    parser.add_argument("--count", type=int, default=500, help="revokes that are measured (%(default)s)")
    count: int = parser.parse_args(argv).count
    on = machine()
    stage = Stage(Site.make(None))
    try:
        set_up(stage, Narrator(quiet=False))
        spans = measure(stage, count)
    finally:
        stage.close()
    numbers = {name: summary(values) for name, values in spans.items()}
    for name, found in numbers.items():
        shown = "  ".join(f"{key} {value:g}" for key, value in found.items())
        print(f"  {name:<13} {shown}")
    met = numbers["from_commit"]["p50"] < GOAL_P50_MS and numbers["from_commit"]["p99"] < GOAL_P99_MS
    print(
        f"  goal          p50 < {GOAL_P50_MS:g} ms and p99 < {GOAL_P99_MS:g} ms from the commit: {'met' if met else 'MISSED'}"
    )
    print(f"  written       {write('revoke', (__doc__ or '').strip(), {**numbers, 'goal_met': met}, on)}")
    return 0 if met else 1


def measure(stage: Stage, count: int) -> dict[str, list[float]]:
    """Return the three spans of every round, in milliseconds."""
    spans: dict[str, list[float]] = {"from_request": [], "from_commit": [], "from_reply": []}
    committed = CommitTimes(stage.site.folder / "control.db")
    for number in range(WARM_UP + count):
        turn = revoke(stage, CUSTOMER, FEATURE, stage.sidecars)
        denied_ms = time.time_ns() / 1e6
        if number >= WARM_UP:
            spans["from_request"].append(turn.from_request)
            spans["from_reply"].append(turn.from_reply)
            spans["from_commit"].append(denied_ms - committed.of(turn.version))
        reinstate(stage, CUSTOMER, FEATURE, stage.sidecars)
    committed.close()
    return spans


class CommitTimes:
    """Reads from the control plane's database when a change was committed."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

    def of(self, version: str) -> int:
        """Return the instant in wall-clock milliseconds."""
        epoch, _, seq = version.partition("-")
        query = "SELECT committed_at_ms FROM outbox WHERE feed = 'boards' AND epoch = ? AND seq = ?"
        (stamp,) = self._connection.execute(query, (int(epoch), int(seq))).fetchone()
        return int(stamp)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
