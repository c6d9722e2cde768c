"""Base-128 varints and length-delimited fields of the protobuf wire format, for the few bytes that every answer ends with.

Source: the protobuf encoding guide. Tests hold the results equal to what the protobuf runtime writes.
"""

from __future__ import annotations

from typing import Final

_TABLE_BITS: Final = 14
_TABLE_SIZE: Final = 1 << _TABLE_BITS
_MASK: Final = _TABLE_SIZE - 1
_LAST: Final = tuple(
    bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7]) for number in range(_TABLE_SIZE)
)
SHORT: Final = _LAST[:128]
"""The lengths of fields that are certainly short, to be looked up without a call."""
_MORE: Final = tuple(bytes([number & 0x7F | 0x80, number >> 7 | 0x80]) for number in range(_TABLE_SIZE))


def varint(number: int) -> bytes:
    """Return a number that is not negative as a varint."""
    if number < _TABLE_SIZE:
        return _LAST[number]
    return _MORE[number & _MASK] + varint(number >> _TABLE_BITS)


def field(tag: bytes, content: bytes) -> bytes:
    """Return a length-delimited field: tag, length, content."""
    return tag + varint(len(content)) + content
