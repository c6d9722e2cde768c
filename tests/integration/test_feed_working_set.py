"""A feed that holds only the customers asked for: where they come from, what is believed, what is let go, what a restart keeps."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from entitlements.policy.feed_state_value import Phase
from entitlements.policy.ids import CustomerId
from entitlements.runtime.breaker import BreakerState
from entitlements.store.layout import ABSENT
from entitlements.wire.envelope import SigningKeyPair
from sidecar.feed import verify
from sidecar.feed.status import NoMetrics
from sidecar.feed.stranger_budget import CAPACITY, PER_S
from tests.support.feed_scene import FEED, Scene
from tests.support.valkey import ValkeyServer, running_valkey

CATALOGUE: dict[str, bytes | None] = {"f/seats": b"seats", "p/pro@1": b"pro"}


class Figures(NoMetrics):
    """Counts what the working set tells."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.let_go = 0

    def procured(self, product: str, result: str) -> None:  # noqa: ARG002 - the port's signature
        """Count."""
        self.results[result] += 1

    def not_believed(self, product: str, finding: str) -> None:  # noqa: ARG002
        """Count."""
        self.findings[finding] += 1

    def evicted(self, product: str, count: int) -> None:  # noqa: ARG002
        """Count."""
        self.let_go += count


class Selective(Scene):
    """A scene whose feed has room for some customers."""

    def __init__(self, folder: Path, valkey: ValkeyServer) -> None:
        super().__init__(folder, valkey)
        self.metrics = self.figures = Figures()
        self.gone: dict[CustomerId, str] = {}

    async def begin(self, *, room: int = 1_000) -> None:
        """Follow, and wait until the catalogue is there."""
        await self.follow(room=room)
        await self.until(self.at_position)

    def at_position(self) -> bool:
        """Return whether the feed stands at the head and is live there."""
        head, state = self.publisher.head, self.writer.state
        there = state is not None and (state.epoch, state.seq, state.chain) == (head.epoch, head.seq, head.chain)
        return there and self.loop.status.state is Phase.LIVE

    def want(self, *customers: str) -> None:
        """Ask for customers."""
        assert self.loop.procurement is not None
        self.loop.procurement.want([CustomerId(customer) for customer in customers], self.gone.update)

    async def have(self, *customers: str, beating: bool = True) -> None:
        """Ask for customers and wait until all of them are held, as they are or as absences."""
        self.want(*customers)
        await self.until(lambda: all(f"c/{one}" in self.records() for one in customers), beating=beating)

    def truthful(self) -> bool:
        """Return whether everything that is held is what the truth says."""
        truth = self.publisher.records
        return all(body == truth.get(key, ABSENT) for key, body in self.records().items())


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that the test may kill."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as server:
        yield server


@pytest.fixture
async def scene(tmp_path: Path, valkey: ValkeyServer) -> AsyncIterator[Selective]:
    """Set a scene with a catalogue and three customers, served by both paths."""
    made = Selective(tmp_path, valkey)
    made.publisher.commit_changes(CATALOGUE)
    made.publisher.commit("acme", "globex")
    made.publisher.commit("initech")
    made.publisher.refill()
    made.publisher.put_catalogue()
    await made.serve()
    yield made
    await made.close()


def held(scene: Selective) -> set[str]:
    """Return the keys of customers that are held."""
    return set(scene.records())


async def test_begins_with_the_catalogue_and_gets_what_is_asked_for(scene: Selective) -> None:
    """Nobody is held before somebody asks; whoever is asked for is fetched once, and a stranger is known as one."""
    await scene.begin()
    with scene.writer.reader().view() as view:
        assert view.keys("") == sorted(CATALOGUE)
    scene.want("acme", "nobody")
    await scene.have("acme", "nobody", "acme")
    assert scene.records() == {"c/acme": b"record", "c/nobody": ABSENT}
    assert scene.publisher.asked_for == [["acme", "nobody"]]
    assert scene.figures.results == {"control": 1, "absent": 1}
    assert scene.gone == {}


async def test_changes_reach_who_is_held_and_nobody_else(scene: Selective) -> None:
    """By the feed alone: a revocation is there without a question; a stranger who signs up is no stranger any more."""
    await scene.begin()
    await scene.have("acme", "initech", "nobody")
    scene.publisher.commit_changes({"c/acme": b"revoked", "c/globex": b"revoked", "c/nobody": b"somebody"})
    scene.publisher.commit_changes({"c/initech": None, "f/more": b"more"})
    scene.publisher.publish()
    await scene.until(scene.at_position)
    assert scene.records() == {"c/acme": b"revoked", "c/initech": ABSENT, "c/nobody": b"somebody"}
    assert len(scene.publisher.asked_for) == 1
    await scene.have("globex")
    assert scene.records()["c/globex"] == b"revoked"


