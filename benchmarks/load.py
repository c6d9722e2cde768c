"""Loads one sidecar, yours or one made for it, and says what its callers saw: `python3 dev.py bench load`.

    python3 dev.py bench load --target unix:/run/entitlements.sock --questions mine.jsonl --rate 1000 --rate 5000 --seconds 30
    python3 dev.py bench load --in-flight 64          a closed loop: as fast as it goes with 64 calls in flight
    python3 dev.py bench load                         a serving process of its own with 1,000 customers

With --rate the load is open: each question is due at an instant of its own, whatever became of the earlier ones, and latency counts from that
instant, so that a stall is seen by everything that was due meanwhile. Every answer is checked against what the questions file says of it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.generators.asyncio_client import AsyncioClient
from benchmarks.generators.c_client import CClient
from benchmarks.generators.callers import PythonCaller
from benchmarks.generators.generator import Generator, GeneratorFailed, Load, Outcome
from benchmarks.generators.question import Question
from benchmarks.own_questions import BadLine, read_own_questions
from benchmarks.questions import Ask
from benchmarks.result import Result, commit, library_versions, machine
from benchmarks.row import Row
from benchmarks.scenarios.measurement import standing
from benchmarks.scenarios.processors import asker_cpu, spin_ms
from benchmarks.subjects.sidecar import Sidecar
from benchmarks.subjects.subject import Endpoint, SubjectFailed

UNHEARD: Final = ("RESET", "CONNECTION", "UNANSWERED", "NO_STATUS")
"""Failures in which the sidecar said nothing that could be wrong."""

DEFAULT_RATE: Final = 1_000.0
COLUMNS: Final = ("p50", "p90", "p99", "p999", "max")
HEAD: Final = f"  {'load':>12} {'answered/s':>11} " + " ".join(
    f"{name:>8}" for name in ("p50", "p90", "p99", "p99.9", "max")
)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    description, _, rest = (__doc__ or "").partition("\n")
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench load", description=description, epilog=rest, formatter_class=layout)
    where = parser.add_argument_group("whom to ask")
    where.add_argument("--target", help="unix:PATH or HOST:PORT of a running sidecar; one is started without it")
    where.add_argument("--tls", action="store_true", help="speak TLS to HOST:PORT")
    where.add_argument("--ca", type=Path, help="PEM file of the authorities to trust; the system's without it")
    where.add_argument("--certificate", type=Path, help="PEM file of our own certificate, for mutual TLS")
    where.add_argument("--key", type=Path, help="PEM file of its key")
    where.add_argument(
        "--questions", type=Path, help="JSON lines of customer, feature and, if known, product, expected, code"
    )
    how = parser.add_argument_group("how hard")
    how.add_argument("--rate", type=float, action="append", help=f"calls a second, repeatable ({DEFAULT_RATE:g})")
    how.add_argument("--in-flight", type=int, help="a closed loop with this many calls in flight instead")
    how.add_argument("--connections", type=int, default=4, help="connections (%(default)s)")
    how.add_argument("--seconds", type=float, default=10.0, help="measured length of each load (%(default)s)")
    how.add_argument("--warm-up", type=float, default=1.0, help="seconds before it that do not count (%(default)s)")
    how.add_argument("--poisson", action="store_true", help="random instants, as those of independent callers")
    how.add_argument(
        "--deadline", type=int, default=0, metavar="MS", help="deadline that each call carries; none without"
    )
    how.add_argument("--generator", choices=("c", "python"), default="c", help="who asks (%(default)s)")
    parser.add_argument("--json", type=Path, help="where to write the result; benchmarks/results without it")
    asked = parser.parse_args(argv)
    if asked.target and not asked.questions:
        parser.error(
            '--target needs --questions: a file with lines such as {"customer": "acme", "feature": "exports", "expected": "allow"}'
        )
    if asked.in_flight is not None and asked.rate:
        parser.error("--rate and --in-flight exclude each other: one loop is open, the other closed")
    if asked.in_flight is not None and (asked.in_flight < 1 or asked.in_flight % asked.connections):
        parser.error(
            f"--in-flight must be a multiple of the {asked.connections} connections, each of which carries as many calls"
        )
    if (asked.certificate is None) != (asked.key is None):
        parser.error("--certificate and --key go together")
    if min(asked.connections, asked.seconds, *(asked.rate or [1])) <= 0:
        parser.error("--connections, --seconds and --rate must be greater than 0")
    if asked.tls and (not asked.target or asked.target.startswith("unix:")):
        parser.error("--tls needs a --target HOST:PORT; a sidecar's unix socket speaks no TLS")
    if asked.generator == "python" and asked.in_flight is None:
        asked.connections = 1  # the asyncio client has one
    return asked


def endpoint_of(asked: argparse.Namespace) -> Endpoint:
    """Return the place that --target names."""
    if asked.target.startswith("unix:"):
        return Endpoint("unix", str(Path(asked.target.removeprefix("unix:")).absolute()))
    return Endpoint("tls" if asked.tls else "tcp", asked.target, ca=asked.ca)


def loads(asked: argparse.Namespace) -> list[Load]:
    """Return what to put on the sidecar, one after the other."""
    timing = {"seconds": asked.seconds, "warm_up_s": asked.warm_up, "deadline_ms": asked.deadline}
    if asked.in_flight is not None:
        return [Load(connections=asked.connections, streams=asked.in_flight // asked.connections, **timing)]
    rates = asked.rate or [DEFAULT_RATE]
    return [Load(connections=asked.connections, rate=rate, poisson=asked.poisson, **timing) for rate in rates]


def generator_of(asked: argparse.Namespace) -> Generator:
    """Return who asks; SystemExit with the remedy when it cannot."""
    identity = None if asked.certificate is None else (asked.certificate, asked.key)
    python: Generator = PythonCaller() if asked.in_flight is not None else AsyncioClient()
    chosen = CClient(None if asked.target else asker_cpu(), identity) if asked.generator == "c" else python
    reason = chosen.missing()
    if reason is not None:
        raise SystemExit(f"the generator {chosen.name!r} cannot run: {reason}; or ask with --generator python")
    return chosen


@contextlib.contextmanager
def sidecar(asked: argparse.Namespace) -> Iterator[tuple[str, Endpoint]]:
    """Yield the sidecar's name and place: the one that is named, or one of our own for the length of the block."""
    if asked.target:
        yield asked.target, endpoint_of(asked)
        return
    own = Sidecar("inline")
    with standing(own):
        yield "a serving process of its own, 1,000 customers", own.endpoints()["unix"]


