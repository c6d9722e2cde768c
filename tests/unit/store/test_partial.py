"""A partial set: the whole catalogue, some customers, and what vouches for it without the digest of the whole."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from entitlements.policy.digest import digest_of, record_checksum, sum_records
from entitlements.policy.ids import RecordKey
from entitlements.store.compaction import Compaction
from entitlements.store.errors import CorruptStore, DigestMismatch, NothingStored, NotNext
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

ACME, INITECH, NOBODY = RecordKey("c/acme"), RecordKey("c/initech"), RecordKey("c/nobody")


def catalogue(history: History) -> list[tuple[str, bytes]]:
    """Return what is no customer."""
    return [pair for pair in history.snapshot() if not pair[0].startswith("c/")]


def take(writer: StoreWriter, history: History) -> None:
    """Take the catalogue at the history's position."""
    records = catalogue(history)
    facts = history.manifest()
    manifest = dataclasses.replace(facts, record_count=len(records))
    writer.replace(records, manifest, b"catalogue envelope", digest_of(sum_records(records)))


@pytest.fixture
def partial(open_writer: Callable[..., StoreWriter], history: History) -> StoreWriter:
    """Return a writer that holds the history's catalogue."""
    writer = open_writer()
    take(writer, history)
    return writer


def bodies(writer: StoreWriter) -> dict[str, bytes | None]:
    """Return everything that is held."""
    with writer.reader().view() as view:
        return {key: view.body_of(key) for key in view.keys("")}


def test_a_catalogue_is_a_partial_set_at_a_position(partial: StoreWriter, history: History) -> None:
    """It is complete for readers, says that customers may be missing, and remembers the signed digest of the whole."""
    state = partial.state
    assert state is not None
    assert (state.complete, state.partial, state.seq) == (True, True, history.seq)
    assert bodies(partial) == dict(catalogue(history))
    assert partial.digest == history.digest() != digest_of(partial.digest_sum)


def test_a_catalogue_with_other_records_is_refused(open_writer: Callable[..., StoreWriter], history: History) -> None:
    """The digest of the part is compared, as that of the whole would be."""
    with pytest.raises(DigestMismatch):
        open_writer().replace(catalogue(history), history.manifest(), b"", history.digest())


def test_customers_come_and_go_at_a_position(partial: StoreWriter, history: History) -> None:
    """Presence, absence and letting go leave position and proof as they are; the sum follows."""
    before, proof = partial.state, partial.last_envelope
    partial.hold({ACME: b"customer", NOBODY: None})
    assert bodies(partial) == {**dict(catalogue(history)), ACME: b"customer", NOBODY: b""}
    with partial.reader().view() as view:
        assert view.version_of(NOBODY) == record_checksum(NOBODY, b"")
        assert view.version_of(INITECH) is None
    partial.hold({INITECH: b"other"}, [ACME, NOBODY, RecordKey("c/never")])
    assert bodies(partial) == {**dict(catalogue(history)), INITECH: b"other"}
    assert (partial.state, partial.last_envelope) == (before, proof)
    assert partial.digest_sum == sum_records((key, body or b"") for key, body in bodies(partial).items())


def test_deltas_reach_what_is_held_and_the_whole_catalogue(partial: StoreWriter, history: History) -> None:
    """A customer that is not held stays so, a removed one becomes absent, an absent one that is made becomes present."""
    history.delta({"c/initech": b"unseen"})
    take(partial, history)
    partial.hold({ACME: b"customer", NOBODY: None})
    partial.apply(
        [
            history.delta({"c/acme": b"changed", "c/initech": b"changed", "f/new": b"feature"}),
            history.delta({"c/nobody": b"somebody", "p/pro@1": None}),
        ],
        b"delta",
    )
    assert bodies(partial) == {
        "f/exports": b"feature",
        "f/new": b"feature",
        "c/acme": b"changed",
        "c/nobody": b"somebody",
    }
    partial.apply([history.delta({"c/acme": None})], b"delta")
    assert bodies(partial)[ACME] == b""
    assert partial.digest == history.digest()
    stranger = dataclasses.replace(history.delta({"c/acme": b"again"}), prev=bytes(32))
    with pytest.raises(NotNext):
        partial.apply([stranger], b"")


def test_it_survives_a_restart_with_everything(
    partial: StoreWriter, history: History, open_writer: Callable[..., StoreWriter], tmp_path: Path
) -> None:
    """Flag, signed digest and sum are on disk, and the start-up check goes over what is held."""
    partial.hold({ACME: b"customer", NOBODY: None})
    kept = bodies(partial)
    again = open_writer()
    assert again.state is not None
    assert again.state.partial
    assert (again.digest, bodies(again)) == (history.digest(), kept)
    again.close()
    found = verify_digest(tmp_path)
    assert (found.count, found.state.partial) == (4, True)


def test_decay_is_found_at_the_start(partial: StoreWriter, tmp_path: Path) -> None:
    """A record that goes or changes behind the writer's back contradicts the sum, an absence as much as a customer."""
    partial.hold({ACME: b"customer", NOBODY: None})
    partial._file.transact(lambda txn: txn.delete(NOBODY.encode(), db=partial._file.records))
    partial.close()
    with pytest.raises(CorruptStore, match="add up"):
        verify_digest(tmp_path)


def test_a_whole_set_takes_no_customers_by_themselves(writer: StoreWriter) -> None:
    """And a whole snapshot ends a partial set."""
    with pytest.raises(NothingStored):
        writer.hold({ACME: b"customer"})


def test_a_whole_snapshot_ends_a_partial_set(partial: StoreWriter, history: History) -> None:
    """The flag goes with it, and the digest is compared again."""
    history.delta({"c/initech": b"other"})
    partial.replace(history.snapshot(), history.manifest(), b"manifest")
    assert partial.state is not None
    assert not partial.state.partial
    assert partial.digest == history.digest() == digest_of(partial.digest_sum)


def test_it_can_be_compacted_while_customers_come_and_go(
    partial: StoreWriter, history: History, tmp_path: Path
) -> None:
    """What was taken, dropped and changed during the copy is in it, and so is the signed digest of the whole."""
    partial.hold({ACME: b"customer", NOBODY: None})
    compaction = Compaction(partial.file, tmp_path)
    subprocess.run(compaction.begin(), stdout=subprocess.DEVNULL, check=True)
    partial.hold({INITECH: b"other"}, [NOBODY])
    compaction.catch_up()
    partial.apply([history.delta({"c/acme": b"changed", "c/unseen": b"unseen"})], b"delta")
    partial.hold({NOBODY: None})
    kept, said = bodies(partial), (partial.state, partial.digest_sum, partial.digest)
    assert compaction.swap()
    compaction.end()
    assert kept == {**dict(catalogue(history)), ACME: b"changed", INITECH: b"other", NOBODY: b""}
    assert (bodies(partial), partial.state, partial.digest_sum, partial.digest) == (kept, *said)
    partial.close()
    assert verify_digest(tmp_path).sum == said[1]