async def test_a_proof_in_redis_saves_a_question(scene: Selective) -> None:
    """One of our position, or one since which nothing touched the customer."""
    scene.publisher.leave("acme")
    await scene.begin()
    scene.publisher.leave("globex")
    scene.publisher.commit("initech", body=b"changed")
    scene.publisher.publish()
    await scene.until(scene.at_position)
    await scene.have("acme", "globex")
    assert scene.publisher.asked_for == []
    assert scene.figures.results == {"redis": 2}
    assert scene.truthful()


async def test_a_new_sidecar_believes_what_was_proven_before_it_came(scene: Selective) -> None:
    """It reads the log backwards: who was not touched since is had from Redis, who was is asked for."""
    scene.publisher.leave("acme")
    scene.publisher.leave("globex")
    for number in range(700):
        scene.publisher.commit("globex" if number == 300 else f"other-{number}", body=b"changed")
    scene.publisher.publish()
    scene.publisher.put_catalogue()
    await scene.begin()
    await scene.until(lambda: "703 deltas" in repr(scene.loop.procurement))
    await scene.have("acme", "globex")
    assert scene.publisher.asked_for == [["globex"]]
    assert scene.truthful()
    assert scene.figures.findings == {"touched": 1}


async def test_what_lies_in_redis_can_delay_and_never_grant(scene: Selective) -> None:
    """Old, forged, of another customer, of another history, of another kind, no envelope at all: the control plane is asked."""
    await scene.begin()
    publisher = scene.publisher
    publisher.leave("acme")
    publisher.commit("acme", body=b"revoked")
    publisher.publish()
    await scene.until(scene.at_position)
    stranger, branch = SigningKeyPair.generate(), publisher.entries
    publisher.branch_off(publisher.head.seq - 1)
    publisher.commit("elsewhere")
    lost = publisher.proof("globex", body=b"granted")
    publisher.entries = branch
    del publisher.records["c/elsewhere"]
    publisher.leave("globex", lost)
    publisher.leave("initech", publisher.proof("initech", key=stranger, body=b"granted"))
    publisher.leave("nobody", publisher.proof("somebody-else", body=b"granted"))
    publisher.leave("noone", publisher.heartbeat())
    publisher.leave("nowhere", b"no envelope")
    before = Counter(scene.loop.status.counters)
    await scene.have("acme", "globex", "initech", "nobody", "noone", "nowhere")
    assert scene.truthful()
    assert sorted(scene.publisher.asked_for[0]) == ["acme", "globex", "initech", "nobody", "noone", "nowhere"]
    assert scene.figures.findings == {"touched": 1, "other_branch": 1}
    refused = Counter(scene.loop.status.counters) - before
    assert (refused["refused_unknown_kid"], refused["refused_malformed"]) == (1, 2)


async def test_a_proof_from_ahead_waits_for_the_feed(scene: Selective) -> None:
    """The store never mixes positions; the proof itself tells the feed to hurry, unless a heartbeat did before."""
    await scene.begin()
    scene.publisher.commit("acme", body=b"later")
    scene.publisher.append_silently()
    scene.want("acme")
    await scene.until(lambda: "c/acme" in held(scene), beating=False)
    assert scene.records() == {"c/acme": b"later"}
    assert scene.writer.state is not None
    assert scene.writer.state.seq == scene.publisher.head.seq
    assert scene.applied("NUDGE_AHEAD") + scene.applied("HEARTBEAT_AHEAD") > 0
    assert scene.publisher.asked_for == [["acme"]]


async def test_each_path_stands_in_for_the_other(scene: Selective, valkey: ValkeyServer) -> None:
    """Redis away: the control plane proves. Control plane away: what lies in Redis will do, and the rest is told to be out of reach."""
    await scene.begin()
    valkey.kill()
    await scene.have("acme", beating=False)
    valkey.start()
    scene.publisher.refill()
    scene.publisher.put_catalogue()
    await scene.until(scene.at_position)
    await scene.silence()
    scene.publisher.leave("globex")
    scene.want("globex", "initech")
    await scene.until(lambda: "c/globex" in held(scene) and bool(scene.gone))
    assert scene.gone == {"initech": "unreachable"}
    assert scene.figures.results == {"control": 1, "redis": 1, "unreachable": 1}


