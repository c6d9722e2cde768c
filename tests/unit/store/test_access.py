"""Who may map a store: its writer's user alone, or the group, which may then read the data and enter itself as a reader."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from entitlements.store.access import Access
from entitlements.store.reader import StoreReader
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

MAP_BYTES = 1 << 24
STRANGER = 54_321
"""A user and a group that no machine has."""


def store(directory: Path, history: History, access: Access) -> None:
    """Write a store with these rights."""
    with StoreWriter(directory, MAP_BYTES, "boot", access) as writer:
        writer.replace(history.snapshot(), history.manifest(), b"")
        writer.sync()
        writer.raise_floor()


def rights(directory: Path) -> dict[str, int]:
    """Return the rights of everything below a feed directory."""
    paths = [directory, *directory.rglob("*")]
    return {str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_group_may_read_data_and_enter_as_a_reader(tmp_path: Path, history: History) -> None:
    """Nothing but data and table of readers is opened; floor and writer's lock stay the writer's."""
    store(tmp_path / "feed", history, Access.GROUP)
    assert rights(tmp_path / "feed") == {
        ".": 0o750,
        "store": 0o750,
        "store/data.mdb": 0o640,
        "store/lock.mdb": 0o660,
        "floor": 0o600,
        "writer.lock": 0o600,
    }


def test_access_is_what_was_said_last(tmp_path: Path, history: History) -> None:
    """Taken back at the next start; a directory that hands down its group goes on doing so."""
    store(tmp_path / "feed", history, Access.GROUP)
    (tmp_path / "feed").chmod(0o2750)
    store(tmp_path / "feed", History(6), Access.PRIVATE)
    assert rights(tmp_path / "feed") == {
        ".": 0o2700,
        "store": 0o700,
        "store/data.mdb": 0o600,
        "store/lock.mdb": 0o600,
        "floor": 0o600,
        "writer.lock": 0o600,
    }


def test_root_of_all_stores(tmp_path: Path) -> None:
    """Made private, opened for the group when that is wanted."""
    Access.PRIVATE.over_root(tmp_path / "private")
    Access.GROUP.over_root(tmp_path / "group")
    assert rights(tmp_path / "private") == {".": 0o700}
    assert rights(tmp_path / "group") == {".": 0o750}
    assert Access.named("group") is Access.GROUP


@pytest.mark.parametrize(
    "access, gid, seen",
    [(Access.GROUP, STRANGER, True), (Access.GROUP, STRANGER + 1, False), (Access.PRIVATE, STRANGER, False)],
)
def test_another_user_reads_only_as_a_member_of_the_group(
    history: History, access: Access, gid: int, *, seen: bool
) -> None:
    """A process of another user, as in another container of the pod."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to other users
        pod = Path(name)
        os.chown(pod, 0, STRANGER)
        pod.chmod(0o2755)  # as a volume whose group the orchestrator has set
        store(pod / "feed", history, access)
        told = told_by(STRANGER, gid, pod / "feed")
    assert told.startswith("b'customer'") is seen, told
    assert ("Permission denied" in told) is not seen, told


def told_by(uid: int, gid: int, directory: Path) -> str:
    """Return what a child that has become another user finds in a store: a record, and why it could not be opened."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            reader = StoreReader(directory)
            with reader.view() as view:
                os.write(sink, f"{view.body_of('c/acme')!r} {reader.trouble}".encode())
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told
