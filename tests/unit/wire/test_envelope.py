"""Signed envelopes: what a key ring accepts, and the closed list of reasons for which it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.digest import chain_next
from entitlements.policy.ids import Millis, RecordKey
from entitlements.policy.model import Window
from entitlements.v1 import policy_pb2
from entitlements.wire import envelope
from entitlements.wire.envelope import KeyGrant, KeyRing, KeyRole, RecordChange, Refusal, Refused, SigningKeyPair

NOW = 1_800_000_000_000
FEED = "suite"
ROOT = SigningKeyPair.from_bytes(bytes([1]) * 32)
POLICY = SigningKeyPair.from_bytes(bytes([2]) * 32)
HEARTBEAT = SigningKeyPair.from_bytes(bytes([3]) * 32)
STRANGER = SigningKeyPair.from_bytes(bytes([4]) * 32)
DIGEST = bytes([7]) * 32
BASE = bytes([9]) * 32
GRANTS = (KeyGrant(POLICY.public, KeyRole.POLICY), KeyGrant(HEARTBEAT.public, KeyRole.HEARTBEAT))


def ring_with(*grants: KeyGrant, version: int = 1) -> KeyRing:
    """Return a ring that trusts these keys."""
    ring = KeyRing([ROOT.public])
    ring.install(envelope.sign_key_set(version, grants or GRANTS, ROOT))
    return ring


def delta_body(seq: int = 1, prev: bytes = BASE, feed: str = FEED) -> envelope.DeltaBody:
    """Return the body of a small delta."""
    changes = [RecordChange(RecordKey("c/acme"), b"body"), RecordChange(RecordKey("c/gone"), None)]
    return envelope.build_delta(feed, 5, seq, prev, changes, DIGEST, NOW)


def heartbeat_body(feed: str = FEED, not_after_ms: int = NOW + 30_000) -> bytes:
    """Return the body of a heartbeat."""
    return envelope.build_heartbeat(feed, 5, 1, BASE, DIGEST, NOW, 1, 0, not_after_ms)


def reason_of(ring: KeyRing, signed: bytes, feed: str = FEED, now_ms: int = NOW) -> Refusal:
    """Return why the ring refuses; the test fails when it does not."""
    with pytest.raises(Refused) as caught:
        ring.verify(signed, feed, now_ms)
    return caught.value.reason


def test_a_delta_arrives_as_it_was_built() -> None:
    """Every field of a delta survives; changes come in key order; a removal has no body."""
    built = delta_body()
    message = ring_with().verify(envelope.sign(built.body, POLICY), FEED, NOW)
    assert isinstance(message, envelope.FeedDelta)
    assert (message.feed, message.epoch, message.seq, message.issued_at_ms) == (FEED, 5, 1, NOW)
    assert (message.prev, message.chain, message.digest, message.kid) == (BASE, built.chain, DIGEST, POLICY.kid)
    assert message.ops == (RecordChange(RecordKey("c/acme"), b"body"), RecordChange(RecordKey("c/gone"), None))


def test_any_publisher_builds_the_same_bytes() -> None:
    """A delta is a pure function of its row: order of changes and repetition do not show."""
    changes = [RecordChange(RecordKey(key), b"x") for key in ("c/b", "c/a", "f/x")]
    first = envelope.build_delta(FEED, 5, 1, BASE, changes, DIGEST, NOW)
    second = envelope.build_delta(FEED, 5, 1, BASE, changes[::-1], DIGEST, NOW)
    assert envelope.sign(first.body, POLICY) == envelope.sign(second.body, POLICY)


def test_heartbeats_manifests_and_nudges_arrive() -> None:
    """The other three kinds survive as well."""
    ring = ring_with()
    beat = ring.verify(envelope.sign(heartbeat_body(), HEARTBEAT), FEED, NOW)
    assert isinstance(beat, envelope.FeedHeartbeat)
    assert (beat.min_replay_seq, beat.snapshot_seq, beat.not_after_ms) == (1, 0, NOW + 30_000)
    body = envelope.build_manifest(FEED, 5, 9, BASE, DIGEST, NOW, 2, [bytes(32)])
    manifest = ring.verify(envelope.sign(body, POLICY), FEED, NOW)
    assert isinstance(manifest, envelope.FeedManifest)
    assert (manifest.record_count, manifest.chunk_sha256, manifest.seq) == (2, (bytes(32),), 9)
    nudge = ring.verify(envelope.sign(envelope.build_nudge(FEED, 5, 9, NOW), HEARTBEAT), FEED, NOW)
    assert isinstance(nudge, envelope.FeedNudge)
    assert (nudge.epoch, nudge.seq) == (5, 9)


def test_unknown_keys_and_forged_signatures_are_refused() -> None:
    """A stranger's key is unknown; a stranger's signature under a known name is bad."""
    assert reason_of(ring_with(), envelope.sign(delta_body().body, STRANGER)) is Refusal.UNKNOWN_KID
    forged = policy_pb2.Envelope(kid=POLICY.kid, sig=STRANGER.sign(b"x"), body=delta_body().body)
    assert reason_of(ring_with(), forged.SerializeToString()) is Refusal.BAD_SIGNATURE


def test_a_signature_made_for_another_purpose_does_not_count() -> None:
    """Signatures are bound to their purpose: one over the bare body is bad."""
    body = delta_body().body
    signed = policy_pb2.Envelope(kid=POLICY.kid, sig=POLICY.sign(body), body=body)
    assert reason_of(ring_with(), signed.SerializeToString()) is Refusal.BAD_SIGNATURE


def test_a_heartbeat_key_cannot_grant_and_a_policy_key_cannot_renew_the_age() -> None:
    """Roles are separate."""
    assert reason_of(ring_with(), envelope.sign(delta_body().body, HEARTBEAT)) is Refusal.WRONG_ROLE
    assert reason_of(ring_with(), envelope.sign(heartbeat_body(), POLICY)) is Refusal.WRONG_ROLE


def test_feeds_are_separate() -> None:
    """A message for another feed, and a key that may not sign for this one, are refused."""
    assert reason_of(ring_with(), envelope.sign(delta_body(feed="other").body, POLICY)) is Refusal.WRONG_FEED
    bound = ring_with(KeyGrant(POLICY.public, KeyRole.POLICY, feeds=("other",)))
    assert reason_of(bound, envelope.sign(delta_body().body, POLICY)) is Refusal.WRONG_FEED
    assert bound.verify(envelope.sign(delta_body(feed="other").body, POLICY), "other", NOW).feed == "other"


@pytest.mark.parametrize(
    "now_ms, reason",
    [(99, Refusal.NOT_YET_VALID), (200, Refusal.EXPIRED)],
)
def test_keys_have_a_validity(now_ms: int, reason: Refusal) -> None:
    """A key counts inside its window only."""
    ring = ring_with(KeyGrant(POLICY.public, KeyRole.POLICY, window=Window(Millis(100), Millis(200))))
    signed = envelope.sign(delta_body().body, POLICY)
    assert reason_of(ring, signed, now_ms=now_ms) is reason
    assert ring.verify(signed, FEED, 150).seq == 1


def test_revoked_keys_and_late_heartbeats_are_refused() -> None:
    """Revocation acts at once; a heartbeat ends at its not_after."""
    revoking = ring_with(KeyGrant(POLICY.public, KeyRole.POLICY, revoked=True))
    assert reason_of(revoking, envelope.sign(delta_body().body, POLICY)) is Refusal.REVOKED
    late = envelope.sign(heartbeat_body(not_after_ms=NOW + 1), HEARTBEAT)
    assert ring_with().verify(late, FEED, NOW + 1).seq == 1
    assert reason_of(ring_with(), late, now_ms=NOW + 2) is Refusal.EXPIRED


def test_another_schema_major_is_refused() -> None:
    """A manifest of a newer schema is not guessed at."""
    outer = policy_pb2.FeedMessage.FromString(envelope.build_manifest(FEED, 5, 9, BASE, DIGEST, NOW, 2, []))
    outer.payload = policy_pb2.Manifest(schema_major=2).SerializeToString()
    assert reason_of(ring_with(), envelope.sign(outer.SerializeToString(), POLICY)) is Refusal.SCHEMA


@pytest.mark.parametrize(
    "change",
    [
        {"feed": ""},
        {"kind": 99},
        {"issued_at_ms": 0},
        {"chain": b"short"},
        {"digest": b""},
        {"seq": 0},
        {"payload": b"\xff"},
        {"payload": policy_pb2.Delta(prev=b"short").SerializeToString()},
    ],
)
def test_a_genuine_signature_does_not_excuse_a_wrong_shape(change: dict[str, object]) -> None:
    """Even a signed body must be as declared."""
    outer = policy_pb2.FeedMessage.FromString(delta_body().body)
    for field, value in change.items():
        setattr(outer, field, value)
    assert reason_of(ring_with(), envelope.sign(outer.SerializeToString(), POLICY)) is Refusal.MALFORMED


@pytest.mark.parametrize(
    "ops",
    [
        [policy_pb2.RecordOp(key="c/a", body=b"x"), policy_pb2.RecordOp(key="c/a", deleted=True)],
        [policy_pb2.RecordOp(key="c/a", body=b"x", deleted=True)],
        [policy_pb2.RecordOp(key="c/a")],
        [policy_pb2.RecordOp(key="x/a", body=b"x")],
        [policy_pb2.RecordOp(key="c/" + "a" * 300, body=b"x")],
    ],
    ids=["twice", "put-and-removed", "nothing", "unknown-kind", "long-key"],
)
def test_changes_must_be_unambiguous(ops: list[policy_pb2.RecordOp]) -> None:
    """Ambiguous or unusable changes are refused before they reach a store."""
    payload = policy_pb2.Delta(prev=BASE, ops=ops).SerializeToString()
    outer = policy_pb2.FeedMessage.FromString(delta_body().body)
    outer.payload, outer.chain = payload, chain_next(BASE, 5, 1, payload)
    assert reason_of(ring_with(), envelope.sign(outer.SerializeToString(), POLICY)) is Refusal.MALFORMED


def test_the_chain_value_must_follow_from_the_payload() -> None:
    """A signed delta whose chain value is not the hash of its own content is refused."""
    outer = policy_pb2.FeedMessage.FromString(delta_body().body)
    outer.chain = bytes(32)
    assert reason_of(ring_with(), envelope.sign(outer.SerializeToString(), POLICY)) is Refusal.BAD_CHAIN


@given(st.data())
def test_no_mutation_is_accepted_or_crashes(data: st.DataObject) -> None:
    """Any changed byte, cut or addition is Refused, and never raises anything else."""
    body, key = data.draw(st.sampled_from([(delta_body().body, POLICY), (heartbeat_body(), HEARTBEAT)]))
    signed = bytearray(envelope.sign(body, key))
    place = data.draw(st.integers(0, len(signed) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert"])):
        case "flip":
            signed[place] ^= data.draw(st.integers(1, 255))
        case "cut":
            del signed[place:]
        case _:
            signed[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    ring = ring_with()
    try:
        message = ring.verify(bytes(signed), FEED, NOW)
    except Refused as error:
        assert error.reason in Refusal  # noqa: PT017 - both outcomes are judged
    else:  # bytes that protobuf reads as the same three fields (an unknown field added, say) are the same envelope
        assert envelope.read_body(body, key.kid) == message


@given(st.binary(max_size=300))
def test_garbage_is_refused(garbage: bytes) -> None:
    """Arbitrary bytes are refused, as an envelope and as a key set."""
    ring = ring_with()
    with pytest.raises(Refused):
        ring.verify(garbage, FEED, NOW)
    with pytest.raises(Refused):
        ring.install(garbage)
