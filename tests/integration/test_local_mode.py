"""Local mode between real processes: a writer, readers that are killed, forked or of another user, and a sidecar that answers the same."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import world
from demo.vendor import PRODUCTS
from entitlements.client import Answer, EntitlementClient, Fallback, LocalEntitlementClient, Question
from entitlements.runtime.boot import read_boot_id
from entitlements.store.writer import StoreWriter
from tests.support.processes import ROOT, SidecarProcess, wait_until
from tests.support.serving_sidecar import serving_sidecar
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.store_keeper import StoreKeeper

ASK = ("customer-0000001", "feature-02")
MOVING = {"message", "decision_id", "age_ms", "valid_until"}
"""What two answers to one question differ in."""
SHOWN = [name for name, part in vars(Answer).items() if isinstance(part, property) and name not in MOVING]
STRANGER = 54_321
"""A user and a group that no machine has."""
PROMPT_S = 0.5
"""A replaced store is looked for each 50 ms; this is that, on a machine that is busy with something else."""
VIEWING = """
import sys
from pathlib import Path
from entitlements.store.reader import StoreReader
reader = StoreReader(Path(sys.argv[1]))
with reader.view() as view:
    assert view.state() is not None
    print("viewing", flush=True)
    sys.stdin.read()
"""


def bodies(customers: int = 4) -> dict[str, bytes]:
    """Return the records of a small vendor."""
    return dict(world.bodies(customers, now_ms()))


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[StoreKeeper]:
    """Run a process that keeps a store."""
    with StoreKeeper(tmp_path, world.PRODUCT, bodies()) as running:
        yield running


@pytest.fixture
def client(keeper: StoreKeeper, tmp_path: Path) -> Iterator[LocalEntitlementClient]:
    """Return a client of that store, with nobody where its sidecar should be."""
    assert keeper.seq == 1
    with LocalEntitlementClient(tmp_path, product=world.PRODUCT, target=f"unix:{tmp_path / 'nobody'}") as made:
        yield made


def viewer(tmp_path: Path) -> subprocess.Popen[str]:
    """Start a process that stays in the middle of a view."""
    directory = SignedFeed(world.PRODUCT).directory(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", VIEWING, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "viewing\n"
    return process


def in_child(work: Callable[[], bool]) -> bool:
    """Return what a forked child makes of it; a child that hangs or dies is a False."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sink, b"y" if work() else b"n")
        finally:
            os._exit(0)
    os.close(sink)
    readable, _, _ = select.select([source], [], [], 20)
    told = os.read(source, 1) if readable else b""
    os.close(source)
    if not readable:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return told == b"y"


def test_same_answers_as_over_grpc(tmp_path: Path) -> None:
    """Every customer and feature of the example vendor, in every field that does not tell one answer from another."""
    with serving_sidecar(tmp_path) as sidecar:
        remote = EntitlementClient(sidecar.target, product=PRODUCTS[0], timeout_s=5.0)
        local = LocalEntitlementClient(tmp_path / "store", product=PRODUCTS[0], target="unix:/nowhere")
        directory = SignedFeed(PRODUCTS[0]).directory(tmp_path / "store")
        with StoreWriter(directory, 1 << 24, read_boot_id()) as writer:
            SignedFeed.pulse(writer)
        with remote, local:
            seen = 0
            for customer in ("acme", "globex", "initech", "sable-design", "brightwater", "quill-and-co", "nobody"):
                for there in remote.entitlements(customer):
                    here = local.check(customer, there.feature)
                    assert {name: getattr(here, name) for name in SHOWN} == {
                        name: getattr(there, name) for name in SHOWN
                    }
                    assert (here.valid_until is None) == (there.valid_until is None)
                    seen += 1
            assert seen > 150
            assert local.figures().detours == {}


