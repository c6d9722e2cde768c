"""The life of a sidecar's processes: starts, kills, takeovers, drains, damaged stores. Real processes, no control plane."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import world
from entitlements.v1 import check_service_pb2, decision_pb2
from sidecar.__main__ import main
from tests.support.processes import ServingProcess, SidecarProcess, free_port, is_running, wait_until
from tests.support.signed_feed import SignedFeed, now_ms
from tests.support.worlds import damage_records

CALL_S = 5
QUESTION = check_service_pb2.CheckRequest(customer_id="customer-0000001", feature="feature-01")
BACK_WITHIN_S = 5.0
"""The promise is a second; a busy machine gets more, and the benchmark prints the figure."""


def stored(folder: Path) -> SignedFeed:
    """Write a store with twenty features and ten customers."""
    feed = SignedFeed(world.PRODUCT)
    feed.write(folder / "store", dict(world.bodies(10, now_ms())))
    return feed


def ask(stub: Any, **options: Any) -> check_service_pb2.CheckResponse:
    """Ask the question once."""
    response: check_service_pb2.CheckResponse = stub.Check(QUESTION, timeout=CALL_S, **options)
    return response


def answers(sidecar: ServingProcess) -> bool:
    """Return whether a new connection gets an answer at this moment."""
    with sidecar.stub() as stub:
        try:
            return ask(stub).code == decision_pb2.CODE_ENTITLED
        except grpc.RpcError:
            return False


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[SidecarProcess]:
    """A running sidecar over a verified store."""
    feed = stored(tmp_path)
    with SidecarProcess(tmp_path, world.PRODUCT, feed.root_hex) as running:
        yield running


def test_verified_store_is_served_as_last_known_good_and_ready(sidecar: SidecarProcess) -> None:
    """Without a control plane the sidecar is ready: what it holds was verified."""
    with sidecar.stub() as stub:
        response = ask(stub)
    assert response.allowed
    assert response.served_from == decision_pb2.SERVED_FROM_LAST_KNOWN_GOOD
    wait_until(lambda: sidecar.page("/readyz") == (200, "ok\n"), CALL_S, "readiness")
    assert sidecar.page("/livez") == (200, "ok\n")
    status = sidecar.status()
    assert status["start"] == {"suite": "verified"}
    assert status["serving"]["status"]["products"]["suite"]["loaded"]


def test_metrics_join_both_processes(sidecar: SidecarProcess) -> None:
    """One page, every family once, the frozen names in it, each series with its process."""
    with sidecar.stub() as stub:
        for _ in range(3):
            ask(stub)
    status, page = sidecar.page("/metrics")
    assert status == 200
    lines = page.splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    families = {family.name: family for family in text_string_to_metric_families(page)}
    for name in (
        "entitlements_check_duration_seconds",
        "entitlements_checks",
        "entitlements_decision_cache",
        "entitlements_policy_age_seconds",
        "entitlements_feed_position",
        "entitlements_breaker_state",
    ):
        assert families[name].samples, name
    assert {sample.labels["process"] for sample in families["process_resident_memory_bytes"].samples} == {
        "main",
        "serving",
    }
    hits = [sample for sample in families["entitlements_decision_cache"].samples if sample.labels["result"] == "hit"]
    assert [sample.value for sample in hits] == [2.0]
    assert {s.labels["dependency"] for s in families["entitlements_breaker_state"].samples} == {
        "redis",
        "control",
        "customers",
    }


def test_killed_serving_process_is_back_at_once(sidecar: SidecarProcess) -> None:
    """The main process starts another one; clients find it on the same socket."""
    killed = sidecar.serving_pid
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_running(killed), CALL_S, "the kill")
    wait_until(lambda: answers(sidecar), BACK_WITHIN_S, "an answer")
    wait_until(lambda: sidecar.page("/readyz")[0] == 200, CALL_S, "readiness")
    assert sidecar.status()["serving"]["restarts"] == 1
    assert sidecar.serving_pid != killed


def test_hanging_serving_process_does_not_block_the_pages(sidecar: SidecarProcess) -> None:
    """A process that answers nothing makes the sidecar not ready, and its metrics are left out, not waited for."""
    pid = sidecar.serving_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: sidecar.page("/readyz")[0] == 503, BACK_WITHIN_S, "not being ready")
        status, page = sidecar.page("/metrics")
        assert status == 200
        assert 'process="main"' in page
        assert 'process="serving"' not in page
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: sidecar.page("/readyz")[0] == 200, BACK_WITHIN_S, "readiness")


def test_answers_go_on_while_the_main_process_is_dead_and_a_new_one_takes_over(sidecar: SidecarProcess) -> None:
    """SIGKILL of the main process costs no answer; its successor replaces what was left behind.

    When the old process closes a connection, gRPC's core cancels a call that is just on its way in: at most one for each connection.
    """
    old = sidecar.serving_pid
    sidecar.stop(signal.SIGKILL)
    assert is_running(old)
    failed: list[grpc.RpcError] = []
    asked = 0
    done = threading.Event()

    def keep_asking() -> None:
        nonlocal asked
        with sidecar.stub() as stub:
            while not done.is_set():
                try:
                    ask(stub, wait_for_ready=True)
                    asked += 1
                except grpc.RpcError as error:
                    failed.append(error)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    wait_until(lambda: asked > 10, CALL_S, "answers without a main process")
    assert failed == []
    successor = SidecarProcess(sidecar.folder, sidecar.products, sidecar.root_hex, admin_port=free_port())
    with successor:
        wait_until(lambda: not is_running(old), CALL_S, "the end of the old process")
        before = asked
        wait_until(lambda: asked > before + 10, CALL_S, "answers of the new one")
        new = successor.serving_pid
        assert new != old
        done.set()
        asking.join(CALL_S)
        assert [error.code() for error in failed[1:]] == []
        assert {error.code() for error in failed} <= {grpc.StatusCode.CANCELLED}
        assert successor.stop() == 0
    wait_until(lambda: not is_running(new), CALL_S, "the end of every process")


def test_second_sidecar_on_the_same_store_or_socket_is_refused(sidecar: SidecarProcess, tmp_path: Path) -> None:
    """Nobody takes the store or the socket of a living sidecar; the message says whose they are."""
    same_store = SidecarProcess(sidecar.folder, sidecar.products, sidecar.root_hex)
    same_store.spawn()
    assert same_store.ended() == 3
    assert f"main.lock is held by process {sidecar.process.pid}; stop it" in sidecar.log
    other = tmp_path / "other"
    feed = stored(other)
    same_socket = SidecarProcess(other, world.PRODUCT, feed.root_hex, {"SOCKET": str(sidecar.socket)})
    same_socket.spawn()
    assert same_socket.ended() == 3
    assert "s.sock is in use by process" in same_socket.log
    assert answers(sidecar)


def test_drain_answers_what_is_in_flight_then_ends_with_every_process(tmp_path: Path) -> None:
    """SIGTERM: a call that is waiting inside still gets its answer, and the exit code is 0."""
    feed = stored(tmp_path)
    with SidecarProcess(tmp_path, world.PRODUCT, feed.root_hex, {"MIN_VERSION_WAIT": "20s"}) as running:
        serving = running.serving_pid
        waiting = check_service_pb2.CheckRequest()
        waiting.CopyFrom(QUESTION)
        waiting.min_version = f"{feed.epoch}-{feed.seq + 5}"
        with running.stub() as stub:
            call = stub.Check.future(waiting, timeout=15)
            wait_until(lambda: "answering" in running.log, CALL_S, "the listener")
            wait_until(lambda: _in_flight(running) > 0, CALL_S, "the waiting call")
            assert running.stop() == 0
            response = call.result(timeout=CALL_S)
        assert list(response.obligations) == [decision_pb2.OBLIGATION_VERSION_BEHIND]
        assert response.freshness.state == decision_pb2.FRESHNESS_STATE_STALE
        assert not is_running(serving)
        assert not running.socket.exists()


def _in_flight(running: SidecarProcess) -> int:
    told = running.status()["serving"]["status"]
    return int(told["waiting"]) if told else 0


@pytest.mark.parametrize("patience_s", [0.05, 0.3, 0.6, 1.0])
def test_asked_to_end_while_starting_it_leaves_nothing_behind(tmp_path: Path, patience_s: float) -> None:
    """At whatever moment: every process ends, and a good store is not set aside for a check that was cut short."""
    feed = stored(tmp_path)
    starting = SidecarProcess(tmp_path, world.PRODUCT, feed.root_hex)
    starting.spawn()
    time.sleep(patience_s)
    code = starting.stop()
    assert code in {0, -signal.SIGTERM}  # the first moments belong to the interpreter
    wait_until(lambda: not children_left(str(tmp_path)), CALL_S, "the end of every process")
    assert list(feed.directory(tmp_path / "store").glob("store.bad-*")) == []


def children_left(folder: str) -> list[int]:
    """Return the living processes whose environment names this folder as their store's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"ENTITLEMENTS_STORE_DIR={folder}/".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return [pid for pid in found if is_running(pid)]


