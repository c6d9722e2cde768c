"""While everything runs: an answer with its reasons, a revoke, a trial that ends by the clock."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from typing import Final

from demo.acts.revoking import awaited, reinstate, revoke
from demo.narration import Narrator, Step
from demo.stage import Stage
from demo.vendor import instant, soon
from entitlements.client import Answer, ExplainLevel

QUESTIONS: Final = 200
REVOKES: Final = 30
TRIAL_S: Final = 1.5


def verdict(answer: Answer) -> str:
    """Return the verdict, the code and who granted."""
    source = f" by {answer.source}" if answer.source else ""
    return f"{'ALLOW' if answer.allowed else 'DENY '}  {answer.code}{source}"


def standing(answer: Answer) -> str:
    """Return from where the answer comes and how fresh it is."""
    age = "" if answer.age_ms is None else f", policy {answer.age_ms / 1000:.1f} s old"
    return f"{answer.served_from} {answer.freshness}{age}"


def allow(stage: Stage, step: Step, tell: Narrator) -> None:
    """Ask, and ask why."""
    sidecar = stage.sidecars[0]
    answer = sidecar.ask("acme", "report-exports", explain=ExplainLevel.FULL)
    step.claim("acme may use report-exports by its plan", answer.code == "ENTITLED" and answer.source == "PLAN", answer)
    step.claim("the answer is live and fresh", (answer.served_from, answer.freshness) == ("LIVE", "FRESH"), answer)
    taken = []
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        sidecar.ask("acme", "report-exports")
        taken.append((time.perf_counter() - started) * 1000)
    median = step.measured("check_p50_ms", statistics.median(taken))
    tell.row(
        "may acme export reports?", f"{verdict(answer)}   {standing(answer)}   {median:.2f} ms (p50 of {QUESTIONS})"
    )
    assert answer.message is not None  # noqa: S101  an answer with a policy version has a message
    counted = [each for each in answer.message.explain.considered if each.counted]
    step.claim("the explanation names the plan", [each.id for each in counted] == ["boards-business@3"], counted)
    tell.row("  why?", f"{counted[0].id} of {counted[0].subscription_id}: {counted[0].note}")
    storage = sidecar.ask("acme", "storage-gb")
    step.claim("the add-ons are added to the plan", storage.value == 450, storage.value)
    tell.row("how much storage has acme?", f"{verdict(storage)}   value {storage.value} (plan 250, add-on 2 x 100)")
    refused = sidecar.ask("initech", "report-exports", explain=ExplainLevel.SUMMARY)
    step.claim("initech's plan lacks report-exports", refused.code == "NOT_IN_PLAN", refused)
    step.claim("the remedy names plans", "boards-business" in refused.remedy_plans, refused.remedy_plans)
    tell.row(
        "may initech export reports?",
        f"{verdict(refused)}   remedy {refused.remedy}: {', '.join(refused.remedy_plans)}",
    )


def revoking(stage: Stage, step: Step, tell: Narrator) -> None:
    """Take a feature away and time both sidecars; then again and again."""
    both = stage.sidecars
    series = []
    for _ in range(REVOKES):
        series.append(revoke(stage, "acme", "report-exports", both))
        if len(series) == 1:
            answer = both[0].ask("acme", "report-exports")
            step.claim("revoked is what both say", answer.code == "REVOKED", answer)
            first = step.measured("first_revoke_ms", series[0].from_request)
            tell.row("revoke it", f"{verdict(answer)}   {first:.0f} ms from the request until both sidecars deny")
        reinstate(stage, "acme", "report-exports", both)
    upper = [turn.from_request for turn in series]
    lower = [turn.from_reply for turn in series]
    p50 = step.measured("revoke_from_request_p50_ms", statistics.median(upper))
    worst = step.measured("revoke_from_request_max_ms", max(upper))
    after = step.measured("revoke_from_reply_p50_ms", statistics.median(lower))
    step.claim("every revoke reached both sidecars", len(series) == REVOKES, len(series))
    tell.row(
        f"and {REVOKES} times more",
        f"p50 {p50:.0f} ms, max {worst:.0f} ms from the request; p50 {after:.1f} ms from the reply",
    )


def trial(stage: Stage, step: Step, tell: Narrator) -> None:
    """Start a trial that is about to end, and send nothing more."""
    ends = soon(TRIAL_S)
    spans = [
        {"state": "TRIALING", "from": instant(soon(-3600)), "until": instant(ends)},
        {"state": "EXPIRED", "from": instant(ends)},
    ]
    subscription = {"product": "boards", "items": [{"ref": "boards-business@3"}], "timeline": spans}
    stage.call("PUT", "/customers/newcomer", {"name": "Newcomer Ltd", "attributes": {"region": "eu"}})
    stage.call("PUT", "/customers/newcomer/subscriptions/newcomer-trial", subscription)
    sidecar = stage.sidecars[0]
    before = awaited(sidecar, ("newcomer", "gantt"), lambda answer: answer.allowed)
    step.claim("the trial grants", before.code == "ENTITLED_TRIAL", before)
    step.claim("the answer says until when it holds", before.valid_until == ends, (before.valid_until, ends))
    tell.row("a trial that ends in a moment", f"{verdict(before)}   valid until the trial's last millisecond")
    after = awaited(sidecar, ("newcomer", "gantt"), lambda answer: not answer.allowed)
    late = step.measured("trial_end_noticed_after_ms", (datetime.now(UTC) - ends).total_seconds() * 1000)
    step.claim("the trial has expired", after.code == "TRIAL_EXPIRED", after)
    step.claim("not before its time", late >= 0, late)
    step.claim(
        "no message was needed: the version is the same",
        after.version == before.version,
        (before.version, after.version),
    )
    tell.row(
        "  when the clock passes it",
        f"{verdict(after)}   {late:.1f} ms later; no message sent, same version; remedy {after.remedy}",
    )