def test_store_that_cannot_answer_is_the_sidecars_turn(tmp_path: Path) -> None:
    """No store where the client looks: the same answers, by RPC; and the caller's fallback when the sidecar has gone too."""
    with serving_sidecar(tmp_path) as sidecar:
        client = LocalEntitlementClient(tmp_path / "other", product=PRODUCTS[0], target=sidecar.target, timeout_s=5.0)
        with client:
            assert client.check("acme", "report-exports").code == "ENTITLED"
            assert [answer.feature for answer in client.entitlements("acme", prefix="api-")] == [
                "api-access",
                "api-rate",
            ]
            (reply,) = client.batch([Question("initech", "report-exports")])
            assert isinstance(reply, Answer)
            assert reply.code == "NOT_IN_PLAN"
            sidecar.part.kill()
            answer = client.check("acme", "report-exports", fallback=Fallback(allowed=True), timeout_s=0.2)
            assert (answer.code, answer.served_from) == ("FALLBACK_ALLOW", "CALLER_FALLBACK")
            assert client.figures().detours == {"no_store": 4}


def test_answers_go_on_without_a_sidecar_and_say_how_old_they_are(
    client: LocalEntitlementClient, keeper: StoreKeeper
) -> None:
    """The writer is silent: the age grows, the freshness follows, the verdict stays."""
    keeper.pulse(age_ms=4_950)
    assert client.check(*ASK).freshness == "FRESH"
    wait_until(lambda: client.check(*ASK).freshness == "STALE", 5, "the next rung")
    assert client.check(*ASK).allowed
    assert client.figures().detours == {}


def test_revocation_is_seen_by_the_next_question(client: LocalEntitlementClient, keeper: StoreKeeper) -> None:
    """As soon as the writer has committed it, no message and no delay between."""
    for turn in range(20):
        assert client.check(*ASK).code == "ENTITLED"
        keeper.change({"c/customer-0000001": None})
        assert client.check(*ASK).code == "CUSTOMER_UNKNOWN"
        keeper.change({"c/customer-0000001": bodies()["c/customer-0000001"]})
        assert client.check(*ASK).version == f"{keeper.epoch}-{3 + 2 * turn}"


def test_store_that_is_replaced_is_followed(client: LocalEntitlementClient, keeper: StoreKeeper) -> None:
    """Set aside and written anew, while questions are asked: no wrong answer, and soon the new one."""
    assert client.check(*ASK).allowed
    new = {key: body for key, body in bodies().items() if key != "c/customer-0000001"}
    keeper.put_in_place(new)
    taken = wait_until(lambda: client.check(*ASK).code == "CUSTOMER_UNKNOWN", 5, "the new store")
    assert taken < PROMPT_S
    assert client.check(*ASK).version == f"{keeper.epoch}-1"


def test_store_that_is_compacted_is_followed(client: LocalEntitlementClient, keeper: StoreKeeper) -> None:
    """Old and new file say the same; what is changed in the new one is seen, and the old one is let go."""
    assert client.check(*ASK).allowed
    large = keeper.change({f"c/big-{part}": os.urandom(60_000) for part in range(20)})
    keeper.change({f"c/big-{part}": None for part in range(20)})
    assert client.check(*ASK).allowed
    assert keeper.compact() < large / 2
    keeper.change({"c/customer-0000001": None})
    taken = wait_until(lambda: client.check(*ASK).code == "CUSTOMER_UNKNOWN", 5, "the new file")
    assert taken < PROMPT_S
    assert client.figures().detours == {}


def test_map_that_grows_is_adopted_while_threads_ask(tmp_path: Path) -> None:
    """The set outgrows the map several times."""
    with StoreKeeper(tmp_path, world.PRODUCT, bodies(), map_bytes=1 << 20) as keeper:
        over = threading.Event()
        wrong: list[Answer] = []
        client = LocalEntitlementClient(tmp_path, product=world.PRODUCT, target=f"unix:{tmp_path / 'nobody'}")

        def ask() -> None:
            while not over.is_set():
                answer = client.check("customer-0000002", "feature-02")
                if answer.code != "ENTITLED":
                    wrong.append(answer)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        with client:
            for asker in askers:
                asker.start()
            for number in range(8):
                keeper.change({f"c/big-{number}-{part}": os.urandom(60_000) for part in range(12)})
            over.set()
            for asker in askers:
                asker.join()
        assert wrong == []
        assert client.figures().detours == {}


