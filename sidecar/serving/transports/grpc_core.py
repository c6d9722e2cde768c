"""The parts of grpcio that are not public and that the `inline` transport stands on: all of them, and only here.

grpcio promises nothing about these names. So the distribution pins one minor release of it, `missing()` looks for every name before
anything is built on it, a trial call proves that they still mean the same (`trial.py`), and a contract test keeps this list complete.
"""

from __future__ import annotations

import importlib
from typing import Any, Final, TypeAlias

import grpc

PINNED: Final = "1.85."
"""The releases of grpcio that this was read and tried with."""

SERVER: Final = "grpc._server"
CYTHON: Final = "grpc._cython.cygrpc"
RELIED_ON: Final = (
    (SERVER, "_REQUEST_CALL_TAG"),
    (SERVER, "_ServerStage"),
    (SERVER, "_request_call"),
    (SERVER, "_request_registered_call"),
    (SERVER, "_process_event_and_continue"),
    (SERVER, "_stop_serving"),
    (CYTHON, "CompletionType"),
    (CYTHON, "SendInitialMetadataOperation"),
    (CYTHON, "SendMessageOperation"),
    (CYTHON, "SendStatusFromServerOperation"),
    (CYTHON, "ReceiveMessageOperation"),
    (CYTHON, "ReceiveCloseOnServerOperation"),
)
OF_THE_STATE: Final = (
    "lock",
    "completion_queue",
    "server",
    "stage",
    "due",
    "rpc_states",
    "registered_method_handlers",
)
"""What is read of the state of a `grpc.server`."""

Event: TypeAlias = Any
Call: TypeAlias = Any
"""Objects of grpcio's Cython layer; they come without types."""

NO_FLAGS: Final = 0


def missing(server: grpc.Server | None = None) -> str | None:
    """Return what this installation of grpcio lacks for the `inline` transport, or None when nothing is missing."""
    if not grpc.__version__.startswith(PINNED):
        return f"grpcio is {grpc.__version__}, the transport was made for {PINNED}*"
    for module, name in RELIED_ON:
        try:
            found = hasattr(importlib.import_module(module), name)
        except ImportError:
            found = False
        if not found:
            return f"grpcio {grpc.__version__} has no {module}.{name}"
    if server is not None:
        state = getattr(server, "_state", None)
        for name in OF_THE_STATE:
            if not hasattr(state, name):
                return f"grpcio {grpc.__version__} has no {name} in the state of a server"
    return None


class Core:
    """The completion queue of a `grpc.server` that is driven by somebody else than its own thread.

    Everything that is not a call of ours goes to grpcio's own code by `pass_on`, so health, reflection, unknown methods, and the
    order of a clean stop stay what they are. All methods but `poll` are for the thread that polls.
    """

    def __init__(self, server: grpc.Server) -> None:
        """Take a server that was not started; RuntimeError when `missing` finds something missing."""
        lacking = missing(server)
        if lacking is not None:
            raise RuntimeError(lacking)
        self._library: Any = importlib.import_module(SERVER)
        cython: Any = importlib.import_module(CYTHON)
        self._state: Any = server._state  # type: ignore[attr-defined]  # noqa: SLF001 - see the module
        self._queue = self._state.completion_queue
        self._started = self._library._ServerStage.STARTED  # noqa: SLF001
        self._busy = object()  # stands in `rpc_states` for all calls of ours
        self._timeout = cython.CompletionType.queue_timeout
        self._initial_metadata = cython.SendInitialMetadataOperation
        self._message = cython.SendMessageOperation
        self._status = cython.SendStatusFromServerOperation
        self._receive = cython.ReceiveMessageOperation
        self._closed = cython.ReceiveCloseOnServerOperation
        self.request_tag = self._library._REQUEST_CALL_TAG  # noqa: SLF001
        self.poll = self._queue.poll
        """`poll(deadline)`: the next event; an event without a tag when the wall clock (seconds) passes the deadline, None for never."""

    def start(self) -> None:
        """Start the server and ask for its first calls, as its own start does; the caller polls from now on."""
        state = self._state
        with state.lock:
            state.server.start()
            state.stage = self._started
            state.rpc_states.add(self._busy)
            for method in state.registered_method_handlers:
                self._library._request_registered_call(state, method)  # noqa: SLF001
            self._library._request_call(state)  # noqa: SLF001

    @property
    def ending(self) -> bool:
        """Return whether the server has been told to stop."""
        return self._state.stage is not self._started

    def pass_on(self, event: Event) -> bool:
        """Let grpcio handle an event; return False when it was the server's last."""
        if event.completion_type == self._timeout:
            return True
        return bool(self._library._process_event_and_continue(self._state, event))  # noqa: SLF001

    def next_request(self) -> None:
        """Ask for the next call, now that this one was taken; none any more while the server ends."""
        state = self._state
        with state.lock:
            if state.stage is self._started:
                state.server.request_call(self._queue, self._queue, self.request_tag)
            else:
                state.due.discard(self.request_tag)
                state.rpc_states.add(self._busy)

    def leave(self) -> bool:
        """Tell the ending server that no call of ours is left; return True when it has ended with that."""
        state = self._state
        with state.lock:
            state.rpc_states.discard(self._busy)
            return bool(self._library._stop_serving(state))  # noqa: SLF001

    # Operations are made anew for each call: grpcio frees what is inside them when their batch ends, so a shared one is freed twice.

    def receive(self, call: Call, tag: object) -> None:
        """Ask for the call's message; `message_of` reads it from the event with this tag."""
        call.start_server_batch((self._receive(NO_FLAGS),), tag)

    @staticmethod
    def message_of(event: Event) -> bytes | None:
        """Return the message that was asked for; None when the caller closed, left, or sent one that is too large."""
        message: bytes | None = event.batch_operations[0].message()
        return message

    def watch(self, call: Call, tag: object) -> None:
        """Ask to be told when the caller leaves, or has been answered; an answer must then be sent with `watched`."""
        call.start_server_batch((self._closed(NO_FLAGS),), tag)

    def answer(self, call: Call, message: bytes, tag: object, *, watched: bool = False) -> None:
        """Send everything of a good answer in one batch."""
        batch = (
            self._initial_metadata(None, NO_FLAGS),
            self._message(message, NO_FLAGS),
            self._status(None, 0, b"", NO_FLAGS),
        )
        call.start_server_batch(batch if watched else (*batch, self._closed(NO_FLAGS)), tag)

    def refuse(
        self,
        call: Call,
        status: grpc.StatusCode,
        details: str,
        tag: object,
        *,
        trailing: tuple[tuple[str, bytes], ...] = (),
        watched: bool = False,
    ) -> None:
        """Send a status instead of an answer."""
        batch = (
            self._initial_metadata(None, NO_FLAGS),
            self._status(trailing or None, status.value[0], details.encode(), NO_FLAGS),
        )
        call.start_server_batch(batch if watched else (*batch, self._closed(NO_FLAGS)), tag)
