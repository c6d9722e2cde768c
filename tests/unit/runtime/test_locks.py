"""A lock on a file tells who holds it and is given back by the kernel."""

from pathlib import Path

import pytest

from entitlements.runtime.locks import FileLock, LockTaken


def test_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    """Another handle on the same file is another holder, in this process too."""
    first, second = FileLock(tmp_path / "deep" / "x.lock"), FileLock(tmp_path / "deep" / "x.lock")
    first.acquire({"pid": 42, "intercom": "/somewhere"})
    assert second.is_held_elsewhere()
    assert second.owner() == {"pid": 42, "intercom": "/somewhere"}
    with pytest.raises(LockTaken, match=r"x\.lock is held by process 42; stop it, or choose another place") as caught:
        second.acquire({"pid": 43})
    assert caught.value.owner["pid"] == 42
    assert repr(first).endswith("[held]>")


def test_released_lock_is_free_for_others(tmp_path: Path) -> None:
    """The file stays, with the words of its last holder."""
    first, second = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    assert not first.is_held_elsewhere()
    first.acquire({"pid": 1})
    first.release()
    first.release()
    assert not second.is_held_elsewhere()
    assert second.owner() == {"pid": 1}
    second.acquire({})
    assert second.owner() == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"{"])
def test_unreadable_owner_is_nobody(tmp_path: Path, content: bytes) -> None:
    """A lock file of another program does not stop us from saying something."""
    (tmp_path / "x.lock").write_bytes(content)
    assert FileLock(tmp_path / "x.lock").owner() == {}
