"""Things fail one after the other: Valkey, the control plane, a sidecar."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Final

from demo.acts.answers import standing, verdict
from demo.acts.revoking import awaited, revoke
from demo.narration import Narrator, Step
from demo.pages import page
from demo.processes import wait_until
from demo.sidecar_part import OPEN, Sidecar
from demo.stage import Stage
from demo.vendor import LADDERS
from entitlements.client import Answer

FRESH_S: Final = 2.5
STALE_S: Final = 1.5
"""The story's ladders: fresh for 2.5 s, stale for another 1.5 s, then the last rung."""


class Customers(threading.Thread):
    """Somebody who goes on asking one sidecar while things fail; counts the answers and keeps what was not an allow."""

    def __init__(self, sidecar: Sidecar) -> None:
        super().__init__(name="customers", daemon=True)
        self._sidecar = sidecar
        self._over = threading.Event()
        self.answers = 0
        self.others: list[Answer] = []

    def run(self) -> None:
        """Ask every ten milliseconds."""
        while not self._over.wait(0.01):
            answer = self._sidecar.ask("globex", "gantt")
            self.answers += 1
            if answer.code != "ENTITLED":
                self.others.append(answer)

    def finish(self) -> None:
        """Stop asking."""
        self._over.set()
        self.join()


def valkey_dies(stage: Stage, step: Step, tell: Narrator) -> None:
    """Kill Valkey: the feed goes on over gRPC."""
    both = stage.sidecars
    customers = Customers(both[0])
    customers.start()
    killed = time.monotonic()
    stage.valkey.kill()
    for each in both:
        wait_until(partial(each.breaker_is, OPEN), f"the breaker of {each.name} opens", pause_s=0.05)
    opened = step.measured("breakers_open_ms", (time.monotonic() - killed) * 1000)
    tell.row("kill Valkey", f"the breakers towards it open within {opened:.0f} ms")
    turn = revoke(stage, "acme", "report-exports", both)
    step.measured("revoke_over_grpc_ms", turn.from_request)
    step.claim("a revoke arrives all the same", both[1].ask("acme", "report-exports").code == "REVOKED")
    tell.row(
        "revoke meanwhile",
        f"{verdict(both[0].ask('acme', 'report-exports'))}   {turn.from_request:.0f} ms until both sidecars deny, over gRPC",
    )
    wait_until(lambda: time.monotonic() - killed > FRESH_S + 0.5, "a moment longer than a policy stays fresh")
    awaited(both[1], ("acme", "reports"), lambda found: found.freshness == "FRESH")
    answer = awaited(both[0], ("acme", "reports"), lambda found: found.freshness == "FRESH")
    customers.finish()
    step.claim("the policy stays live and fresh", (answer.served_from, answer.freshness) == ("LIVE", "FRESH"), answer)
    step.claim("nobody noticed", not customers.others, customers.others[:1])
    step.measured("questions_meanwhile", customers.answers)
    tell.row("without Valkey for a while", f"{verdict(answer)}   {standing(answer)}")
    tell.row("  noticed by customers", f"nothing: {customers.answers} questions, all allowed from records")


def control_dies(stage: Stage, step: Step, tell: Narrator) -> None:
    """Kill the control plane as well: the policy ages, and each feature's own ladder says what that means."""
    sidecar = stage.sidecars[0]
    killed = time.monotonic()
    stage.control.kill()
    answer = awaited(sidecar, ("acme", "reports"), lambda found: found.freshness == "STALE")
    stale_after = step.measured("stale_after_s", time.monotonic() - killed)
    step.claim("stale is marked, and the records still answer", answer.code == "ENTITLED", answer)
    tell.row("kill the control plane, too", f"{verdict(answer)}   {standing(answer)} after {stale_after:.1f} s")
    asked = {name: ("globex" if name == "report-exports" else "acme") for name in LADDERS}
    awaited(sidecar, ("acme", "reports"), lambda found: found.freshness == "TOO_STALE")
    answers = {name: sidecar.ask(customer, name) for name, customer in asked.items()}
    wanted = {
        "data-export": (True, "POLICY_TOO_STALE", "FULL"),
        "report-exports": (False, "POLICY_TOO_STALE", "NONE"),
        "automation-editor": (True, "ENTITLED", "READ_ONLY"),
        "reports": (True, "ENTITLED", "FULL"),
    }
    for name, rung in LADDERS.items():
        found = answers[name]
        step.claim(
            f"{name}: {rung}",
            (found.allowed, found.code, found.access_level) == wanted[name] and found.freshness == "TOO_STALE",
            found,
        )
        records = f"   records say {found.underlying_code}" if found.underlying_code else ""
        tell.row(f"  {name}: {rung}", f"{verdict(found)}   access {found.access_level}   {found.freshness}{records}")
    revoked = sidecar.ask("acme", "report-exports")
    step.claim("a deny in the records stays a deny", revoked.code == "REVOKED" or not revoked.allowed, revoked)
    served = page(f"http://127.0.0.1:{stage.site.service}/reports", {"X-Customer": "acme"})
    step.claim("the product service serves on", served.status == 200, served)
    tell.row("the product service meanwhile", f"GET /reports for acme: {served.status}")


def sidecar_restarts(stage: Stage, step: Step, tell: Narrator) -> None:
    """With nothing left to learn from, kill a sidecar and start it again; kill the other one for later."""
    first, second = stage.sidecars
    before = first.ask("acme", "reports")
    second.crash()
    first.crash()
    gone = first.ask("acme", "reports")
    step.claim(
        "without a sidecar the client answers by itself, and says so",
        (gone.allowed, gone.served_from) == (False, "CALLER_FALLBACK"),
        gone,
    )
    tell.row("kill both sidecars", f"{verdict(gone)}   {gone.served_from}")
    started = time.monotonic()
    first.part.launch()
    answer = awaited(first, ("acme", "reports"), lambda found: not found.is_fallback)
    taken = step.measured("restart_to_first_answer_ms", (time.monotonic() - started) * 1000)
    step.claim("it answers from its last known good", answer.served_from == "LAST_KNOWN_GOOD", answer)
    step.claim("with the same version", answer.version == before.version, (before.version, answer.version))
    step.claim(
        "a restart does not make a policy younger",
        (answer.age_ms or 0) >= (before.age_ms or 0),
        (before.age_ms, answer.age_ms),
    )
    tell.row(
        "start one of them again",
        f"{verdict(answer)}   {standing(answer)}   {taken:.0f} ms from process start to answer",
    )
    revoked = first.ask("acme", "report-exports")
    step.claim("what was revoked stays revoked", revoked.code == "REVOKED", revoked)
    tell.row("  what was revoked stays so", verdict(revoked))
