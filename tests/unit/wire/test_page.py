"""A page of deltas: one signature, bound to all of them by the chain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.policy.ids import RecordKey
from entitlements.v1 import policy_pb2
from entitlements.wire import envelope
from entitlements.wire.envelope import KeyGrant, KeyRing, KeyRole, RecordChange, Refusal, Refused, SigningKeyPair

NOW = 1_800_000_000_000
FEED = "suite"
ROOT = SigningKeyPair.from_bytes(bytes([1]) * 32)
POLICY = SigningKeyPair.from_bytes(bytes([2]) * 32)
HEARTBEAT = SigningKeyPair.from_bytes(bytes([3]) * 32)
BASE = bytes([9]) * 32


def history(length: int, start: bytes = BASE, first_seq: int = 1, mark: bytes = b"") -> list[bytes]:
    """Return a chained run of signed deltas."""
    envelopes, chain = [], start
    for seq in range(first_seq, first_seq + length):
        change = RecordChange(RecordKey(f"c/{seq}"), b"body" + mark)
        built = envelope.build_delta(FEED, 5, seq, chain, [change], bytes([seq]) * 32, NOW + seq)
        envelopes.append(envelope.sign(built.body, POLICY))
        chain = built.chain
    return envelopes


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    """Return a ring that trusts one policy and one heartbeat key."""
    ring = KeyRing([ROOT.public])
    grants = [KeyGrant(POLICY.public, KeyRole.POLICY), KeyGrant(HEARTBEAT.public, KeyRole.HEARTBEAT)]
    ring.install(envelope.sign_key_set(1, grants, ROOT))
    return ring


def refusal_of(ring: KeyRing, page: list[bytes], prev: bytes | None = BASE) -> Refusal:
    """Return why a page is refused."""
    with pytest.raises(Refused) as caught:
        envelope.verify_page(page, FEED, ring, prev, NOW)
    return caught.value.reason


def test_a_page_arrives_whole(ring: KeyRing) -> None:
    """All deltas come in order; only the last one's digest is attested."""
    deltas = envelope.verify_page(history(4), FEED, ring, BASE, NOW)
    assert [delta.seq for delta in deltas] == [1, 2, 3, 4]
    assert [delta.digest for delta in deltas] == [b"", b"", b"", bytes([4]) * 32]
    assert deltas[1].prev == deltas[0].chain
    assert envelope.verify_page([], FEED, ring, BASE, NOW) == []
    assert len(envelope.verify_page(history(1), FEED, ring, BASE, NOW)) == 1


def test_inner_signatures_do_not_matter_the_chain_does(ring: KeyRing) -> None:
    """An inner envelope without a valid signature is bound by the chain all the same."""
    page = history(3)
    bare = policy_pb2.Envelope.FromString(page[0])
    bare.sig, bare.kid = b"", ""
    assert envelope.verify_page([bare.SerializeToString(), *page[1:]], FEED, ring, BASE, NOW)


def test_gaps_swaps_and_foreign_pieces_break_the_chain(ring: KeyRing) -> None:
    """A missing, moved, repeated or foreign inner delta is found."""
    page, foreign = history(4), history(4, mark=b"!")
    for wrong in (
        [page[0], page[2], page[3]],
        [page[1], page[0], page[2], page[3]],
        [page[0], page[1], page[1], page[2], page[3]],
        [page[0], foreign[1], page[2], page[3]],
        [*foreign[:3], page[3]],
    ):
        assert refusal_of(ring, wrong) is Refusal.BAD_CHAIN


def test_an_authentic_page_of_another_history_is_a_fork(ring: KeyRing) -> None:
    """A page that is genuine but does not continue the reader's history says forked, which no forger can cause."""
    assert refusal_of(ring, history(3, start=bytes(32))) is Refusal.FORKED
    assert refusal_of(ring, history(1, start=bytes(32))) is Refusal.FORKED
    assert len(envelope.verify_page(history(3, start=bytes(32)), FEED, ring, None, NOW)) == 3


def test_the_last_envelope_must_be_a_genuine_delta(ring: KeyRing) -> None:
    """Its refusal is the page's refusal; a heartbeat is no end of a page."""
    page = history(3)
    forged = policy_pb2.Envelope.FromString(page[-1])
    forged.sig = bytes(64)
    assert refusal_of(ring, [*page[:-1], forged.SerializeToString()]) is Refusal.BAD_SIGNATURE
    beat = envelope.build_heartbeat(FEED, 5, 3, BASE, bytes(32), NOW, 1, 0, NOW + 30_000)
    assert refusal_of(ring, [*page, envelope.sign(beat, HEARTBEAT)]) is Refusal.BAD_CHAIN


@given(st.data())
def test_no_mutation_of_a_page_is_accepted_or_crashes(ring: KeyRing, data: st.DataObject) -> None:
    """A changed byte anywhere in a page is Refused, or changed nothing that counts."""
    page = history(3)
    honest = envelope.verify_page(page, FEED, ring, BASE, NOW)
    victim = data.draw(st.integers(0, 2))
    damaged = bytearray(page[victim])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    page[victim] = bytes(damaged)
    try:
        deltas = envelope.verify_page(page, FEED, ring, BASE, NOW)
    except Refused:
        return
    assert [(d.epoch, d.seq, d.prev, d.chain, d.ops) for d in deltas] == [
        (d.epoch, d.seq, d.prev, d.chain, d.ops) for d in honest
    ]
    assert (deltas[-1].digest, deltas[-1].issued_at_ms) == (honest[-1].digest, honest[-1].issued_at_ms)