def test_static_fallback_answers_before_any_policy(tmp_path: Path) -> None:
    """An empty store: the configured answer, marked; not ready, but started."""
    fallbacks = tmp_path / "fallbacks.json"
    fallbacks.write_text('{"version": 1, "products": {"suite": {"feature-01": "allow"}}}', encoding="utf-8")
    root = SignedFeed(world.PRODUCT).root_hex
    with (
        SidecarProcess(tmp_path, world.PRODUCT, root, {"FALLBACKS": str(fallbacks)}) as running,
        running.stub() as stub,
    ):
        response = ask(stub)
        assert response.allowed
        assert response.code == decision_pb2.CODE_FALLBACK_ALLOW
        assert response.underlying_code == decision_pb2.CODE_POLICY_NOT_READY
        assert response.served_from == decision_pb2.SERVED_FROM_STATIC_FALLBACK
        assert response.freshness.state == decision_pb2.FRESHNESS_STATE_UNSPECIFIED
        not_ready = (503, "no policy of suite is loaded\n")
        wait_until(lambda: running.page("/readyz") == not_ready, CALL_S, "not being ready")
        assert running.page("/livez")[0] == 200


@pytest.mark.parametrize("harm", ["records", "file", "foreign"])
def test_store_that_does_not_verify_is_set_aside_and_never_answers(tmp_path: Path, harm: str) -> None:
    """A flipped bit, a broken file, a store signed by somebody else: none of them decides anything."""
    feed = stored(tmp_path)
    directory = feed.directory(tmp_path / "store")
    root = feed.root_hex
    if harm == "records":
        damage_records(directory, "c/customer-0000001")
    elif harm == "file":
        (directory / "store" / "data.mdb").write_bytes(b"no database" * 1000)
    else:
        root = SignedFeed(world.PRODUCT).root_hex
    with SidecarProcess(tmp_path, world.PRODUCT, root) as running, running.stub() as stub:
        response = ask(stub)
        assert response.code == decision_pb2.CODE_FALLBACK_DENY
        assert response.underlying_code == decision_pb2.CODE_POLICY_NOT_READY
        assert running.status()["start"] == {"suite": "set aside"}
        assert 'entitlements_stores_set_aside_total{process="main",product="suite"} 1.0' in running.page("/metrics")[1]
        assert [path.name for path in directory.glob("store.bad-*")] != []


