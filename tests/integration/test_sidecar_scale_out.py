"""Several processes that answer from one store: real processes, one TCP port, no control plane."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import world
from entitlements.runtime.locks import FileLock, LockTaken
from entitlements.v1 import check_service_pb2, check_service_pb2_grpc, decision_pb2
from sidecar.intercom import predecessors, serving_claim
from tests.support.processes import SidecarProcess, free_port, is_running, wait_until
from tests.support.signed_feed import SignedFeed, now_ms

WITHIN_S = 10
PROCESSES = 3
CONNECTIONS = 60
QUESTION = check_service_pb2.CheckRequest(customer_id="customer-0000001", feature="feature-01")


def stored(folder: Path) -> SignedFeed:
    """Write a store with twenty features and ten customers."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(folder / "store", dict(world.bodies(10, now_ms())))
    return feed


def several(folder: Path, root_hex: str, port: int, count: int = PROCESSES, **settings: str) -> SidecarProcess:
    """Return a sidecar with several processes on one port, not started."""
    chosen = {"SERVING_PROCESSES": str(count), "LISTEN": f"127.0.0.1:{port}", **settings}
    return SidecarProcess(folder, world.PRODUCT, root_hex, chosen)


def states(sidecar: SidecarProcess) -> list[dict[str, Any]]:
    """Return the status of each process that answers."""
    told = sidecar.status()
    return [told["serving"], *told["also_serving"]]


def pids(sidecar: SidecarProcess) -> list[int]:
    """Return the processes that answer, in the order of their numbers; 0 for one that is down."""
    return [int(one.get("pid", 0)) for one in states(sidecar)]


def wait_for_all(sidecar: SidecarProcess, count: int = PROCESSES) -> list[int]:
    """Wait until every process answers, and return their ids."""
    wait_until(lambda: all(pids(sidecar)) and len(pids(sidecar)) == count, WITHIN_S, f"{count} processes")
    return pids(sidecar)


def ask_over_many_connections(port: int) -> int:
    """Ask once over each of many connections; return how many answers were right."""
    right = 0
    for _ in range(CONNECTIONS):
        options = [("grpc.use_local_subchannel_pool", 1)]
        opened: Any = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        with opened as channel:
            answer = check_service_pb2_grpc.CheckServiceStub(channel).Check(
                QUESTION, timeout=WITHIN_S, wait_for_ready=True
            )
            right += answer.code == decision_pb2.CODE_ENTITLED
    return right


def answered(sidecar: SidecarProcess) -> dict[str, float]:
    """Return how many decisions each process has given, by its name in the metrics."""
    families = {family.name: family for family in text_string_to_metric_families(sidecar.page("/metrics")[1])}
    given: dict[str, float] = {}
    for sample in families["entitlements_checks"].samples:
        if sample.name.endswith("_total"):
            process = sample.labels["process"]
            given[process] = given.get(process, 0) + sample.value
    return given


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[SidecarProcess]:
    """A sidecar with three processes."""
    with several(tmp_path, stored(tmp_path).root_hex, free_port()) as running:
        wait_for_all(running)
        yield running


def acquired(claim: FileLock) -> bool:
    """Take a claim if it is free."""
    try:
        claim.acquire({"pid": os.getpid()})
    except LockTaken:
        return False
    return True


def port_of(sidecar: SidecarProcess) -> int:
    """Return the shared port."""
    return int(sidecar.settings["LISTEN"].rpartition(":")[2])


def test_calls_spread_and_metrics_join(sidecar: SidecarProcess) -> None:
    """Each connection belongs to one of the processes; the page and the status show all of them."""
    assert ask_over_many_connections(port_of(sidecar)) == CONNECTIONS
    given = answered(sidecar)
    assert set(given) == {"serving", "serving-1", "serving-2"}
    assert sum(given.values()) == CONNECTIONS
    assert min(given.values()) > 0
    page = sidecar.page("/metrics")[1]
    types = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    for number in range(PROCESSES):
        assert f'entitlements_serving_up{{process="main",number="{number}"}} 1.0' in page
    told = states(sidecar)
    assert [one["number"] for one in told] == [0, 1, 2]
    assert {one["port"] for one in told} == {port_of(sidecar)}
    assert all(one["status"]["products"]["suite"]["loaded"] for one in told)
    with sidecar.stub() as stub:
        assert stub.Check(QUESTION, timeout=WITHIN_S).allowed


@pytest.mark.parametrize("number", [0, 2])
def test_killed_process_is_replaced_while_the_others_go_on(sidecar: SidecarProcess, number: int) -> None:
    """Its connections break, those of the others do not; the next ones find the port as before."""
    before = wait_for_all(sidecar)
    os.kill(before[number], signal.SIGKILL)
    assert ask_over_many_connections(port_of(sidecar)) == CONNECTIONS
    wait_until(lambda: pids(sidecar)[number] not in {0, before[number]}, WITHIN_S, "the replacement")
    wait_until(lambda: sidecar.page("/readyz")[0] == 200, WITHIN_S, "readiness")
    after = pids(sidecar)
    assert [new == old for new, old in zip(after, before, strict=True)] == [at != number for at in range(PROCESSES)]
    assert [one["restarts"] for one in states(sidecar)] == [int(at == number) for at in range(PROCESSES)]
    with sidecar.stub() as stub:
        assert stub.Check(QUESTION, timeout=WITHIN_S, wait_for_ready=True).allowed


