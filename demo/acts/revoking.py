"""Revoke and reinstate one feature of one customer, and watch sidecars until their answers follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from demo.sidecar_part import Sidecar
from demo.stage import Stage
from entitlements.client import Answer

LIMIT_S: Final = 15.0
PAUSE_S: Final = 0.0005
Question: TypeAlias = tuple[str, str]
"""Customer and feature."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How long one change took until every watched sidecar answered accordingly. Milliseconds.

    `from_request` counts from before the REST request was sent, so it holds the commit and more; `from_reply` counts
    from the moment the reply was read, so a sidecar that answered sooner counts as 0. The commit lies between the two.
    """

    from_request: float
    from_reply: float
    version: str


def awaited(sidecar: Sidecar, question: Question, wanted: Callable[[Answer], bool]) -> Answer:
    """Ask a sidecar again and again and return the first wanted answer; TimeoutError names the sidecar that did not follow."""
    deadline = time.perf_counter() + LIMIT_S
    while not wanted(answer := sidecar.ask(*question)):
        if time.perf_counter() > deadline:
            raise TimeoutError(f"sidecar {sidecar.name} did not follow within {LIMIT_S:.0f} s, it answers {answer}")
        time.sleep(PAUSE_S)
    return answer


def override_path(customer: str) -> str:
    """Return where the story keeps its override of one customer."""
    return f"/customers/{customer}/overrides/story-revoke"


def revoke(stage: Stage, customer: str, feature: str, sidecars: Sequence[Sidecar]) -> Turn:
    """Deny a feature to a customer; return how long it took until the sidecars denied it."""
    body = {"product": "boards", "feature": feature, "effect": "deny", "reason": "revoked in the story"}
    return _turn(stage, ("PUT", override_path(customer), body), (customer, feature), sidecars, code="REVOKED")


def reinstate(stage: Stage, customer: str, feature: str, sidecars: Sequence[Sidecar]) -> Turn:
    """Let the denial end; return how long it took until the sidecars allowed the feature again."""
    return _turn(stage, ("POST", f"{override_path(customer)}/end", {}), (customer, feature), sidecars, code="ENTITLED")


def _turn(
    stage: Stage,
    request: tuple[str, str, object],
    question: Question,
    sidecars: Sequence[Sidecar],
    *,
    code: str,
) -> Turn:
    sent = time.perf_counter()
    reply = stage.call(*request)
    replied = time.perf_counter()
    for sidecar in sidecars:
        awaited(sidecar, question, lambda answer: answer.code == code)
    followed = time.perf_counter()
    return Turn((followed - sent) * 1000, max(0.0, followed - replied) * 1000, reply["versions"]["boards"])
