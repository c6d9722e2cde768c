"""Whatever is delivered, lost, fetched, forgotten and restarted: what a partial store holds is what the whole set holds at its position."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from entitlements.policy.digest import digest_of, sum_records
from entitlements.policy.feed_state_value import Position
from entitlements.policy.ids import CustomerId, Epoch, RecordKey, Seq, customer_record_key
from entitlements.policy.roster import Roster
from entitlements.policy.working_set import Finding, Recollection, customer_of
from entitlements.store.rehash import verify_digest
from entitlements.store.writer import StoreWriter
from tests.unit.store.history import Delta, History

NAMES = st.sampled_from([CustomerId(name) for name in "abc"])
BODIES = st.none() | st.binary(min_size=1, max_size=8)
CHANGES = st.dictionaries(NAMES.map(customer_record_key) | st.sampled_from(["f/x", "p/y@1"]), BODIES, min_size=1)
WINDOW, TOUCHES, MOST = 4, 9, 2


@dataclass(frozen=True)
class ProofOf:
    """What was once so of a customer: by shape what the control plane signs."""

    epoch: Epoch
    seq: Seq
    chain: bytes
    customer: CustomerId
    body: bytes | None


class WorkingSetMachine(RuleBasedStateMachine):
    """A control plane, a log, every proof it ever made, another branch of its history, and a sidecar with room for two customers."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.history = History(epoch=5)
        self.truth: dict[tuple[int, int], dict[str, bytes]] = {}
        self.log: list[Delta] = []
        self.proofs: list[ProofOf] = []
        self.waiting: list[ProofOf] = []
        self.now_ms = 0
        self.recollection = Recollection(WINDOW, TOUCHES)
        self.roster = Roster(MOST)
        self.findings: set[Finding] = set()

    @initialize(changes=CHANGES)
    def start(self, changes: dict[str, bytes | None]) -> None:
        """Commit something, and take the catalogue."""
        self.writer = StoreWriter(Path(self.place.name), 1 << 20, "boot")
        self.write(changes)
        self.take_catalogue()

    def remember(self) -> None:
        """Note what is true at the head."""
        self.truth[self.history.epoch, self.history.seq] = dict(self.history.records)

    @rule(changes=CHANGES)
    def write(self, changes: dict[str, bytes | None]) -> None:
        """Commit a delta; whether it arrives is another question."""
        self.log.append(self.history.delta(changes))
        self.remember()

    @rule(customer=NAMES)
    def prove(self, customer: CustomerId) -> None:
        """Let the control plane prove a customer at its head, for whoever; the proof is around from now on."""
        history = self.history
        body = history.records.get(customer_record_key(customer))
        self.proofs.append(ProofOf(history.epoch, history.seq, history.chain, customer, body))

    @rule(customer=NAMES, back=st.integers(0, 3))
    def lie(self, customer: CustomerId, back: int) -> None:
        """Let a branch of history that was lost prove something: well signed, another chain value."""
        seq = Seq(max(0, self.history.seq - back))
        self.proofs.append(ProofOf(self.history.epoch, seq, b"another branch".ljust(32), customer, b"lie"))

    @rule(count=st.integers(1, 3))
    def deliver(self, count: int) -> None:
        """Let the next deltas arrive, as one run."""
        state = self.writer.state
        assert state is not None
        run = [delta for delta in self.log if delta.epoch == state.epoch and delta.seq > state.seq][:count]
        if run:
            self.writer.apply(run, b"delta")
            self.recollection.follow(run)
            self.roster.follow(run, self.now_ms)
            waiting, self.waiting = self.waiting, []
            for proof in waiting:
                self.offer(proof)

    @rule(customer=NAMES)
    def ask(self, customer: CustomerId) -> None:
        """Ask the control plane."""
        self.prove(customer)
        self.offer(self.proofs[-1])

    @precondition(lambda self: self.proofs)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        """Get any proof that was ever made, as a cache that nobody trusts may give it."""
        self.offer(data.draw(st.sampled_from(self.proofs)))

    def offer(self, proof: ProofOf) -> None:
        """Do with a proof what a sidecar does."""
        finding = self.recollection.judge(proof)
        self.findings.add(finding)
        if finding is Finding.AHEAD:
            self.waiting.append(proof)
        if finding is Finding.TRUE:
            self.writer.hold({customer_record_key(proof.customer): proof.body})
            self.roster.take(proof.customer, self.now_ms, absent=proof.body is None)

    @rule(used=st.sets(NAMES), wait_ms=st.integers(0, 40_000))
    def go_on(self, used: set[CustomerId], wait_ms: int) -> None:
        """Hear of uses, let time pass, and let go what has to."""
        self.roster.use(sorted(used))
        self.now_ms += wait_ms
        gone = [customer_record_key(one) for one in self.roster.surplus(self.now_ms, 10)]
        self.writer.hold({}, gone)

    @rule()
    def restart(self) -> None:
        """Close and open; the past is forgotten, what is held is not."""
        self.writer.close()
        found = verify_digest(Path(self.place.name))
        assert found.state.partial
        self.writer = StoreWriter(Path(self.place.name), 1 << 20, "boot")
        self.waiting = []
        self.recollection.begin(Position(found.state.epoch, found.state.seq, found.state.chain))
        held = {customer: body for key, body in self.held().items() if (customer := customer_of(key)) is not None}
        self.roster = Roster(MOST)
        self.roster.begin([c for c, body in held.items() if body], [c for c, body in held.items() if not body], 0)

    @rule(count=st.integers(1, 3), elsewhere=st.booleans())
    def recall(self, *, count: int, elsewhere: bool) -> None:
        """Read the log backwards, to believe what was proven before; a log of another history does not fit."""
        oldest = self.recollection.oldest
        assert oldest is not None
        past = [delta for delta in self.log if delta.epoch == oldest.epoch and delta.seq <= oldest.seq][-count:]
        if elsewhere:
            past = [replace(delta, chain=b"another branch".ljust(32)) for delta in past]
        fits = self.recollection.recall(past)
        assert not (elsewhere and past and fits)

    @rule()
    def re_epoch(self) -> None:
        """Begin an epoch; the sidecar takes its catalogue, and nothing on demand survives."""
        self.history.epoch, self.history.seq = Epoch(self.history.epoch + 1), Seq(0)
        self.remember()
        self.take_catalogue()

    @rule()
    def take_catalogue(self) -> None:
        """Replace everything, as after a range that is no longer kept."""
        facts = self.history.manifest()
        records = [pair for pair in self.history.snapshot() if not pair[0].startswith("c/")]
        part = digest_of(sum_records(records))
        self.writer.replace(records, replace(facts, record_count=len(records)), b"catalogue", part)
        self.recollection.begin(Position(facts.epoch, facts.seq, facts.chain))
        self.roster.begin()
        waiting, self.waiting = self.waiting, []
        for proof in waiting:
            self.offer(proof)

    def held(self) -> dict[str, bytes]:
        """Return everything in the store."""
        with self.writer.reader().view() as view:
            return {key: view.body_of(key) or b"" for key in view.keys("")}

    @precondition(lambda self: hasattr(self, "writer"))
    @invariant()
    def holds_what_is_so(self) -> None:
        """The store is the whole set at its position, restricted to the catalogue and to the roster."""
        state = self.writer.state
        assert state is not None
        truth = self.truth[state.epoch, state.seq]
        held = self.held()
        catalogue = {key for key in truth if not key.startswith("c/")}
        customers = {key for key in held if key.startswith("c/")}
        assert held.keys() == catalogue | customers
        assert held == {key: truth.get(key, b"") for key in held}, "a record or an absence of another version"
        assert {RecordKey(key) for key in customers} == {
            customer_record_key(one) for one in map(CustomerId, "abc") if one in self.roster
        }
        assert self.roster.customers == sum(1 for key in customers if held[key])
        assert self.writer.digest == digest_of(sum_records(truth.items()))
        assert self.recollection.position == Position(state.epoch, state.seq, state.chain)

    def teardown(self) -> None:
        """Close and remove the store."""
        if hasattr(self, "writer"):
            self.writer.close()
        self.place.cleanup()


TestWorkingSet = WorkingSetMachine.TestCase
TestWorkingSet.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
