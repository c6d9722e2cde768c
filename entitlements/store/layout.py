"""Where everything lies: directories, databases, keys, and the two packed values (record, state).

    FEED_DIRECTORY/writer.lock    held by the one writer
    FEED_DIRECTORY/floor          the position below which nothing is accepted; survives a store that is set aside
    FEED_DIRECTORY/store/         the LMDB environment: database ``rec`` (records), database ``meta``

A record's value is its 8-byte checksum, then its body. The state is one value, so one lookup tells position and age. In a partial set a
customer without a record is not unknown but not held; one that is proven absent has a record with an empty body.
"""

from __future__ import annotations

import struct
from binascii import crc32
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from entitlements.policy.digest import CHECKSUM_BYTES, record_checksum
from entitlements.policy.ids import Epoch, Millis, Seq
from entitlements.store.errors import CorruptStore

SCHEMA_MAJOR: Final = 1
"""Of this layout and of the record schema in it; a store of another major is set aside."""

ENVIRONMENT: Final = "store"
DATA_FILE: Final = "data.mdb"
LOCK_FILE: Final = "lock.mdb"
FLOOR_FILE: Final = "floor"
WRITER_LOCK: Final = "writer.lock"
RECORDS: Final = b"rec"
META: Final = b"meta"
STATE_KEY: Final = b"state"
SUM_KEY: Final = b"sum"
DIGEST_KEY: Final = b"digest"
ENVELOPE_KEY: Final = b"envelope"
KEY_SET_KEY: Final = b"keyset"
SCHEMA_KEY: Final = b"schema"

ABSENT: Final = b""
"""The body of a customer that is proven not to exist, in a partial set; no real record is empty."""
MAX_READERS: Final = 1024
_MAX_PLAIN_NAME: Final = 120
_STATE: Final = struct.Struct(">QQ32sBqqqB")
_CRC: Final = struct.Struct(">I")
_COMPLETE: Final = 1
_FORKED: Final = 2
_PARTIAL: Final = 4


class StoreState(NamedTuple):
    """Position (epoch, seq, chain) and pulse (the newest good heartbeat).

    ``issued_at_ms`` is the heartbeat's own time, ``wall_rx_ms`` and ``mono_rx_ms`` the receiver's clocks when it came, ``boot_id`` the
    boot to which the monotonic one belongs. Without a heartbeat yet, ``issued_at_ms`` is that of the snapshot and the rest is zero.
    ``partial`` says that the set holds the whole catalogue, but only some of the customers.
    """

    epoch: Epoch
    seq: Seq
    chain: bytes
    complete: bool
    forked: bool
    issued_at_ms: Millis
    wall_rx_ms: Millis
    mono_rx_ms: Millis
    boot_id: str
    partial: bool = False

    def pack(self) -> bytes:
        """Return the stored form."""
        boot = self.boot_id.encode()
        flags = (
            (_COMPLETE if self.complete else 0) | (_FORKED if self.forked else 0) | (_PARTIAL if self.partial else 0)
        )
        packed = (
            _STATE.pack(
                self.epoch,
                self.seq,
                self.chain,
                flags,
                self.issued_at_ms,
                self.wall_rx_ms,
                self.mono_rx_ms,
                len(boot),
            )
            + boot
        )
        return _CRC.pack(crc32(packed)) + packed


def unpack_state(raw: bytes) -> StoreState:
    """Return the state; CorruptStore when its checksum or length does not fit."""
    packed = raw[_CRC.size :]
    if len(packed) < _STATE.size or _CRC.pack(crc32(packed)) != raw[: _CRC.size]:
        raise CorruptStore("the stored state does not match its checksum")
    epoch, seq, chain, flags, issued, wall, mono, length = _STATE.unpack_from(packed)
    boot = packed[_STATE.size :]
    if len(boot) != length:
        raise CorruptStore("the stored state has a wrong length")
    return StoreState(
        Epoch(epoch),
        Seq(seq),
        chain,
        bool(flags & _COMPLETE),
        bool(flags & _FORKED),
        Millis(issued),
        Millis(wall),
        Millis(mono),
        boot.decode(),
        bool(flags & _PARTIAL),
    )


def pack_record(key: str, body: bytes) -> bytes:
    """Return the stored form of a record."""
    return record_checksum(key, body) + body


def body_of(value: bytes) -> bytes:
    """Return the body inside a stored record, unchecked."""
    return value[CHECKSUM_BYTES:]


def feed_directory_name(product: str) -> str:
    """Return a file name for a product's feed: readable, safe for any id, and different for different products."""
    escaped = quote(product, safe="")
    if len(escaped) <= _MAX_PLAIN_NAME:
        return f"feed-{escaped}"
    return f"feed.{sha256(product.encode()).hexdigest()}"


def environment_path(directory: Path) -> Path:
    """Return where the LMDB environment of a feed directory lies."""
    return directory / ENVIRONMENT
