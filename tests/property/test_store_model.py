"""Whatever is done to a store, it equals a plain dictionary with a digest computed from scratch."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from entitlements.policy.digest import digest_of, sum_records
from entitlements.policy.ids import Epoch, Seq
from entitlements.store.errors import DigestMismatch, NotAhead
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import History

KEYS = st.builds("{}/{}".format, st.sampled_from("fpc"), st.sampled_from(["a", "b", "c", "ü", "x" * 120]))
BODIES = st.binary(min_size=1, max_size=5000)
CHANGES = st.dictionaries(KEYS, st.none() | BODIES, min_size=1, max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """Applies, replaces, lies and reopens; the history is the model."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.directory = Path(self.place.name)
        self.history = History()
        self.floor = (0, 0)

    @initialize(changes=CHANGES)
    def start(self, changes: dict[str, bytes | None]) -> None:
        """Open a small store, so that its map has to grow now and then, and take a first snapshot."""
        self.writer = StoreWriter(self.directory, 1 << 17, "boot")
        self.history.delta(changes)
        self.writer.replace(self.history.snapshot(), self.history.manifest(), b"0")

    @rule(runs=st.lists(CHANGES, min_size=1, max_size=3))
    def apply(self, runs: list[dict[str, bytes | None]]) -> None:
        """Apply a run of deltas."""
        self.writer.apply([self.history.delta(changes) for changes in runs], b"delta")

    @rule(changes=CHANGES, bump=st.booleans())
    def replace(self, *, changes: dict[str, bytes | None], bump: bool) -> None:
        """Take a snapshot further on, sometimes of a new epoch."""
        self.history.delta(changes)
        if bump:
            self.history.epoch, self.history.seq = Epoch(self.history.epoch + 1), Seq(0)
        self.writer.replace(self.history.snapshot(), self.history.manifest(), b"snapshot")

    @rule(changes=CHANGES)
    def lie(self, changes: dict[str, bytes | None]) -> None:
        """Offer a delta whose signed digest is of another set."""
        honest = dict(self.history.records), self.history.seq, self.history.chain
        wrong = dataclasses.replace(self.history.delta(changes), digest=bytes(32))
        with pytest.raises(DigestMismatch):
            self.writer.apply([wrong], b"lie")
        self.history.records, self.history.seq, self.history.chain = honest

    @rule()
    def go_back(self) -> None:
        """Offer an older snapshot."""
        old = dataclasses.replace(self.history.manifest(), epoch=Epoch(self.history.epoch - 1))
        with pytest.raises(NotAhead):
            self.writer.replace(self.history.snapshot(), old, b"old")

    @rule()
    def raise_floor(self) -> None:
        """Sync and raise the floor."""
        self.writer.sync()
        self.floor = self.writer.raise_floor().position

    @rule()
    def reopen(self) -> None:
        """Close and open, as a restart does; the whole store verifies in between."""
        self.writer.close()
        result = verify_digest(self.directory)
        assert result.digest == self.history.digest()
        assert result.count == len(self.history.records)
        self.writer = StoreWriter(self.directory, 1 << 17, "boot")

    @precondition(lambda self: hasattr(self, "writer"))
    @invariant()
    def equals_the_model(self) -> None:
        """Records, position, sum and floor are the model's."""
        state = self.writer.state
        assert state is not None
        assert state[:4] == (self.history.epoch, self.history.seq, self.history.chain, True)
        assert self.writer.floor.position == self.floor
        assert self.writer.digest_sum == sum_records(self.history.records.items())
        assert digest_of(self.writer.digest_sum) == self.history.digest()
        with self.writer.reader().view() as view:
            assert view.keys("") == sorted(self.history.records, key=str.encode)
            assert {key: view.body_of(key) for key in view.keys("")} == self.history.records
            assert view.state() == state

    def teardown(self) -> None:
        """Close and remove the store."""
        if hasattr(self, "writer"):
            self.writer.close()
        self.place.cleanup()


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
