"""How long a change takes to every sidecar: from the commit of a revoke over REST until 1, 10 and 50 sidecars deny.

    python3 dev.py bench propagation [--rounds N] [--fast]

Real processes: Valkey, the control plane on SQLite with synchronous=FULL, and whole sidecars, each with its main and its serving process, all on this
one machine. Sidecars are asked in turn over their sockets until each denies; `until=each` counts every sidecar by itself, `until=last` the slowest
of a revoke. Asking is part of the figure: a question costs about 0.2 ms, so a turn around fifty takes ten. Sizes ascend within one run, because sidecars
that follow the feed cost processor time whether they are asked or not; the rounds of one size follow one another.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import grpc

from benchmarks.generators.latencies import Latencies
from benchmarks.revoke import CommitTimes
from benchmarks.row import Row
from benchmarks.scenarios.processors import Meter, resident_mib, spin_ms
from demo.acts.revoking import override_path
from demo.processes import wait_until
from demo.sidecar_part import Sidecar
from demo.site import Site
from demo.stage import Stage, both
from demo.vendor import read_document, write_files
from entitlements.v1 import check_service_pb2

NAME: Final = "propagation"
TITLE: Final = "From the commit of a revoke until 1, 10 and 50 sidecars deny"
SIZES: Final = (1, 10, 50)
CUSTOMER: Final = "acme"
FEATURE: Final = "report-exports"
PRODUCT: Final = "boards"
METHOD: Final = "/entitlements.v1.CheckService/Check"
WARM_UP: Final = 3
TOGETHER: Final = 10
"""Sidecars that start at the same time."""

LIMIT_S: Final = 15.0
START_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A sidecar and the quickest way to ask it one fixed question."""

    sidecar: Sidecar
    channel: Any
    ask: Any

    @classmethod
    def of(cls, sidecar: Sidecar) -> Watched:
        """Return it with a channel of its own."""
        channel: Any = grpc.insecure_channel(f"unix:{sidecar.socket}")
        return cls(sidecar, channel, channel.unary_unary(METHOD))

    def allows(self) -> bool:
        """Return the verdict of this moment."""
        answer = check_service_pb2.CheckResponse.FromString(self.ask(QUESTION, timeout=LIMIT_S))
        return bool(answer.allowed)

    @property
    def pids(self) -> tuple[int, int]:
        """Return its two processes."""
        return self.sidecar.part.pid, int(self.sidecar.admin("/statusz").json["serving"]["pid"])


QUESTION: Final = check_service_pb2.CheckRequest(
    customer_id=CUSTOMER, feature=FEATURE, product=PRODUCT
).SerializeToString()


def run(
    subjects: Sequence[object], generators: Sequence[object], rounds: int, seconds: float, sizes: Sequence[int] = SIZES
) -> list[Row]:
    """Measure each number of sidecars for so many seconds a round. Subjects and generators, which stand for one server, have no part in it."""
    _ = subjects, generators
    rows: list[Row] = []
    stage = Stage(Site.make(None))
    watched: list[Watched] = []
    try:
        set_up(stage)
        committed = CommitTimes(stage.site.folder / "control.db")
        with contextlib.closing(committed):
            for size in sorted(sizes):
                add(stage, watched, size)
                for number in range(1, rounds + 1):
                    rows += measured(stage, watched, committed, number, seconds)
    finally:
        take_down(stage, watched)
    return rows


def set_up(stage: Stage) -> None:
    """Start Valkey and the control plane, and bring the example vendor in."""
    both(stage.valkey.start, stage.make_keys)
    both(stage.control.start, stage.make_admin)
    document = read_document(write_files(stage.site.folder / "catalogue"))
    stage.call("POST", "/apply", {"document": document})


