"""The file's head tells of every commit, and whoever cannot read it goes the long way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from entitlements.store import marks as module
from entitlements.store.layout import DATA_FILE
from entitlements.store.marks import Marks, marks_of
from entitlements.store.opened import identity_of
from entitlements.store.reader import StoreReader
from tests.unit.store.test_reader import Committer, commits_of

__all__ = ["commits_of"]  # a fixture


@pytest.fixture
def environment(tmp_path: Path) -> lmdb.Environment:
    """An environment with a few commits."""
    made = lmdb.open(str(tmp_path), map_size=1 << 20)
    for number in range(5):
        commit(made, number)
    return made


def commit(environment: lmdb.Environment, number: int) -> None:
    """Commit one change."""
    with environment.begin(write=True) as transaction:
        transaction.put(b"key", str(number).encode())


def read(marks: Marks) -> tuple[int, int]:
    """Return both numbers."""
    return marks.words[marks.first], marks.words[marks.second]


def test_every_commit_changes_one_number(environment: lmdb.Environment, tmp_path: Path) -> None:
    """And the larger one is what LMDB itself calls the last transaction; reading alone changes nothing."""
    marks = marks_of(tmp_path / DATA_FILE, identity_of(tmp_path), environment)
    assert marks is not None
    for number in range(20):
        before = read(marks)
        with environment.begin() as transaction:
            transaction.get(b"key")
        assert read(marks) == before
        commit(environment, number)
        after = read(marks)
        assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
        assert max(after) == environment.info()["last_txnid"]
    environment.close()


def test_what_is_not_as_expected_gives_no_marks(
    environment: lmdb.Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file, another format, numbers elsewhere, a machine of 32 bits: nothing is guessed."""
    file, identity = tmp_path / DATA_FILE, identity_of(tmp_path)
    assert marks_of(file, (0, 0), environment) is None
    assert marks_of(tmp_path / "none", identity, environment) is None
    short = tmp_path / "short"
    short.write_bytes(b"x" * 100)
    found = short.stat()
    assert marks_of(short, (found.st_dev, found.st_ino), environment) is None
    with monkeypatch.context() as patched:
        patched.setattr(module, "_NUMBER_AT", module._NUMBER_AT - 8)
        assert marks_of(file, identity, environment) is None
    with monkeypatch.context() as patched:
        patched.setattr(module, "_VERSION", 2)
        assert marks_of(file, identity, environment) is None
    with monkeypatch.context() as patched:
        patched.setattr(sys, "maxsize", (1 << 31) - 1)
        assert marks_of(file, identity, environment) is None
    environment.close()


def test_reader_looks_once_for_each_commit(
    tmp_path: Path, commits_of: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two commits of another process the state is not read again; after each it is, at once."""
    commit_by_process = commits_of()
    reader = StoreReader(tmp_path, recheck_s=3600)
    looked = []
    look = reader._look

    def counted() -> object:
        looked.append(1)
        return look()

    monkeypatch.setattr(reader, "_look", counted)
    for _ in range(30):
        seq = commit_by_process(1)
        states = [reader.state() for _ in range(10)]
        assert {None if state is None else state.seq for state in states} == {seq}
        assert len({id(state) for state in states}) == 1
    assert len(looked) == 31  # the first one opened the file


@pytest.mark.parametrize("with_marks", [True, False])
def test_reader_without_marks_sees_the_same(
    tmp_path: Path,
    commits_of: Callable[..., Callable[[int], int]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    with_marks: bool,
) -> None:
    """They save time and change nothing."""
    if not with_marks:
        monkeypatch.setattr("entitlements.store.opened.marks_of", lambda *_: None)
    commit_by_process = commits_of()
    reader = StoreReader(tmp_path)
    for versions in (1, 3, 1):
        seq = commit_by_process(versions)
        state = reader.state()
        assert state is not None
        assert state.seq == seq
