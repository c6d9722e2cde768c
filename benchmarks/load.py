"""Loads one sidecar at stated rates and reports what a Python service sees.

    python3 dev.py bench load [--rate 200 --rate 500 --rate 1000] [--seconds 10]

The load is open: each question is due at an instant of its own, whatever became of the earlier ones, and its latency counts from that
instant. A sidecar (or this client) that stalls is therefore seen by every question that was due meanwhile. The first second of each rate is
left out. Questions come from one process through `AsyncEntitlementClient` over a unix socket and go round all customers and a few features,
so the decision cache works as it would. Client and sidecar share the machine; the client's own cost is part of every figure. asyncio wakes
up to a millisecond late, which `from_due_ms` holds and `from_sent_ms` does not.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from typing import Any, Final

from benchmarks.result import machine, summary, write
from demo.narration import Narrator
from demo.site import Site
from demo.stage import Stage
from demo.story import set_up
from demo.vendor import PRODUCTS, read_document, write_files
from entitlements.client import AsyncEntitlementClient

FEATURES: Final = ("reports", "gantt", "storage-gb", "tasks", "report-exports", "view-kinds")
RATES: Final = (200, 500, 1000)
WARM_UP_S: Final = 1.0
DEADLINE_S: Final = 2.0


def main(argv: list[str]) -> int:
    """Run; return 1 when a question went without an answer from the records."""
    parser = argparse.ArgumentParser(prog="bench load", description="Open-loop load on one sidecar.")
    parser.add_argument("--rate", type=int, action="append", help=f"questions a second, repeatable ({RATES})")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each rate (%(default)s)")
    asked = parser.parse_args(argv)
    on = machine()
    stage = Stage(Site.make(None))
    try:
        set_up(stage, Narrator(quiet=False))
        customers = [each["id"] for each in read_document(write_files(stage.site.folder / "catalogue"))["customers"]]
        target = f"unix:{stage.sidecars[0].socket}"
        rates = {str(rate): asyncio.run(load(target, customers, rate, asked.seconds)) for rate in asked.rate or RATES}
    finally:
        stage.close()
    for rate, found in rates.items():
        print(f"  {rate}/s, sent {found['sent_per_s']:g}/s, {found['fallbacks']} fallbacks")
        for span in ("from_due_ms", "from_sent_ms"):
            print(f"    {span:<13} " + "  ".join(f"{key} {value:g}" for key, value in found[span].items()))
    print(f"  written  {write('load', (__doc__ or '').strip(), rates, on)}")
    return 1 if any(found["fallbacks"] for found in rates.values()) else 0


async def load(target: str, customers: list[str], rate: int, seconds: float) -> dict[str, Any]:
    """Ask at a rate for some seconds; return latencies in milliseconds, the rate that was reached, codes and fallbacks."""
    questions = itertools.cycle(itertools.product(FEATURES, customers))
    from_due: list[float] = []
    from_sent: list[float] = []
    codes: Counter[str] = Counter()
    fallbacks = 0
    async with AsyncEntitlementClient(target, product=PRODUCTS[0], timeout_s=DEADLINE_S) as client:
        started = time.perf_counter()

        async def ask(due: float, feature: str, customer: str) -> None:
            nonlocal fallbacks
            sent = time.perf_counter()
            answer = await client.check(customer, feature)
            if due - started >= WARM_UP_S:
                answered = time.perf_counter()
                from_due.append((answered - due) * 1000)
                from_sent.append((answered - sent) * 1000)
                codes[answer.code] += 1
                fallbacks += answer.is_fallback

        asking: set[asyncio.Task[None]] = set()
        for number in range(int(rate * (seconds + WARM_UP_S))):
            due = started + number / rate
            delay = due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            feature, customer = next(questions)
            task = asyncio.create_task(ask(due, feature, customer))
            asking.add(task)
            task.add_done_callback(asking.discard)
        sent_in = time.perf_counter() - started
        await asyncio.gather(*asking)
    sent = round(rate * (seconds + WARM_UP_S) / sent_in, 1)
    spans = {"from_due_ms": summary(from_due), "from_sent_ms": summary(from_sent)}
    return {**spans, "sent_per_s": sent, "codes": dict(codes), "fallbacks": fallbacks}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
