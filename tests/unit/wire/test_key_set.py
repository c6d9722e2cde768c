"""Key sets: signed by a pinned root, never going back, without unfit keys."""

from __future__ import annotations

import pytest

from entitlements.v1 import policy_pb2
from entitlements.wire import envelope
from entitlements.wire.envelope import KeyGrant, KeyRing, KeyRole, Refusal, Refused, SigningKeyPair
from entitlements.wire.keys import _FIELD, _SMALL_ORDER_Y

ROOT = SigningKeyPair.from_bytes(bytes([1]) * 32)
POLICY = SigningKeyPair.from_bytes(bytes([2]) * 32)
OTHER = SigningKeyPair.from_bytes(bytes([3]) * 32)
GRANT = KeyGrant(POLICY.public, KeyRole.POLICY)


def refusal_of(ring: KeyRing, signed: bytes) -> Refusal:
    """Return why the ring refuses a key set."""
    with pytest.raises(Refused) as caught:
        ring.install(signed)
    return caught.value.reason


def test_a_newer_key_set_replaces_the_older() -> None:
    """Installing a newer version says so; installing the same one again changes nothing."""
    ring = KeyRing([ROOT.public])
    first = envelope.sign_key_set(1, [GRANT], ROOT)
    assert repr(ring) == "<KeyRing [version 0 | 0 keys | 1 roots]>"
    assert ring.install(first) is True
    assert ring.install(first) is False
    assert ring.install(envelope.sign_key_set(4, [GRANT, KeyGrant(OTHER.public, KeyRole.HEARTBEAT)], ROOT)) is True
    assert repr(ring) == "<KeyRing [version 4 | 2 keys | 1 roots]>"


def test_key_sets_never_go_back() -> None:
    """An older version, another content under the same version, and a version below the remembered floor are refused."""
    ring = KeyRing([ROOT.public])
    ring.install(envelope.sign_key_set(3, [GRANT], ROOT))
    kept = ring.signed_key_set
    assert refusal_of(ring, envelope.sign_key_set(2, [GRANT], ROOT)) is Refusal.ROLLED_BACK
    assert refusal_of(ring, envelope.sign_key_set(3, [], ROOT)) is Refusal.ROLLED_BACK
    assert ring.signed_key_set == kept
    assert (
        refusal_of(KeyRing([ROOT.public], min_version=4), envelope.sign_key_set(3, [GRANT], ROOT))
        is Refusal.ROLLED_BACK
    )


def test_only_pinned_roots_count() -> None:
    """A set signed by another key, even one that the set itself names as root, is refused."""
    ring = KeyRing([ROOT.public])
    assert (
        refusal_of(ring, envelope.sign_key_set(1, [KeyGrant(OTHER.public, KeyRole.ROOT)], OTHER)) is Refusal.UNKNOWN_KID
    )
    forged = policy_pb2.SignedKeySet.FromString(envelope.sign_key_set(1, [GRANT], ROOT))
    forged.sig = OTHER.sign(b"x")
    assert refusal_of(ring, forged.SerializeToString()) is Refusal.BAD_SIGNATURE


@pytest.mark.parametrize(
    "key",
    [
        policy_pb2.SigningKey(kid="00000000", public_key=POLICY.public, role=policy_pb2.KEY_ROLE_POLICY),
        policy_pb2.SigningKey(kid=POLICY.kid, public_key=POLICY.public),
        policy_pb2.SigningKey(kid=POLICY.kid, public_key=b"short", role=policy_pb2.KEY_ROLE_POLICY),
        policy_pb2.SigningKey(
            kid=POLICY.kid,
            public_key=POLICY.public,
            role=policy_pb2.KEY_ROLE_POLICY,
            window=policy_pb2.Window(from_ms=-1),
        ),
    ],
    ids=["wrong-kid", "no-role", "short-key", "negative-window"],
)
def test_a_root_signature_does_not_excuse_a_wrong_shape(key: policy_pb2.SigningKey) -> None:
    """One unusable key refuses the whole set."""
    body = policy_pb2.KeySet(version=1, keys=[key]).SerializeToString()
    signed = policy_pb2.SignedKeySet(root_kid=ROOT.kid, sig=ROOT.sign(b"ent/keys/1\0" + body), body=body)
    assert refusal_of(KeyRing([ROOT.public]), signed.SerializeToString()) is Refusal.MALFORMED


def test_a_key_is_listed_once() -> None:
    """The same key twice is refused when the set is signed."""
    with pytest.raises(Refused, match="listed twice"):
        envelope.sign_key_set(1, [GRANT, GRANT], ROOT)


def test_a_ring_needs_a_root() -> None:
    """A ring that can trust nothing is a configuration error."""
    with pytest.raises(ValueError, match="at least one root public key"):
        KeyRing([])


def test_private_bytes_do_not_show() -> None:
    """The representation of a pair names the public half only, and the pair survives the way through a key file."""
    assert repr(POLICY) == f"<SigningKeyPair {POLICY.kid}>"
    assert SigningKeyPair.from_bytes(POLICY.private_bytes()).public == POLICY.public
    fresh = SigningKeyPair.generate()
    assert fresh.kid == envelope.kid_of(fresh.public) != SigningKeyPair.generate().kid


def eight_times_is_identity(y: int) -> bool:
    """Return whether a point of edwards25519 with this y has an order that divides 8 (doubling formula of RFC 8032)."""
    d = -121665 * pow(121666, -1, _FIELD) % _FIELD
    x2 = (y * y - 1) * pow(d * y * y + 1, -1, _FIELD) % _FIELD
    x = pow(x2, (_FIELD + 3) // 8, _FIELD)
    if (x * x - x2) % _FIELD:
        x = x * pow(2, (_FIELD - 1) // 4, _FIELD) % _FIELD
    assert (x * x - x2) % _FIELD == 0, "not a point of the curve"
    for _ in range(3):
        product = d * x * x * y * y
        x, y = (
            2 * x * y * pow(1 + product, -1, _FIELD) % _FIELD,
            (y * y + x * x) * pow(1 - product, -1, _FIELD) % _FIELD,
        )
    return (x, y) == (0, 1)


def test_the_listed_points_are_the_small_order_points() -> None:
    """Our list holds exactly points whose order divides 8; five y coordinates stand for eight points (two have x = 0)."""
    assert all(eight_times_is_identity(y) for y in _SMALL_ORDER_Y)
    assert sum(1 if y in {1, _FIELD - 1} else 2 for y in _SMALL_ORDER_Y) == 8


@pytest.mark.parametrize("sign_bit", [0, 1])
@pytest.mark.parametrize("y", sorted(_SMALL_ORDER_Y))
def test_small_order_keys_are_refused(y: int, sign_bit: int) -> None:
    """Keys for which anyone can make signatures are weak."""
    with pytest.raises(Refused) as caught:
        envelope.trusted_public_key((y | sign_bit << 255).to_bytes(32, "little"))
    assert caught.value.reason is Refusal.WEAK_KEY


@pytest.mark.parametrize("y", [_FIELD, _FIELD + 1, 2**255 - 1])
def test_keys_have_one_encoding(y: int) -> None:
    """A second encoding of a point (0 and 1 among them) is refused."""
    with pytest.raises(Refused) as caught:
        envelope.trusted_public_key(y.to_bytes(32, "little"))
    assert caught.value.reason is Refusal.MALFORMED
