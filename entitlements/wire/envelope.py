"""Signed envelopes in one import: build a body, sign it, verify it, verify a page of them.

The pieces: ``keys`` (pairs, fitness of public keys), ``feed_bodies`` and ``feed_messages``, ``key_ring`` (key sets, verification), ``page`` (chains).
"""

from entitlements.wire.errors import Refusal, Refused
from entitlements.wire.feed_bodies import (
    DeltaBody,
    build_catalogue,
    build_customer,
    build_delta,
    build_heartbeat,
    build_manifest,
    build_nudge,
)
from entitlements.wire.feed_messages import (
    FeedCatalogue,
    FeedCustomer,
    FeedDelta,
    FeedHeartbeat,
    FeedManifest,
    FeedMessage,
    FeedNudge,
    RecordChange,
    read_body,
)
from entitlements.wire.key_ring import KeyGrant, KeyRing, KeyRole, sign, sign_key_set
from entitlements.wire.keys import SigningKeyPair, kid_of, trusted_public_key
from entitlements.wire.page import verify_page

__all__ = [
    "DeltaBody",
    "FeedCatalogue",
    "FeedCustomer",
    "FeedDelta",
    "FeedHeartbeat",
    "FeedManifest",
    "FeedMessage",
    "FeedNudge",
    "KeyGrant",
    "KeyRing",
    "KeyRole",
    "RecordChange",
    "Refusal",
    "Refused",
    "SigningKeyPair",
    "build_catalogue",
    "build_customer",
    "build_delta",
    "build_heartbeat",
    "build_manifest",
    "build_nudge",
    "kid_of",
    "read_body",
    "sign",
    "sign_key_set",
    "trusted_public_key",
    "verify_page",
]
