"""The floor: the lowest position and key-set version that a restarted sidecar accepts.

Written beside the store, after all checks and after the sync that covers it: temporary file, fsync, rename, fsync of the directory. So a
power loss never leaves a store below its own floor, and neither Redis nor a lost store can lower it.
"""

from __future__ import annotations

import os
from binascii import crc32
from pathlib import Path
from typing import Final, NamedTuple

from entitlements.policy.ids import Epoch, Seq
from entitlements.store.errors import FloorDamaged
from entitlements.store.layout import FLOOR_FILE

_HEADING: Final = "entitlements-floor/1"


class Floor(NamedTuple):
    """A position and a key-set version."""

    epoch: Epoch = Epoch(0)
    seq: Seq = Seq(0)
    key_set_version: int = 0

    @property
    def position(self) -> tuple[Epoch, Seq]:
        """Return (epoch, seq), which compare in this order."""
        return self.epoch, self.seq


def read_floor(directory: Path) -> Floor:
    """Return the floor of a feed directory, zero when there is none; FloorDamaged when the file says nothing sensible."""
    try:
        text = (directory / FLOOR_FILE).read_text("ascii")
    except FileNotFoundError:
        return Floor()
    except (OSError, UnicodeDecodeError) as error:
        raise FloorDamaged(f"{directory / FLOOR_FILE} cannot be read: {error}") from error
    line, _, checksum = text.rstrip("\n").rpartition(" ")
    words = line.split(" ")
    if (
        len(words) != 4
        or words[0] != _HEADING
        or not all(word.isdigit() for word in words[1:])
        or checksum != _checksum(line)
    ):
        raise FloorDamaged(
            f"{directory / FLOOR_FILE} does not hold a floor; remove it to accept any position that is validly signed"
        )
    return Floor(Epoch(int(words[1])), Seq(int(words[2])), int(words[3]))


def write_floor(directory: Path, floor: Floor) -> None:
    """Replace the floor durably; OSError leaves the old one."""
    line = f"{_HEADING} {floor.epoch} {floor.seq} {floor.key_set_version}"
    temporary = directory / f"{FLOOR_FILE}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{line} {_checksum(line)}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / FLOOR_FILE)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(line: str) -> str:
    return f"{crc32(line.encode('ascii')):08x}"
