"""What one sidecar reports about one feed."""

from __future__ import annotations

from dataclasses import dataclass

from entitlements.policy.ids import Epoch, Millis, Seq


@dataclass(frozen=True, slots=True)
class SidecarAck:
    """One report; `chain` is 32 bytes, or empty when the sidecar holds no policy set."""

    feed: str
    sidecar_id: str
    boot_id: str
    epoch: Epoch
    seq: Seq
    chain: bytes
    state: str
    digest_ok: bool
    software: str
    age_ms: Millis
    acked_at_ms: Millis
