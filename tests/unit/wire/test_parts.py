"""Messages about a part of the policy set: one customer at one position, a catalogue without customers."""

from __future__ import annotations

import pytest

from entitlements.v1 import policy_pb2
from entitlements.wire import envelope, names
from entitlements.wire.envelope import Refusal, Refused
from tests.unit.wire.test_envelope import BASE, DIGEST, FEED, HEARTBEAT, NOW, POLICY, reason_of, ring_with

PART = bytes([8]) * 32


def customer_body(customer: str = "acme", record: bytes | None = b"record") -> bytes:
    """Return the body of a proof at 5-9."""
    return envelope.build_customer(FEED, 5, 9, BASE, DIGEST, NOW, customer, record)


def catalogue_body(chunks: tuple[bytes, ...] = (bytes(32),), part: bytes = PART) -> bytes:
    """Return the body of a catalogue's description at 5-9."""
    return envelope.build_catalogue(FEED, 5, 9, BASE, DIGEST, NOW, 2, chunks, part)


def altered(body: bytes, payload: bytes) -> bytes:
    """Return a body with another payload, as no builder would make it."""
    outer = policy_pb2.FeedMessage.FromString(body)
    outer.payload = payload
    return outer.SerializeToString()


@pytest.mark.parametrize("record", [b"record", None])
def test_a_proof_arrives_as_it_was_built(record: bytes | None) -> None:
    """Presence and absence are told apart, with the position and chain value at which they held."""
    proof = ring_with().verify(envelope.sign(customer_body("acme", record), POLICY), FEED, NOW)
    assert isinstance(proof, envelope.FeedCustomer)
    assert (proof.customer, proof.body, proof.kid) == ("acme", record, POLICY.kid)
    assert (proof.epoch, proof.seq, proof.chain, proof.digest, proof.issued_at_ms) == (5, 9, BASE, DIGEST, NOW)


def test_a_catalogue_arrives_as_it_was_built() -> None:
    """It names the digest of the whole set and that of its own records."""
    catalogue = ring_with().verify(envelope.sign(catalogue_body(), POLICY), FEED, NOW)
    assert isinstance(catalogue, envelope.FeedCatalogue)
    assert (catalogue.digest, catalogue.part_digest, catalogue.record_count) == (DIGEST, PART, 2)
    assert catalogue.chunk_sha256 == (bytes(32),)


@pytest.mark.parametrize("body", [customer_body(), customer_body(record=None), catalogue_body()])
def test_only_the_policy_key_speaks_of_policy(body: bytes) -> None:
    """A stolen heartbeat key grants nothing, and a proof counts for the feed that it was made for alone."""
    assert reason_of(ring_with(), envelope.sign(body, HEARTBEAT)) is Refusal.WRONG_ROLE
    assert reason_of(ring_with(), envelope.sign(body, POLICY), feed="insight") is Refusal.WRONG_FEED


@pytest.mark.parametrize(
    "proof",
    [
        policy_pb2.CustomerProof(customer="acme"),
        policy_pb2.CustomerProof(customer="acme", body=b"x", absent=True),
        policy_pb2.CustomerProof(customer="", body=b"x"),
        policy_pb2.CustomerProof(customer=" acme", body=b"x"),
        policy_pb2.CustomerProof(customer="a" * 129, body=b"x"),
    ],
    ids=["nothing", "both", "nobody", "blank", "long"],
)
def test_a_proof_says_one_thing_of_one_customer(proof: policy_pb2.CustomerProof) -> None:
    """Signed nonsense is refused all the same."""
    body = altered(customer_body(), proof.SerializeToString())
    assert reason_of(ring_with(), envelope.sign(body, POLICY)) is Refusal.MALFORMED


def test_nothing_is_built_that_a_reader_would_refuse() -> None:
    """An empty record is no record."""
    with pytest.raises(Refused, match="record or the mark"):
        customer_body(record=b"")
    with pytest.raises(Refused, match="names no customer"):
        customer_body(customer="")


def test_a_catalogue_of_another_schema_is_refused() -> None:
    """As a manifest is."""
    later = policy_pb2.Catalogue(schema_major=99, part_digest=PART).SerializeToString()
    assert reason_of(ring_with(), envelope.sign(altered(catalogue_body(), later), POLICY)) is Refusal.SCHEMA
    with pytest.raises(Refused, match="chunk_sha256"):
        catalogue_body((b"short",))
    with pytest.raises(Refused, match="part_digest"):
        catalogue_body(part=b"short")


def test_names_of_parts_are_part_of_the_protocol() -> None:
    """Access control lists are written against them; an odd customer id stays inside its own key."""
    assert names.catalogue_manifest_key("shop", 7, 9) == "ent:{f:shop}:snap:7-9:cat:m"
    assert names.catalogue_chunk_key("shop", 7, 9, 0) == "ent:{f:shop}:snap:7-9:cat:0"
    assert names.customer_key("shop", "acme") == "ent:{f:shop}:cust:acme"
    assert names.customer_key("shop", "a:b*{}") == "ent:{f:shop}:cust:a%3Ab%2A%7B%7D"
