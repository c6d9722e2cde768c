"""Whether anything was committed, seen from the file's head without a transaction.

LMDB keeps two meta pages at the head of its file and writes them in turn; each commit ends with one store of its transaction number into one of
them (`mdb.c`, MDB_meta.mm_txnid). While both numbers are what they were, the store is what it was. Reading them from a mapping of our own costs a
tenth of a microsecond, a read transaction for one look-up costs one and a half, and most answers need to know no more than that.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Final, NamedTuple

import lmdb

_PAGE_HEADER: Final = 16
_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_HEAD: Final = struct.Struct("=II")
_NUMBER_AT: Final = _PAGE_HEADER + _HEAD.size + 8 + 8 + 2 * 48 + 8
"""Past magic and version come the map's address and size, two databases' descriptions and the last page, each of known length on 64 bits."""
_WORD: Final = 8


class Marks(NamedTuple):
    """The two transaction numbers: `words[first]` and `words[second]`, each read in one piece."""

    words: memoryview
    first: int
    second: int


def marks_of(file: Path, identity: tuple[int, int], environment: lmdb.Environment) -> Marks | None:
    """Return the marks of an open environment's file, or None when they cannot be read as expected; nothing depends on having them."""
    if sys.maxsize < 1 << 32:  # the layout above is that of 64 bits
        return None
    page = int(environment.stat()["psize"])
    try:
        words = _mapped(file, identity, 2 * page)
    except (OSError, ValueError):  # gone, exchanged, or shorter than two pages
        return None
    if words is None:
        return None
    marks = Marks(words, _NUMBER_AT // _WORD, (page + _NUMBER_AT) // _WORD)
    before = int(environment.info()["last_txnid"])
    newest = max(words[marks.first], words[marks.second])
    return marks if before <= newest <= int(environment.info()["last_txnid"]) else None


def _mapped(file: Path, identity: tuple[int, int], length: int) -> memoryview | None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != identity:
            return None
        head = mmap.mmap(descriptor, length, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)
    for start in (_PAGE_HEADER, length // 2 + _PAGE_HEADER):
        if _HEAD.unpack_from(head, start) != (_MAGIC, _VERSION):
            return None
    return memoryview(head).cast("Q")