async def test_failing_proofs_leave_the_rest_of_the_control_plane_alone(scene: Selective, valkey: ValkeyServer) -> None:
    """They have a breaker of their own: heartbeats are asked for as before, and the answers stay fresh."""
    await scene.begin()
    scene.publisher.proves_nothing = True
    for number in range(10):
        scene.want(f"customer-{number}")
        await scene.until(lambda seen=number: len(scene.gone) > seen)  # type: ignore[misc]  # a default binds the round's number
    assert set(scene.gone.values()) == {"unreachable"}
    assert len(scene.publisher.asked_for) < 10, "the breaker opened"
    assert scene.loop.status.control_breaker is BreakerState.CLOSED
    valkey.kill()
    scene.publisher.commit("acme", body=b"later")
    await scene.until(scene.at_position, beating=False)


async def test_the_least_used_make_room(scene: Selective) -> None:
    """Room for two: a third one pushes out the one that was used least; who is used again and again stays."""
    await scene.begin(room=2)
    await scene.have("acme")
    assert scene.loop.procurement is not None
    for _ in range(2):
        scene.loop.procurement.used([CustomerId("acme")])
    await scene.have("globex")
    await scene.have("initech")
    assert held(scene) == {"c/acme", "c/initech"}
    assert scene.figures.let_go == 1
    scene.publisher.commit("globex", "acme", body=b"changed")
    scene.publisher.publish()
    await scene.until(scene.at_position)
    assert scene.records() == {"c/acme": b"changed", "c/initech": b"record"}


async def test_a_flood_of_strangers_stays_a_trickle(scene: Selective) -> None:
    """They push out nobody, reach the control plane within a budget, and are told at once that it is spent."""
    await scene.begin(room=100)
    await scene.have("acme")
    began = time.monotonic()
    scene.want(*(f"stranger-{number}" for number in range(1_900)))
    await scene.until(lambda: len(scene.gone) + len(held(scene)) == 1_901)
    asked = sum(map(len, scene.publisher.asked_for)) - 1
    assert CAPACITY // 2 < asked <= CAPACITY + PER_S * (time.monotonic() - began)
    assert set(scene.gone.values()) == {"busy"}
    assert scene.records()["c/acme"] == b"record"
    scene.gone.clear()
    scene.want(*(f"more-{number}" for number in range(5_000)))
    assert len(scene.gone) == 3_000, "told before anything was fetched"


async def test_a_restart_keeps_what_was_held(scene: Selective) -> None:
    """Verified by its own sum, and refused where the whole set is wanted; what changed meanwhile comes by the feed."""
    await scene.begin()
    await scene.have("acme", "globex", "nobody")
    await scene.leave()
    assert check(scene) == verify.VERIFIED
    assert check(scene, "--working-set", wanted=False) == verify.BAD
    scene.publisher.commit("acme", "nobody", body=b"while-away")
    scene.publisher.publish()
    await scene.begin()
    assert scene.records() == {"c/acme": b"while-away", "c/globex": b"record", "c/nobody": b"while-away"}
    assert (scene.applied("WRITE_REPLACED"), len(scene.publisher.asked_for)) == (0, 1)


def check(scene: Selective, option: str = "--working-set", *, wanted: bool = True) -> int:
    """Run the start-up check in this process, with or without an option."""
    line = verify.command(scene.directory, [scene.publisher.root.public], FEED)[3:]
    return verify.main([*line, option] if wanted else line)


async def test_a_new_epoch_drops_and_refills(scene: Selective) -> None:
    """What was held is fetched again by itself, as the new epoch has it."""
    await scene.begin()
    await scene.have("acme", "globex")
    scene.publisher.records["c/acme"] = b"restored"
    scene.publisher.begin_epoch()
    scene.publisher.refill()
    scene.publisher.put_catalogue()
    await scene.until(lambda: scene.at_position() and held(scene) == {"c/acme", "c/globex"})
    assert scene.records()["c/acme"] == b"restored"
    assert scene.applied("WRITE_REPLACED") == 2


async def test_a_whole_store_becomes_a_working_set_and_back(scene: Selective) -> None:
    """It serves while the catalogue is fetched; the way back needs a start-up check that sets the part aside."""
    await scene.follow()
    await scene.until(lambda: scene.at_position() and scene.truthful())
    assert len(held(scene)) == 3
    await scene.leave()
    assert check(scene) == verify.VERIFIED
    await scene.begin()
    assert (held(scene), scene.applied("STARTED_OTHER_EXTENT")) == (set(), 1)
    await scene.have("acme")
    await scene.leave()
    await scene.follow()
    await scene.until(lambda: scene.at_position() and len(held(scene)) == 3)


