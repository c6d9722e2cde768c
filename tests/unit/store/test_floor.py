"""The floor file: durable, private, and never guessed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.policy.ids import Epoch, Seq
from entitlements.store.errors import FloorDamaged
from entitlements.store.floor import Floor, read_floor, write_floor


def test_without_a_file_everything_is_acceptable(tmp_path: Path) -> None:
    """A new sidecar has no floor."""
    assert read_floor(tmp_path) == Floor(Epoch(0), Seq(0), 0)


def test_a_floor_survives(tmp_path: Path) -> None:
    """What was written is read; nothing temporary stays; a later floor replaces it."""
    for floor in (Floor(Epoch(5), Seq(6), 7), Floor(Epoch(2**64 - 1), Seq(0), 0)):
        write_floor(tmp_path, floor)
        assert read_floor(tmp_path) == floor
    assert [path.name for path in tmp_path.iterdir()] == ["floor"]
    assert (tmp_path / "floor").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"entitlements-floor/1 5 6 7 00000000\n",
        b"entitlements-floor/1 -5 6 7 x",
        b"\xff\xfe",
        b"a b c d e",
    ],
)
def test_a_damaged_floor_is_named(tmp_path: Path, content: bytes) -> None:
    """A floor that cannot be read is not zero: that would let an attacker who can cut a file replay old policy."""
    (tmp_path / "floor").write_bytes(content)
    with pytest.raises(FloorDamaged, match="floor"):
        read_floor(tmp_path)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    """No single changed byte reads as another floor."""
    write_floor(tmp_path, Floor(Epoch(1750000000), Seq(42), 3))
    honest = (tmp_path / "floor").read_bytes()
    for place in range(len(honest) - 1):
        for bit in range(8):
            damaged = bytearray(honest)
            damaged[place] ^= 1 << bit
            (tmp_path / "floor").write_bytes(damaged)
            with pytest.raises(FloorDamaged):
                read_floor(tmp_path)
