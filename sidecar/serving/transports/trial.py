"""A trial of the `inline` transport before it is trusted with callers: one round of everything that leans on grpcio's private parts.

It runs in the process that is going to serve, on a socket of its own, before anything is bound; a start waits for it while the
store is being verified anyway.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import grpc

from sidecar.serving.transports.grpc_core import missing
from sidecar.serving.transports.inline import InlineTransport
from sidecar.serving.transports.seam import Call, Endpoints, Limits, NotYet, Refused, Surface

PATIENCE_S: Final = 5.0
"""How long the trial may take in all; it needs some hundredths of a second."""
ANSWER_S: Final = 2.0
_TRAILING: Final = (("trial-bin", b"\x00\xff"),)


def problem_of_inline() -> str | None:
    """Return why the `inline` transport may not be used here, or None when the trial went well. Never raises, never hangs."""
    lacking = missing()
    if lacking is not None:
        return lacking
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_tried()), name="trial", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return found[0] if found else f"a trial of it did not end within {PATIENCE_S:g} s"


def _tried() -> str | None:
    try:
        with tempfile.TemporaryDirectory(prefix="trial") as folder:
            return _try_on(Path(folder) / "s")
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in a trial is what the trial is for
        return f"a trial of it failed: {type(error).__name__}: {error}"


def _try_on(path: Path) -> str | None:
    failures: list[BaseException] = []
    surface = Surface(
        {"/trial/echo": _echo, "/trial/refuse": _refuse, "/trial/wait": _wait},
        (),
        lambda _, error: failures.append(error),
    )
    transport = InlineTransport(surface, Limits(max_concurrent=8), Endpoints(path))
    transport.bind(takeover=False)
    transport.start()
    try:
        with grpc.insecure_channel(f"unix:{path}", options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            problem = _ask(channel)
    finally:
        transport.stop(0)
    return problem or (f"a trial of it failed inside: {failures[0]!r}" if failures else None)


def _ask(channel: grpc.Channel) -> str | None:
    call = _caller(channel)
    for path in ("/trial/echo", "/trial/wait"):
        for message in (b"", b"\xff" * 70_000, b"x"):
            got = call(path, message)
            if got != (grpc.StatusCode.OK, message):
                return f"a trial of it answered {got[0].name} and {len(got[1])} bytes to {len(message)} bytes"
    wanted = {
        "/trial/refuse": (grpc.StatusCode.NOT_FOUND, b"\x00\xff"),
        "/trial/none": (grpc.StatusCode.UNIMPLEMENTED, b""),
    }
    for path, expected in wanted.items():
        got = call(path, b"")
        if got != expected:
            return f"a trial of it answered {got[0].name} where {expected[0].name} was due"
    return None


def _caller(channel: grpc.Channel) -> Any:
    """Return a function of (path, message) that returns the status, and the answer or the trailing metadata's one value."""

    def call(path: str, message: bytes) -> tuple[grpc.StatusCode, bytes]:
        method: Any = channel.unary_unary(path)
        try:
            return grpc.StatusCode.OK, method(message, timeout=ANSWER_S)
        except grpc.RpcError as error:
            failed: Any = error
            return failed.code(), dict(failed.trailing_metadata()).get("trial-bin", b"")

    return call


def _echo(message: bytes, _call: Call) -> bytes:
    return message


def _refuse(_message: bytes, _call: Call) -> bytes:
    raise Refused(grpc.StatusCode.NOT_FOUND, "as asked", _TRAILING)


def _wait(message: bytes, _call: Call) -> bytes:
    raise NotYet(lambda: False, 0.004, lambda: message)