def test_readiness_follows_the_first_process_alone(sidecar: SidecarProcess) -> None:
    """A further one that hangs is seen in the metrics' absence, not in readiness."""
    others = wait_for_all(sidecar)[1:]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: set(answered(sidecar)) <= {"serving"}, WITHIN_S, "their silence")
        assert sidecar.page("/readyz") == (200, "ok\n")
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_new_main_process_takes_over_from_all_of_them(tmp_path: Path, count: int) -> None:
    """Also when it wants fewer or more: the unix socket never goes away, and every old process ends."""
    port = free_port()
    first = several(tmp_path, stored(tmp_path).root_hex, port)
    with first:
        old = wait_for_all(first)
        first.stop(signal.SIGKILL)
        assert all(map(is_running, old))
        failed: list[grpc.RpcError] = []
        asked = 0
        done = threading.Event()

        def keep_asking() -> None:
            nonlocal asked
            with first.stub() as stub:
                while not done.is_set():
                    try:
                        stub.Check(QUESTION, timeout=WITHIN_S, wait_for_ready=True)
                        asked += 1
                    except grpc.RpcError as error:
                        failed.append(error)

        asking = threading.Thread(target=keep_asking)
        asking.start()
        successor = several(tmp_path, first.root_hex, port, count)
        with successor:
            new = wait_for_all(successor, count)
            wait_until(lambda: not any(map(is_running, old)), WITHIN_S, "the end of every old process")
            before = asked
            wait_until(lambda: asked > before + 10, WITHIN_S, "answers of the new ones")
            done.set()
            asking.join(WITHIN_S)
            assert {error.code() for error in failed} <= {grpc.StatusCode.CANCELLED}
            assert len(failed) <= 1
            assert ask_over_many_connections(port) == CONNECTIONS
            assert set(new).isdisjoint(old)
            assert successor.stop() == 0
        wait_until(lambda: not any(map(is_running, new)), WITHIN_S, "the end of every process")


def test_old_process_that_hangs_is_killed_by_the_take_over(tmp_path: Path) -> None:
    """It would keep its share of new connections and answer none: also one whose number the successor does not want."""
    port = free_port()
    first = several(tmp_path, stored(tmp_path).root_hex, port)
    with first:
        old = wait_for_all(first)
        first.stop(signal.SIGKILL)
        for pid in old[1:]:
            os.kill(pid, signal.SIGSTOP)
        with several(tmp_path, first.root_hex, port, 2) as successor:
            wait_for_all(successor, 2)
            wait_until(lambda: not any(map(is_running, old)), WITHIN_S, "the end of every old process")
            assert ask_over_many_connections(port) == CONNECTIONS


def test_drain_ends_all_of_them_within_one_grace(sidecar: SidecarProcess) -> None:
    """SIGTERM: exit code 0, nobody left, no lock held."""
    running = wait_for_all(sidecar)
    assert sidecar.stop() == 0
    assert not any(map(is_running, running))
    assert predecessors(sidecar.store) == {}


def test_process_that_cannot_bind_leaves_the_sidecar_ready_and_is_tried_again(tmp_path: Path) -> None:
    """The first one decides; a further one whose claim somebody holds is counted and comes up when the claim is free."""
    feed = stored(tmp_path)
    claim = serving_claim(tmp_path / "store", 1)
    port = free_port()
    with several(tmp_path, feed.root_hex, port, 2) as running:
        wait_for_all(running, 2)
        os.kill(pids(running)[1], signal.SIGKILL)
        wait_until(lambda: acquired(claim), WITHIN_S, "the claim")  # before its replacement has started
        wait_until(lambda: "serving-1.lock is held by process" in running.log, WITHIN_S, "the refusal")
        assert running.page("/readyz") == (200, "ok\n")
        assert 'entitlements_serving_up{process="main",number="1"} 0.0' in running.page("/metrics")[1]
        assert ask_over_many_connections(port) == CONNECTIONS
        claim.release()
        wait_for_all(running, 2)


def test_address_of_a_stranger_stops_the_start(tmp_path: Path) -> None:
    """The first process finds the port in use: with SO_REUSEPORT it could silently share it, which nobody wants."""
    feed = stored(tmp_path)
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as stranger:
        refused = several(tmp_path, feed.root_hex, stranger.getsockname()[1])
        refused.spawn()
        assert refused.ended() == 3
    assert "is in use by another process" in refused.log


@pytest.mark.parametrize("listen", ["", "127.0.0.1:0"])
def test_several_processes_need_a_port_to_share(tmp_path: Path, listen: str) -> None:
    """One clear line with the remedy."""
    wrong = several(tmp_path, "ab" * 32, 1, LISTEN=listen)
    wrong.spawn()
    assert wrong.ended() == 2
    assert "ENTITLEMENTS_SERVING_PROCESSES is more than 1, but there is no TCP port" in wrong.log