def test_reader_that_is_killed_in_a_view_does_not_keep_pages(keeper: StoreKeeper, tmp_path: Path) -> None:
    """While it lives its pages are kept and the file grows; after SIGKILL and the writer's upkeep it does not any more."""
    change = {"c/customer-0000003": bodies()["c/customer-0000003"], "c/customer-0000001": None}
    keeper.change(change, times=50)
    steady = keeper.change(change, times=200) - keeper.change(change, times=1)
    process = viewer(tmp_path)
    before = keeper.change(change)
    held = keeper.change(change, times=200) - before
    process.kill()
    process.communicate()
    assert keeper.clear_dead_readers() == 1
    before = keeper.change(change, times=5)
    freed = keeper.change(change, times=200) - before
    assert held > 200
    assert abs(steady) < 20
    assert freed < 20


def test_writer_never_waits_for_a_reader(keeper: StoreKeeper, tmp_path: Path) -> None:
    """A reader that is stopped in a view costs pages, never time."""
    process = viewer(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        keeper.change({"c/customer-0000001": None}, times=100)
        assert time.monotonic() - started < 5
    finally:
        process.kill()
        process.communicate()


def test_fork(client: LocalEntitlementClient, keeper: StoreKeeper) -> None:
    """The child opens the store for itself and begins anew; the parent goes on; neither takes the other's place."""
    assert client.check(*ASK).allowed

    def child() -> bool:
        fresh = client.figures().answered == 0
        answers = [client.check(*ASK) for _ in range(3)]
        batch = client.batch([Question(*ASK)] * 2)
        return fresh and all(answers) and all(batch) and client.figures().detours == {}

    for _ in range(5):
        assert in_child(child)
        assert client.check(*ASK).allowed
        keeper.change({"c/customer-0000003": None})
    assert client.figures().detours == {}
    ids = {client.check(*ASK).decision_id.partition("-")[0] for _ in range(3)}
    assert len(ids) == 1


def test_fork_while_other_threads_ask(client: LocalEntitlementClient) -> None:
    """Whatever a thread of the parent holds at that moment, the child is not stuck on it."""
    over = threading.Event()
    wrong: list[Answer] = []

    def ask() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            answer = client.check(f"customer-000000{turn % 4}", f"feature-{turn % 20:02d}")
            if answer.is_fallback:
                wrong.append(answer)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        results = [in_child(lambda: client.check(*ASK).code == "ENTITLED") for _ in range(20)]
    finally:
        over.set()
        for asker in askers:
            asker.join()
    assert all(results)
    assert wrong == []


def test_child_that_ends_as_a_program_does(client: LocalEntitlementClient) -> None:
    """What its interpreter tidies up at exit is its own, not the parent's places in the table of readers."""
    assert client.check(*ASK).allowed
    child = os.fork()
    if child == 0:
        client.check(*ASK)
        client.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert client.check("customer-0000002", "feature-02").allowed
    assert client.figures().detours == {}


@pytest.mark.parametrize("access, answered", [("group", True), ("private", False)])
def test_application_of_another_user(access: str, *, answered: bool) -> None:
    """In the store's group, over a store that a real sidecar keeps open to it; closed, the question goes to the sidecar."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to other users
        pod = Path(name)
        os.chown(pod, 0, STRANGER)
        pod.chmod(0o2755)
        feed = SignedFeed(world.PRODUCT)
        feed.write(pod / "store", bodies())
        settings = {"STORE_ACCESS": access}
        with SidecarProcess(pod, world.PRODUCT, feed.root_hex, settings):

            def as_a_stranger() -> bool:
                os.setgroups([])
                os.setgid(STRANGER)
                os.setuid(STRANGER)
                client = LocalEntitlementClient(pod / "store", product=world.PRODUCT, target="unix:/nowhere")
                answer = client.check(*ASK)
                return (answer.code == "ENTITLED") is answered and bool(client.figures().detours) is not answered

            assert in_child(as_a_stranger)