def test_wrong_settings_stop_the_start_with_one_clear_line(tmp_path: Path) -> None:
    """Exit code 2, the variable's name, the remedy."""
    broken = SidecarProcess(tmp_path, "suite", "not a key")
    broken.spawn()
    assert broken.ended() == 2
    assert "ENTITLEMENTS_ROOT_KEYS holds something else than 64 hexadecimal digits" in broken.log
    missing = SidecarProcess(tmp_path / "m", "suite", "ab" * 32, {"FALLBACKS": str(tmp_path / "gone.json")})
    missing.spawn()
    assert missing.ended() == 2
    assert "gone.json cannot be read (No such file or directory)" in missing.log


def test_root_key_that_anybody_can_sign_for_stops_the_start(tmp_path: Path) -> None:
    """A small-order point verifies forged signatures: it is refused once, in words, instead of failing every second."""
    weak = SidecarProcess(tmp_path, "suite", "01" + "00" * 31)
    weak.spawn()
    assert weak.ended() == 2
    assert "not fit to trust" in weak.log
    assert "ENTITLEMENTS_ROOT_KEYS" in weak.log


def test_serving_process_that_is_not_wanted_any_more_ends_by_itself(tmp_path: Path) -> None:
    """Its starter dies before the order: it must not stay, and must not open the store unverified."""
    process = ServingProcess(tmp_path, "suite", "ab" * 32, module=("sidecar.serving.process",))
    process.spawn()
    assert process.ended() == 0
    assert not process.socket.exists()


def test_help_and_unknown_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    """The command has no options: settings are environment variables."""
    assert main(["--help"]) == 0
    assert main(["--port", "1"]) == 2
    assert "docs/reference/config-sidecar.md" in capfd.readouterr().err
