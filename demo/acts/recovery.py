"""Everything comes back: the log is refilled, a sidecar that was away closes its gap, and the product service gates again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from demo.acts.answers import standing, verdict
from demo.acts.revoking import awaited, reinstate
from demo.narration import Narrator, Step
from demo.pages import page
from demo.processes import wait_until
from demo.sidecar_part import CLOSED
from demo.stage import Stage

CHANGES: Final = 3


def everything_back(stage: Stage, step: Step, tell: Narrator) -> None:
    """Start the control plane, change something, start the sidecar that missed it."""
    first, second = stage.sidecars
    before = first.ask("acme", "reports")
    started = time.monotonic()
    stage.control.start()
    answer = awaited(
        first, ("acme", "reports"), lambda found: (found.served_from, found.freshness) == ("LIVE", "FRESH")
    )
    live = step.measured("control_start_to_live_ms", (time.monotonic() - started) * 1000)
    step.claim(
        "the epoch is the same: what the forger wrote was no history",
        answer.version.split("-")[0] == before.version.split("-")[0],
        answer.version,
    )
    tell.row("start the control plane", f"{verdict(answer)}   {standing(answer)}   {live:.0f} ms from its start")
    version = ""
    for number in range(CHANGES):
        body = {"name": "Newcomer Ltd", "attributes": {"region": "eu", "visits": number}}
        version = stage.call("PUT", "/customers/newcomer", body)["versions"]["boards"]
    missed = step.measured("changes_missed", int(version.split("-")[1]) - int(before.version.split("-")[1]))
    step.claim("the other sidecar has missed changes", missed >= CHANGES, missed)
    started = time.monotonic()
    second.part.launch()
    answer = awaited(second, ("acme", "reports"), lambda found: (found.served_from, found.version) == ("LIVE", version))
    healed = step.measured("start_to_gap_closed_ms", (time.monotonic() - started) * 1000)
    step.claim(
        "the gap is closed and the sidecar live",
        (answer.served_from, answer.freshness, answer.version) == ("LIVE", "FRESH", version),
        answer,
    )
    tell.row(
        f"change {CHANGES} things, start the other",
        f"{verdict(answer)}   {standing(answer)}   gap of {missed:.0f} closed {healed:.0f} ms after its start",
    )
    for each in stage.sidecars:
        wait_until(partial(each.breaker_is, CLOSED), f"the breaker of {each.name} towards Valkey closes", pause_s=0.05)
    step.claim("both sidecars agree", len({each.ask("acme", "reports").version for each in stage.sidecars}) == 1)
    turn = reinstate(stage, "acme", "report-exports", stage.sidecars)
    step.measured("reinstate_ms", turn.from_request)
    tell.row(
        "reinstate report exports",
        f"{verdict(first.ask('acme', 'report-exports'))}   {turn.from_request:.0f} ms until both sidecars allow; breakers closed",
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the product service, and what must come back."""

    method: str
    path: str
    customer: str
    status: int
    code: str = ""


VISITS: Final = (
    Visit("GET", "/reports", "acme", 200),
    Visit("POST", "/report-exports", "acme", 202),
    Visit("POST", "/report-exports", "initech", 402, "NOT_IN_PLAN"),
    Visit("GET", "/reports", "dune-logistics", 402, "TRIAL_EXPIRED"),
    Visit("GET", "/reports", "kestrel", 402, "PAYMENT_REQUIRED"),
    Visit("GET", "/reports", "meridian", 403, "COMPLIANCE_BLOCKED"),
    Visit("POST", "/automation-rules", "lumen-trade", 403, "ENTITLED"),
    Visit("GET", "/data-export", "yarrow", 200),
)


def product_service(stage: Stage, step: Step, tell: Narrator) -> None:
    """Visit the product service as different customers."""
    address = f"http://127.0.0.1:{stage.site.service}"
    for visit in VISITS:
        reply = page(address + visit.path, {"X-Customer": visit.customer}, visit.method)
        code = reply.json.get("code", "")
        step.claim(
            f"{visit.method} {visit.path} for {visit.customer}",
            (reply.status, code) == (visit.status, visit.code),
            reply,
        )
        said = f"{code}: {reply.json['message']}" if code else ""
        tell.row(f"{visit.method} {visit.path}", f"{visit.customer:<15} {reply.status}  {said}")
    for _ in range(3):
        page(f"{address}/boards", {"X-Customer": "sable-design"}, "POST")
    reply = page(f"{address}/boards", {"X-Customer": "sable-design"}, "POST")
    step.claim(
        "the fourth board of a free account is one too many", reply.json.get("code") == "VALUE_NOT_ALLOWED", reply
    )
    tell.row(
        "POST /boards, the fourth",
        f"{'sable-design':<15} {reply.status}  {reply.json['code']}: {reply.json['message']}",
    )