async def test_a_log_that_does_not_reach_back_is_bridged_by_a_catalogue(scene: Selective) -> None:
    """As by a snapshot of the whole set: nothing on demand survives, because what touched it is not known."""
    await scene.begin()
    await scene.have("acme")
    await scene.leave()
    for number in range(3):
        scene.publisher.commit("acme", body=b"missed-%d" % number)
    scene.publisher.publish()
    scene.publisher.put_catalogue()
    scene.publisher.trim(scene.publisher.head.seq)
    await scene.begin()
    await scene.until(lambda: held(scene) == {"c/acme"})
    assert scene.records()["c/acme"] == b"missed-2"


async def test_nothing_is_fetched_before_there_is_a_position(scene: Selective) -> None:
    """Whoever asks then is told so."""
    scene.publisher.client.flushall()
    await scene.silence()
    await scene.follow(room=10)
    scene.want("acme")
    await asyncio.sleep(0)
    assert scene.gone == {"acme": "not_ready"}


class Mixture:
    """Random moves of a vendor, of Redis, and of a service that asks; knows what was true at each position."""

    def __init__(self, scene: Selective, seed: int) -> None:
        self.scene = scene
        self.random = Random(seed)
        self.truth: dict[tuple[int, int], dict[str, bytes]] = {}
        self.proofs: list[tuple[str, bytes]] = []
        self.remember()

    def remember(self) -> None:
        """Note what is true at the head."""
        head = self.scene.publisher.head
        self.truth[head.epoch, head.seq] = dict(self.scene.publisher.records)

    def name(self) -> str:
        """Return one of a few customers, some of whom never exist."""
        return f"customer-{self.random.randrange(12)}"

    def commit(self) -> None:
        """Change, make or remove one or two customers, or a feature; now and then nobody hears of it."""
        keys = {f"c/{self.name()}" for _ in range(2)} if self.random.random() < 0.9 else {"f/extra"}
        bodies = {key: self.random.choice([None, self.random.randbytes(6)]) for key in keys}
        publisher = self.scene.publisher
        publisher.commit_changes({key: body for key, body in bodies.items() if body or key in publisher.records})
        self.remember()
        (publisher.publish if self.random.random() < 0.7 else publisher.append_silently)()

    def leave(self) -> None:
        """Leave a proof in Redis: of this moment, or any older one."""
        customer = self.name()
        self.proofs.append((customer, self.scene.publisher.proof(customer)))
        self.scene.publisher.leave(*self.random.choice(self.proofs))

    def ask(self) -> None:
        """Ask for some, and use some."""
        self.scene.want(*{self.name() for _ in range(3)})
        assert self.scene.loop.procurement is not None
        self.scene.loop.procurement.used([CustomerId(self.name())])

    def begin_epoch(self) -> None:
        """Begin an epoch, as after a restore."""
        if self.random.random() < 0.1:
            self.scene.publisher.begin_epoch()
            self.remember()
            self.refill()

    def refill(self) -> None:
        """Start the log anew, as after Redis was emptied, with a new catalogue beside it."""
        self.scene.publisher.refill()
        self.scene.publisher.put_catalogue()

    def move(self) -> None:
        """Do one thing."""
        move = self.random.choice([self.commit, self.commit, self.leave, self.ask, self.ask, self.begin_epoch])
        move()

    def check(self) -> None:
        """Whatever position the store stands at, everything in it is as it was there."""
        state = self.scene.writer.state
        assert state is not None
        truth = self.truth[state.epoch, state.seq]
        with self.scene.writer.reader().view() as view:
            held = {key: view.body_of(key) for key in view.keys("")}
        assert {key for key in held if key[0] != "c"} == {key for key in truth if key[0] != "c"}
        assert held == {key: truth.get(key, ABSENT) for key in held}


@pytest.mark.parametrize("seed", range(4))
async def test_a_mixture_of_everything_never_holds_what_is_not_so(scene: Selective, seed: int) -> None:
    """And comes to the head when it ends, with everybody who is asked for."""
    mixture = Mixture(scene, seed)
    await scene.begin(room=4)
    for _ in range(250):
        mixture.move()
        if mixture.random.random() < 0.2:
            scene.publisher.beat()
        await asyncio.sleep(mixture.random.choice([0, 0, 0.002, 0.01]))
        mixture.check()
    await scene.until(scene.at_position)
    for customer in ("customer-1", "customer-2"):
        await scene.have(customer)
    mixture.check()