def line_of(load: Load, outcome: Outcome) -> str:
    """Return one line of the table, latencies in milliseconds."""
    asked = f"{load.rate:,.0f}/s" if load.rate is not None else f"{load.connections}x{load.streams}"
    found = outcome.latencies.summary_us()
    times = " ".join(f"{found[name] / 1000:8.3f}" if found else f"{'-':>8}" for name in COLUMNS)
    return f"  {asked:>12} {outcome.calls / outcome.seconds:11,.1f} {times}"


def remarks(load: Load, outcome: Outcome) -> list[str]:
    """Return what else a reader must know of a load."""
    made = []
    if outcome.from_sent is not None and outcome.from_sent.cells:
        sent = outcome.from_sent.summary_us()
        made.append(
            "from sending " + ", ".join(f"{name} {sent[name] / 1000:.3f}" for name in ("p50", "p99", "max")) + " ms"
        )
    late = outcome.held_up(load)
    made += [late] if late else []
    if outcome.errors:
        made.append("failed: " + ", ".join(f"{count:,} {name}" for name, count in sorted(outcome.errors.items())))
    # An unexpected status is counted as wrong too; here it stands under `failed` already.
    wrong = outcome.wrong - sum(count for name, count in outcome.errors.items() if name not in UNHEARD)
    if wrong:
        made.append(f"{wrong:,} WRONG answers" + (f"; {outcome.first_wrong}" if outcome.first_wrong else ""))
    return made


def row_of(load: Load, outcome: Outcome, asker: str, endpoint: Endpoint, spin: float) -> Row:
    """Return the measurement as every other benchmark keeps it."""
    how = {"streams": load.streams} if load.rate is None else {"rate": load.rate}
    return Row(
        scenario="load", subject="target", generator=asker, endpoint=endpoint.kind, round=1, spin_ms=round(spin, 3),
        seconds=outcome.seconds, calls=outcome.calls, decisions=outcome.decisions, wrong=outcome.wrong,
        parameters={"connections": load.connections, **how}, errors=dict(outcome.errors),
        latency_us=outcome.latencies.summary_us(), histogram=outcome.latencies.encoded(),
        note="; ".join(remarks(load, outcome)),
    )  # fmt: skip


def run(asked: argparse.Namespace, questions: Sequence[Question], asker: Generator) -> list[Row]:
    """Put the loads on the sidecar one after the other; print a line for each and return the rows."""
    rows = []
    with sidecar(asked) as (name, endpoint):
        known = sum(bool(question.expectations) for question in questions)
        print(f"  target       {name}\n  questions    {len(questions):,}, what is right is known of {known:,}")
        from_where = "the instant a call was due" if asked.in_flight is None else "sending"
        print(f"  latency      milliseconds from {from_where}; {asked.connections} connections\n\n{HEAD}", flush=True)
        for load in loads(asked):
            if not asker.can(endpoint, load):
                raise SystemExit(
                    f"the generator {asker.name!r} cannot put this load on {endpoint.kind}; --generator c can"
                )
            spin = spin_ms()
            outcome = asker.run(endpoint, questions, load)
            print(line_of(load, outcome))
            for remark in remarks(load, outcome):
                print(f"  {'':>12} {remark}", flush=True)
            rows.append(row_of(load, outcome, asker.name, endpoint, spin))
    return rows


def main(argv: list[str]) -> int:
    """Run; return 1 when an answer was wrong or a call failed, 2 when nothing could be asked."""
    asked = arguments(argv)
    on, date = machine(), datetime.now(UTC).isoformat(timespec="seconds")
    try:
        questions = read_own_questions(asked.questions) if asked.questions else Sidecar("inline").questions(Ask()) or ()
        rows = run(asked, questions, generator_of(asked))
    except (BadLine, GeneratorFailed, SubjectFailed) as error:
        print(f"bench load: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nbench load: stopped; nothing is written", file=sys.stderr)
        return 130
    result = Result(benchmark="load", date=date, commit=commit(), machine=on, rows=rows, versions=library_versions())
    path = (
        result.write()
        if asked.json is None
        else result.write(asked.json.absolute().parent).replace(asked.json.absolute())
    )
    print(f"\n  written      {path}")
    return 1 if any(row.wrong or row.errors for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
