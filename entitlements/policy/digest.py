"""Hashes that make a policy set verifiable at any position: record checksum, multiset digest, history chain.

The digest is an additive multiset hash over all records, 2,048 bits wide: a narrow sum (128 bits, say) can be forged
with chosen records by generalised birthday search (Wagner 2002), which a tampered store must not allow. Being a sum it
is order-free and updated incrementally on both sides. Keys are length-prefixed, so no two (key, body) pairs collide
by concatenation.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b, shake_128
from typing import Final

SUM_BYTES: Final = 256
"""Width of the multiset sum in bytes (2,048 bits)."""
CHECKSUM_BYTES: Final = 8
_MODULUS_MASK: Final = (1 << (SUM_BYTES * 8)) - 1
EMPTY_SUM: Final = 0


def _prefixed(key: str, body: bytes) -> bytes:
    raw = key.encode()
    return len(raw).to_bytes(4, "big") + raw + body


def record_hash(key: str, body: bytes) -> int:
    """Return the 2,048-bit summand of one record."""
    return int.from_bytes(shake_128(_prefixed(key, body)).digest(SUM_BYTES), "big")


def record_checksum(key: str, body: bytes) -> bytes:
    """Return 8 bytes that tell versions of a record apart and reveal bit rot; no defence against an attacker."""
    return blake2b(_prefixed(key, body), digest_size=CHECKSUM_BYTES).digest()


def sum_replace(total: int, key: str, old: bytes | None, new: bytes | None) -> int:
    """Return the sum after one record changed from ``old`` to ``new``; None is an absent record."""
    if old is not None:
        total -= record_hash(key, old)
    if new is not None:
        total += record_hash(key, new)
    return total & _MODULUS_MASK


def sum_records(records: Iterable[tuple[str, bytes]], total: int = EMPTY_SUM) -> int:
    """Return the sum of many records."""
    for key, body in records:
        total += record_hash(key, body)
    return total & _MODULUS_MASK


def sum_to_bytes(total: int) -> bytes:
    """Return the sum as 256 bytes, big-endian."""
    return total.to_bytes(SUM_BYTES, "big")


def sum_from_bytes(raw: bytes) -> int:
    """Return the sum from its 256 bytes; ValueError when the length differs."""
    if len(raw) != SUM_BYTES:
        raise ValueError(f"a multiset sum has {SUM_BYTES} bytes, got {len(raw)}")
    return int.from_bytes(raw, "big")


def digest_of(total: int) -> bytes:
    """Return the 32-byte digest that is signed: BLAKE2b-256 of the sum."""
    return blake2b(sum_to_bytes(total), digest_size=32).digest()


def chain_base(feed: str, epoch: int, digest: bytes, nonce: bytes) -> bytes:
    """Return the 32-byte chain value of seq 0 in a new epoch; the nonce makes branches of a restored database differ."""
    raw = feed.encode()
    return blake2b(
        b"ent/base" + len(raw).to_bytes(4, "big") + raw + epoch.to_bytes(8, "big") + digest + nonce, digest_size=32
    ).digest()


def chain_next(previous: bytes, epoch: int, seq: int, payload: bytes) -> bytes:
    """Return the 32-byte chain value after a delta with this payload."""
    return blake2b(previous + epoch.to_bytes(8, "big") + seq.to_bytes(8, "big") + payload, digest_size=32).digest()
