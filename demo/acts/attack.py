"""Somebody owns the bus: Valkey is theirs, and they write policy of their own into it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import redis

from demo.acts.answers import verdict
from demo.narration import Narrator, Step
from demo.processes import wait_until
from demo.sidecar_part import Sidecar
from demo.stage import Stage
from entitlements.policy.ids import CustomerId, Epoch, FeatureKey, Millis, RecordKey, Seq
from entitlements.policy.model import Customer, Override, OverrideEffect
from entitlements.runtime.redis import connect_sync
from entitlements.wire import names
from entitlements.wire.codec import customer_to_bytes, record_key
from entitlements.wire.envelope import RecordChange, SigningKeyPair, build_delta, sign

FEED: Final = "boards"
OTHER_FEED: Final = "desk"


@dataclass(frozen=True, slots=True)
class Forgery:
    """One message on the bus, and the closed reason that it must be refused with."""

    told: str
    envelope: bytes
    reason: str


def eavesdrop(stage: Stage) -> bytes:
    """Return a genuine message of another product's feed, as anybody who reads the bus can."""
    with connect_sync(f"unix://{stage.site.valkey_socket}") as bus:
        entries: Any = bus.xrevrange(names.log_key(OTHER_FEED), count=1)
    envelope: bytes = entries[0][1][b"d"]
    return envelope


def forgeries(stage: Stage, epoch: int, seq: int, genuine: bytes) -> Iterator[Forgery]:
    """Yield messages that give acme back what was revoked: by an unknown key, under a stolen name, from another feed."""
    feature = FeatureKey("report-exports")
    acme = Customer(CustomerId("acme"), overrides=(Override("forged", feature, OverrideEffect.ALLOW),))
    change = RecordChange(RecordKey(record_key(acme)), customer_to_bytes(acme))
    thief = SigningKeyPair.generate()
    now = Millis(time.time_ns() // 1_000_000)
    prev, digest = secrets.token_bytes(32), secrets.token_bytes(32)
    forged = sign(build_delta(FEED, Epoch(epoch), Seq(seq), prev, [change], digest, now).body, thief)
    keys = json.loads((stage.site.keys / "keys.json").read_text(encoding="utf-8"))["keys"]
    policy_kid = next(key["kid"] for key in keys if key["role"] == "policy")
    yield Forgery("signed with a key of their own", forged, "unknown_kid")
    yield Forgery(
        "under the name of the real key", forged.replace(thief.kid.encode(), policy_kid.encode()), "bad_signature"
    )
    yield Forgery("a genuine one of another product", genuine, "wrong_feed")


def plant(bus: redis.Redis, forgery: Forgery, epoch: int, seq: int) -> None:
    """Broadcast a forgery, and put it into the log as the newest entry.

    A forged head is left out: a control plane that finds one publishes nothing there until a person has looked, by design.
    """
    log, place = names.log_key(FEED), names.stream_id(epoch, seq)
    bus.delete(log)
    bus.xadd(log, {"d": forgery.envelope}, id=place)
    bus.publish(names.channel(FEED), forgery.envelope)


def forged_policy(stage: Stage, step: Step, tell: Narrator, genuine: bytes) -> None:
    """Bring Valkey back in the wrong hands while the control plane is away, and watch the sidecar refuse."""
    sidecar = stage.sidecars[0]
    before = sidecar.ask("acme", "report-exports")
    stage.valkey.start()
    epoch, _, seq = before.version.partition("-")
    with connect_sync(f"unix://{stage.site.valkey_socket}") as bus:
        wait_until(partial(is_heard, bus), "the sidecar's new subscription", pause_s=0.05)
        tell.row("Valkey is back, in wrong hands", "the sidecar subscribes again; the control plane is still away")
        for forgery in forgeries(stage, int(epoch), int(seq) + 1, genuine):
            counted = sidecar.refused(FEED, forgery.reason)
            plant(bus, forgery, int(epoch), int(seq) + 1)
            wait_until(partial(has_refused, sidecar, forgery, counted), f"a refusal as {forgery.reason}", pause_s=0.02)
            answer = sidecar.ask("acme", "report-exports")
            step.claim(
                f"{forgery.told}: refused, the verdict unchanged",
                (answer.code, answer.version) == (before.code, before.version),
                answer,
            )
            tell.row(f"  {forgery.told}", f"refused: {forgery.reason:<14} {verdict(answer)}, as before")
    step.measured("refused_messages", sidecar.metric("entitlements_feed_refused_total", product=FEED))


def is_heard(bus: redis.Redis) -> bool:
    """Tell whether anybody listens to the feed's channel."""
    counts: Any = bus.pubsub_numsub(names.channel(FEED))
    return int(counts[0][1]) > 0


def has_refused(sidecar: Sidecar, forgery: Forgery, before: float) -> bool:
    """Tell whether the sidecar has refused one more for the forgery's reason."""
    return sidecar.refused(FEED, forgery.reason) > before
