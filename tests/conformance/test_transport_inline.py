"""What only the `inline` transport promises: what it leans on, when it steps aside, and that silent callers take nothing from others."""

from __future__ import annotations

import ast
import importlib
import threading
import time
from pathlib import Path

import grpc
import pytest

from sidecar.serving.transports import grpc_core, trial
from sidecar.serving.transports.choice import choose
from sidecar.serving.transports.inline import InlineTransport
from sidecar.serving.transports.seam import Endpoints, Limits
from sidecar.serving.transports.stock import StockTransport
from tests.conformance.test_transports import BASE, WAIT_S, Methods, open_channel
from tests.support.raw_http2 import RawClient


@pytest.mark.parametrize("module, name", grpc_core.RELIED_ON, ids=str)
def test_installed_grpcio_has_what_the_transport_leans_on(module: str, name: str) -> None:
    """A new release of grpcio that lacks one of these fails here by name, before anything else fails strangely."""
    assert hasattr(importlib.import_module(module), name)


def test_nothing_private_is_used_that_is_not_on_the_list() -> None:
    """The list is complete: no other private name of grpcio appears in the module that alone may use them."""
    source = Path(grpc_core.__file__).read_text(encoding="utf-8")
    listed = {name for _, name in grpc_core.RELIED_ON} | set(grpc_core.OF_THE_STATE)
    used = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in {"_library", "_state"}
    } | {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"state", "cython"}
    }
    assert used
    assert used <= listed
    others = [path for path in Path(grpc_core.__file__).parents[2].rglob("*.py") if path.name != "grpc_core.py"]
    assert [path.name for path in others if "_cython" in path.read_text(encoding="utf-8")] == []


def test_pinned_release_is_the_locked_one() -> None:
    """Whoever moves the pin reads the transport again."""
    assert grpc.__version__.startswith(grpc_core.PINNED)
    assert grpc_core.missing() is None


def test_other_release_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that seems to have everything."""
    monkeypatch.setattr(grpc, "__version__", "1.99.0")
    assert grpc_core.missing() == "grpcio is 1.99.0, the transport was made for 1.85.*"


def test_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the log says what changed."""
    monkeypatch.setattr(grpc_core, "RELIED_ON", ((grpc_core.SERVER, "_gone"),))
    assert grpc_core.missing() == f"grpcio {grpc.__version__} has no grpc._server._gone"


def test_trial_goes_well_here() -> None:
    """And leaves no thread of its own behind."""
    assert trial.problem_of_inline() is None
    assert not [thread for thread in threading.enumerate() if thread.name in {"trial", "inline"}]


def test_trial_that_hangs_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that never answers may not stop the start."""
    never = threading.Event()
    monkeypatch.setattr(trial, "_tried", lambda: never.wait(WAIT_S))
    monkeypatch.setattr(trial, "PATIENCE_S", 0.05)
    assert trial.problem_of_inline() == "a trial of it did not end within 0.05 s"
    never.set()


def test_trial_that_answers_wrongly_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes than were sent."""
    monkeypatch.setattr(trial, "_echo", lambda message, _call: message[:10])
    problem = trial.problem_of_inline()
    assert problem == "a trial of it answered OK and 10 bytes to 70000 bytes"


def test_trial_that_breaks_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception inside is told, not raised."""

    def broken(*_: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(trial, "InlineTransport", broken)
    assert trial.problem_of_inline() == "a trial of it failed: AttributeError: no such thing"


def test_stock_stands_in_when_inline_is_not_fit(tmp_path: Path) -> None:
    """With the reason, for the log and the metric; a wanted stock is not tried at all."""
    choice = choose("inline", lambda: "grpcio is strange")
    assert tuple(choice) == ("stock", "inline", "grpcio is strange")
    surface = Methods().surface()
    assert isinstance(choice.make(surface, Limits(), Endpoints(tmp_path / "s")), StockTransport)
    fit = choose("inline", lambda: None)
    assert tuple(fit) == ("inline", "inline", None)
    assert isinstance(fit.make(surface, Limits(), Endpoints(tmp_path / "i")), InlineTransport)
    assert choose("stock", lambda: pytest.fail("tried")) == ("stock", "stock", None)


def test_silent_calls_take_nothing_from_others(tmp_path: Path) -> None:
    """Far more calls are opened without a message than may be in flight: they hold no thread and no place."""
    transport = InlineTransport(Methods().surface(), Limits(max_concurrent=16), Endpoints(tmp_path / "s"))
    transport.bind(takeover=False)
    transport.start()
    silent = [RawClient(tmp_path / "s") for _ in range(5)]
    for client in silent:
        for _ in range(150):
            client.open(BASE + "echo")
    with open_channel(f"unix:{tmp_path}/s") as channel:
        assert channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S) == b"x"
    for client in silent:
        client.close()
    transport.stop(0)


def test_broken_event_costs_no_more_than_its_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when grpcio refuses a batch, the thread that answers everybody goes on, and the failure is told."""
    methods = Methods()
    transport = InlineTransport(methods.surface(), Limits(), Endpoints(tmp_path / "s"))
    transport.bind(takeover=False)
    transport.start()
    core = transport._core
    with open_channel(f"unix:{tmp_path}/s") as channel:
        echo = channel.unary_unary(BASE + "echo")
        assert echo(b"1", timeout=WAIT_S) == b"1"

        def refused(*_: object, **__: object) -> None:
            raise ValueError("call error 8")

        monkeypatch.setattr(core, "answer", refused)
        with pytest.raises(grpc.RpcError):
            echo(b"2", timeout=0.2)
        monkeypatch.undo()
        assert echo(b"3", timeout=WAIT_S) == b"3"
    assert methods.failures == [("inline transport", "call error 8")]
    transport.stop(0)


def test_stop_with_calls_everywhere_ends_in_time(tmp_path: Path) -> None:
    """Silent ones, waiting ones, deaf ones: after the grace they are cut, and the stop returns."""
    transport = InlineTransport(Methods().surface(), Limits(), Endpoints(tmp_path / "s"))
    transport.bind(takeover=False)
    transport.start()
    clients = [RawClient(tmp_path / "s", window=0) for _ in range(3)]
    for client in clients:
        client.open(BASE + "echo")
        client.ask(BASE + "echo", b"y" * 500)
        client.ask(BASE + "watch", b"")
    with open_channel(f"unix:{tmp_path}/s") as channel:
        assert channel.unary_unary(BASE + "echo")(b"x", timeout=WAIT_S) == b"x"
        started = time.monotonic()
        transport.stop(0.2)
    assert time.monotonic() - started < WAIT_S
    for client in clients:
        client.close()