def add(stage: Stage, watched: list[Watched], size: int) -> None:
    """Start sidecars, a few at a time, until there are so many and each follows the feed."""
    while len(watched) < size:
        fresh = []
        for number in range(len(watched), min(size, len(watched) + TOGETHER)):
            key = stage.call("POST", "/keys", {"name": f"sidecar {number}", "scopes": ["sidecar"]})
            socket = stage.site.sockets / f"{number}.sock"
            token = str(key["key"])
            fresh.append(Sidecar(f"s{number}", stage.site, socket, root_keys=stage.root_keys, token=token))
        stage.sidecars += fresh
        for sidecar in fresh:
            sidecar.part.launch()
        for sidecar in fresh:
            sidecar.part.wait_ready(START_S)
            wait_until(sidecar.is_live, f"the first heartbeat at sidecar {sidecar.name}", START_S)
        watched += [Watched.of(sidecar) for sidecar in fresh]
        print(f"  {len(watched)} sidecars run", flush=True)


def measured(
    stage: Stage, watched: Sequence[Watched], committed: CommitTimes, number: int, seconds: float
) -> Iterator[Row]:
    """Return two rows of a round: each sidecar by itself, and the last of each revoke."""
    spin, pids = spin_ms(), [pid for each in watched for pid in each.pids]
    each: list[int] = []
    last: list[int] = []
    for _ in range(WARM_UP):
        turn(stage, watched, committed)
    meter, began = Meter(pids), time.monotonic()
    while time.monotonic() - began < seconds or not last:
        delays = turn(stage, watched, committed)
        each += delays
        last.append(max(delays))
    took = time.monotonic() - began
    used, others = meter.read()
    memory = resident_mib(pids)
    for until, delays in (("each", each), ("last", last)):
        latencies = Latencies.of(delays)
        yield Row(
            scenario=NAME,
            subject="sidecar",
            generator="python",
            endpoint="unix",
            parameters={"sidecars": len(watched), "until": until},
            round=number,
            spin_ms=round(spin, 3),
            other_load=round(others, 3),
            seconds=round(took, 3),
            calls=len(delays),
            decisions=len(delays),
            latency_us=latencies.summary_us(),
            histogram=latencies.encoded(),
            server_cpu_us=round(used * 1e6 / len(each), 1),
            rss_mib=round(memory, 1),
            note=f"memory of all {len(pids)} processes of the sidecars, shared pages counted once; {len(last)} revokes",
        )


def turn(stage: Stage, watched: Sequence[Watched], committed: CommitTimes) -> list[int]:
    """Revoke, watch, take it back; return the nanoseconds from the commit until each sidecar was seen to deny."""
    body = {"product": PRODUCT, "feature": FEATURE, "effect": "deny", "reason": "measured"}
    version = changed(stage, "PUT", override_path(CUSTOMER), body)
    seen = followed(watched, allowed=False)
    since = committed.of(version) * 1_000_000
    changed(stage, "POST", f"{override_path(CUSTOMER)}/end", {})
    followed(watched, allowed=True)
    return [max(1, moment - since) for moment in seen]


def changed(stage: Stage, method: str, path: str, body: Mapping[str, object]) -> str:
    """Send one change and return the version of the feed that holds it."""
    reply = stage.call(method, path, body)
    return str(reply["versions"][PRODUCT])


def followed(watched: Sequence[Watched], *, allowed: bool) -> list[int]:
    """Ask all in turn until each gives the verdict; return the wall-clock nanoseconds at which each did. TimeoutError when one does not."""
    waiting, seen = list(watched), []
    deadline = time.monotonic() + LIMIT_S
    while waiting:
        still = []
        for each in waiting:
            if each.allows() is allowed:
                seen.append(time.time_ns())
            else:
                still.append(each)
        waiting = still
        if waiting and time.monotonic() > deadline:
            names = ", ".join(each.sidecar.name for each in waiting)
            raise TimeoutError(f"{names} did not follow within {LIMIT_S:g} s")
    return seen


def take_down(stage: Stage, watched: Sequence[Watched]) -> None:
    """End everything; sidecars together, because each takes its time to drain."""
    for each in watched:
        each.channel.close()
    if stage.sidecars:
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda sidecar: sidecar.part.stop(), stage.sidecars))
    stage.close()
