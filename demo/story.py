"""`entitlements demo`: the whole story on real processes, told with the numbers of this very run.

Exit code 0 when everything was as told, 1 when a claim did not hold or a process failed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from demo.acts.answers import allow, revoking, trial
from demo.acts.attack import eavesdrop, forged_policy
from demo.acts.outages import FRESH_S, STALE_S, control_dies, sidecar_restarts, valkey_dies
from demo.acts.recovery import everything_back, product_service
from demo.narration import Narrator, NotAsToldError, Step
from demo.processes import NotRunningError, wait_until
from demo.site import Site
from demo.stage import RefusedError, Stage, both
from demo.vendor import read_document, tally, with_short_ladders, write_files

Act = Callable[[Stage, Step, Narrator], None]
FAILURES: Final = (NotAsToldError, NotRunningError, RefusedError, TimeoutError, ConnectionError, OSError)


def main(argv: list[str]) -> int:
    """Tell the story; return the exit code."""
    asked = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    tell = Narrator(quiet=asked.json)
    stage = Stage(Site.make(asked.data))
    error = ""
    try:
        try:
            set_up(stage, tell)
            perform(stage, tell, acts_of(eavesdrop(stage)))
        except FAILURES as failure:
            error = str(failure)
            tell.line(f"\n  NOT AS TOLD: {error}")
        ending(stage, tell, error)
        if asked.json:
            tell.print_json(error)
        if asked.keep and not error:
            keep(stage)
    except KeyboardInterrupt:
        print("\n  interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        stage.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return 1 if error else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entitlements demo", description="Tell the whole story on real processes.")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--once", action="store_true", help="end when the story is told (this is the default)")
    end.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the narration")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep databases, keys, stores and logs here")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def set_up(stage: Stage, tell: Narrator) -> None:
    """Start everything as an operator would, and bring the example vendor in."""
    clock = time.monotonic()

    def lap() -> float:
        nonlocal clock
        before, clock = clock, time.monotonic()
        return clock - before

    both(stage.valkey.start, stage.make_keys)
    tell.fact("valkey", "on a private unix socket; keys that sign the feed", lap())
    both(stage.control.start, stage.make_admin)
    tell.fact("control", "SQLite; REST and the feed over gRPC on free ports; an API key for us", lap())
    stage.add_sidecars()
    for part in (*(sidecar.part for sidecar in stage.sidecars), stage.service):
        part.launch()
    document = with_short_ladders(read_document(write_files(stage.site.folder / "catalogue")), FRESH_S, STALE_S)
    stage.call("POST", "/apply", {"document": document})
    found = tally(document)
    counts = f"{found.products} products, {found.plans} plans, {found.features} features, {found.customers} customers"
    tell.fact("vendor", f"Fernhill: {counts}", lap())
    for sidecar in stage.sidecars:
        sidecar.part.wait_ready()
        wait_until(sidecar.is_live, f"the first heartbeat at sidecar {sidecar.name}")
    stage.service.wait_ready()
    tell.fact("sidecars", "two, live; and a product service that asks the first", lap())
    tell.line("  DEMO ONLY: no TLS, keys in files, ladders of four features shortened from hours to seconds.")


def acts_of(genuine: bytes) -> tuple[tuple[str, Act], ...]:
    """Return the acts in order; `genuine` is a message that the forger has overheard."""
    return (
        ("ask, and ask why", allow),
        ("revoke, and time it", revoking),
        ("a trial ends by the clock", trial),
        ("Valkey is killed", valkey_dies),
        ("the control plane is killed as well", control_dies),
        ("sidecars are killed while there is nothing to learn from", sidecar_restarts),
        ("forged policy on the bus", lambda stage, step, tell: forged_policy(stage, step, tell, genuine)),
        ("everything comes back", everything_back),
        ("the product service, gated", product_service),
    )


def perform(stage: Stage, tell: Narrator, acts: Iterable[tuple[str, Act]]) -> None:
    """Play acts in order; the first that is not as told ends the story."""
    for title, act in acts:
        step = tell.begin(title)
        started = time.monotonic()
        try:
            act(stage, step, tell)
        except FAILURES as failure:
            step.error = str(failure)
            raise
        finally:
            step.seconds = time.monotonic() - started


def ending(stage: Stage, tell: Narrator, error: str) -> None:
    """Say how it ended, and where to look."""
    claims = sum(len(step.claims) for step in tell.steps)
    tell.line()
    if error:
        tell.line(
            f"  The logs are in {stage.site.logs}." if not stage.site.temporary else "  Keep the logs with --data DIR."
        )
        return
    tell.line(f"  {len(tell.steps)} steps, {claims} claims, all as told, in {tell.seconds:.1f} s.")
    tell.line("  Now run it yourself: python3 dev.py up")


def keep(stage: Stage) -> None:
    """Leave everything running until interrupted."""
    print(
        f"\n  Still running: REST {stage.site.rest}, sidecars {', '.join(str(each.socket) for each in stage.sidecars)}."
    )
    print("  Ctrl-C ends it.", flush=True)
    signal.pause()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
