"""The start-up check of a whole store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from entitlements.policy.digest import sum_records, sum_to_bytes
from entitlements.store.errors import CorruptRecord, CorruptStore, NothingStored
from entitlements.store.layout import ENVELOPE_KEY, STATE_KEY, SUM_KEY, pack_record
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History


def test_a_sound_store_tells_what_the_signature_check_needs(
    writer: StoreWriter, history: History, tmp_path: Path
) -> None:
    """Sum, digest, count, state and the signed bytes come back."""
    writer.put_key_set(b"keys")
    state = writer.state
    writer.close()
    result = verify_digest(tmp_path)
    assert result.sum == sum_records(history.records.items())
    assert result.digest == history.digest()
    assert (result.count, result.state, result.envelope, result.key_set) == (3, state, b"manifest envelope", b"keys")


def test_no_store_is_nothing(tmp_path: Path, open_writer: Callable[..., StoreWriter]) -> None:
    """Neither a missing directory, nor an empty one, nor a store without a policy set is corrupt."""
    with pytest.raises(NothingStored):
        verify_digest(tmp_path / "none")
    with pytest.raises(NothingStored):
        verify_digest(tmp_path)
    open_writer().close()
    with pytest.raises(NothingStored):
        verify_digest(tmp_path)


def change(writer: StoreWriter, work: Callable[[StoreWriter, lmdb.Transaction[bytes]], object]) -> None:
    """Change the file behind the writer's back, consistently for LMDB."""
    writer._file.transact(lambda txn: work(writer, txn))
    writer.close()


@pytest.mark.parametrize(
    "work, error",
    [
        (lambda w, t: t.put(b"c/acme", b"12345678customer", db=w._file.records), CorruptRecord),
        (lambda w, t: t.put(b"c/acme", pack_record("c/acme", b"planted"), db=w._file.records), CorruptStore),
        (lambda w, t: t.delete(b"c/acme", db=w._file.records), CorruptStore),
        (lambda w, t: t.put(b"\xff\xfe", b"12345678x", db=w._file.records), CorruptStore),
        (lambda w, t: t.delete(ENVELOPE_KEY, db=w._file.meta), CorruptStore),
        (lambda w, t: t.put(SUM_KEY, sum_to_bytes(7), db=w._file.meta), CorruptStore),
        (lambda w, t: t.put(STATE_KEY, b"x", db=w._file.meta), CorruptStore),
    ],
    ids=["checksum", "planted", "removed", "no-text", "no-proof", "sum", "state"],
)
def test_contradictions_are_found(
    writer: StoreWriter, tmp_path: Path, work: Callable[..., object], error: type[CorruptStore]
) -> None:
    """A store that contradicts itself does not verify."""
    change(writer, work)
    with pytest.raises(error):
        verify_digest(tmp_path)


def test_a_running_store_can_be_verified_too(writer: StoreWriter, tmp_path: Path) -> None:
    """The re-hash leaves everything as it is: the store opens and reads as before."""
    before = writer.state
    writer.close()
    verify_digest(tmp_path)
    with StoreWriter(tmp_path, 1 << 20) as again:
        assert again.state == before
