"""`python3 dev.py bench`: the standard suite; `full`, `peers`, one scenario or benchmark by NAME, `report`, `compare`, `guard`.

The suite writes benchmarks/results/DATE-COMMIT.json and a page beside it. Everything is measured on this machine in this run, peers included.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.plan import FULL, PLANS, Step, step_named

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "report": (
        "benchmarks.report.command",
        "write the page of a result; --publish: also the documents' tables and picture",
    ),
    "compare": ("benchmarks.compare", "two results side by side, with a band of noise"),
    "guard": ("benchmarks.guard", "instructions per call against the checked-in budget; needs valgrind"),
}

BENCHMARKS: Final[Mapping[str, str]] = {
    "revoke": "from a revoke over REST until both sidecars deny, over real processes",
    "load": "load on one sidecar, yours or one of its own: latency at a stated rate, every answer checked (--help)",
    "micro": "decision cache, decoding and encoding, bytes to bytes",
    "micro_decide": "one decision on decoded records",
    "store": "size and speed of the policy store with 100,000 customers",
    "churn": "what churn does to the latency of checks, kind by kind",
    "scale": "several serving processes on one port",
    "local_mode": "decisions inside a Python application, case by case",
    "working_set": "a sidecar that holds some of the customers: misses, hits, filling",
    "soak": "tens of millions of calls, and the memory afterwards",
    "restart": "restart to first answer from a last known good of 100,000 customers",
}
"""Single benchmarks with a result of their own; those that measure rows are scenarios of the suite."""


def available(names: Mapping[str, str]) -> dict[str, str]:
    """Return the benchmarks that are in this checkout, with what each measures."""
    return {name: text for name, text in names.items() if importlib.util.find_spec(f"benchmarks.{name}")}


def usage() -> None:
    """Print what can be run."""
    print("usage: python3 dev.py bench [full | peers | SCENARIO | NAME | COMMAND] [arguments]\n")
    print("  without a name: the standard suite, about five minutes; `full`: everything, most of an hour")
    print("  peers: everybody else beside our sidecar, about ten minutes (docs/peers.md)")
    print(
        "  the suite's options: --rounds N, --only SCENARIO (repeatable), --fast (a tenth of the time, to see that it works)\n"
    )
    print("  or one of these scenarios alone, as long as in `full`:")
    print(f"    {', '.join(dict.fromkeys(step.scenario for step in FULL))}\n")
    for name, text in {**available(BENCHMARKS), **{name: text for name, (_, text) in COMMANDS.items()}}.items():
        print(f"  {name:<14} {text}")


def main(argv: Sequence[str]) -> int:
    """Run what is named with the rest of the line; return its exit code."""
    name = argv[0] if argv and not argv[0].startswith("-") else ""
    if argv[:1] in (["-h"], ["--help"]):
        usage()
        return 0
    if name in COMMANDS:
        return run_module(COMMANDS[name][0], argv[1:])
    if name in available(BENCHMARKS):
        return run_module(f"benchmarks.{name}", argv[1:])
    if name in PLANS:
        return run_suite(name, PLANS[name], argv[1:])
    step = step_named(name)
    if step is not None:
        return run_suite(name, (step,), argv[1:])
    if name:
        usage()
        return 2
    return run_suite("standard", PLANS["standard"], argv)


def run_module(module: str, arguments: Sequence[str]) -> int:
    """Run a benchmark or a command."""
    code: int = importlib.import_module(module).main(list(arguments))
    return code


def run_suite(name: str, steps: Sequence[Step], arguments: Sequence[str]) -> int:
    """Measure, write the result and its page, print the targets; return 1 when a scenario failed or an answer was wrong."""
    parser = argparse.ArgumentParser(prog=f"bench {name}", description="Measure and write a result with its page.")
    parser.add_argument("--rounds", type=int, help="repetitions (default: as planned, three)")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="only these scenarios, repeatable")
    parser.add_argument(
        "--fast", action="store_true", help="a tenth of the time: shows that it works, measures nothing"
    )
    asked = parser.parse_args(arguments)
    unknown = set(asked.only or ()) - {step.scenario for step in steps}
    if unknown:
        parser.error(f"no such scenario here: {', '.join(sorted(unknown))}")
    chosen = [step.hurried() if asked.fast else step for step in steps if not asked.only or step.scenario in asked.only]
    from benchmarks.report.command import write_page  # noqa: PLC0415  a listing needs none of it
    from benchmarks.report.terminal import summary  # noqa: PLC0415
    from benchmarks.spread import wrong_verdicts  # noqa: PLC0415
    from benchmarks.suite import run_plan  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs must be ended whichever way this is
    try:
        result, path, failed = run_plan(name, chosen, asked.rounds)
    except KeyboardInterrupt:
        print(
            "\ninterrupted; what was measured until the last whole scenario is in benchmarks/results", file=sys.stderr
        )
        return 130
    print(summary(result))
    print(f"written {path}\nwritten {write_page(result, path)}")
    wrong = sum(wrong_verdicts(row) for row in result.rows)
    if failed or wrong:
        print(f"{wrong} wrong verdicts; failed: {', '.join(failed) or 'none'}", file=sys.stderr)
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
