"""Names of Redis keys and channels, one function each.

``{f:FEED}`` is a hash tag: all keys of a feed lie in one cluster slot, so the publishing script may touch them together. A feed's id is
percent-encoded where it holds anything but letters, digits, ``-``, ``.``, ``_`` and ``~``: braces would change the slot, and ``*``, ``?``
and brackets are patterns in access control lists.
"""

from __future__ import annotations

from urllib.parse import quote


def _base(feed: str) -> str:
    return f"ent:{{f:{quote(feed, safe='')}}}"


def log_key(feed: str) -> str:
    """Return the key of the stream of envelopes, whose ids are ``epoch-seq``."""
    return f"{_base(feed)}:log"


def head_key(feed: str) -> str:
    """Return the key of the hash with the fields e, s, c, min, snap."""
    return f"{_base(feed)}:head"


def snapshot_manifest_key(feed: str, epoch: int, seq: int) -> str:
    """Return the key of a snapshot's signed manifest."""
    return f"{_base(feed)}:snap:{epoch}-{seq}:m"


def snapshot_chunk_key(feed: str, epoch: int, seq: int, index: int) -> str:
    """Return the key of a snapshot's chunk, counted from 0."""
    return f"{_base(feed)}:snap:{epoch}-{seq}:{index}"


def catalogue_manifest_key(feed: str, epoch: int, seq: int) -> str:
    """Return the key of the signed description of a snapshot's catalogue, which lies beside the snapshot."""
    return f"{_base(feed)}:snap:{epoch}-{seq}:cat:m"


def catalogue_chunk_key(feed: str, epoch: int, seq: int, index: int) -> str:
    """Return the key of a chunk of that catalogue, counted from 0."""
    return f"{_base(feed)}:snap:{epoch}-{seq}:cat:{index}"


def customer_key(feed: str, customer: str) -> str:
    """Return the key of the newest proof that was made of a customer; ids are percent-encoded like a feed's."""
    return f"{_base(feed)}:cust:{quote(customer, safe='')}"


def key_set_key(feed: str) -> str:
    """Return the key of the root-signed key set."""
    return f"{_base(feed)}:keys"


def channel(feed: str) -> str:
    """Return the pub/sub channel: doorbell and fast path."""
    return f"{_base(feed)}:ch"


def stream_id(epoch: int, seq: int) -> str:
    """Return the stream id of a position, which is also its text form as a version token."""
    return f"{epoch}-{seq}"


def position_of(text: str) -> tuple[int, int]:
    """Return (epoch, seq) of a stream id or version token; ValueError when it is none or beyond 64 bits."""
    epoch, dash, seq = text.partition("-")
    if not dash or not (epoch.isascii() and epoch.isdigit() and seq.isascii() and seq.isdigit()):
        raise ValueError(f"{text[:48]!r} is not EPOCH-SEQ")
    if len(epoch) > 20 or len(seq) > 20:
        raise ValueError("epoch and seq have at most 64 bits")
    position = int(epoch), int(seq)
    if max(position) >= 1 << 64:
        raise ValueError("epoch and seq have at most 64 bits")
    return position
