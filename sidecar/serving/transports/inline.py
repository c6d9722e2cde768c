"""The `inline` transport: one thread takes a call from gRPC's completion queue, decides, and answers, without handing it to anybody.

gRPC's own Python server hands each call to a thread of a pool and back, several times; between threads of one interpreter that costs more than
everything else together. Here the thread that polls is the thread that answers (the reactor of Schmidt, 1995). Only calls of our unary methods
are taken: their request event asks for the message, the message's event computes the answer and sends it in one batch. Every other event is
given to grpcio's own code, so that health, reflection, unknown methods and the clean stop are the library's. What this leans on: `grpc_core.py`.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import Final

import grpc

from entitlements.runtime.clock import Clock, SystemClock
from sidecar.serving.transports.binding import Binding
from sidecar.serving.transports.grpc_core import Call, Core, Event
from sidecar.serving.transports.seam import FAILED, TOO_LATE, Endpoints, Limits, NotYet, Refused, Surface, UnaryHandler
from sidecar.serving.transports.workers import Workers

LOOK_S: Final = 0.002
LOOK_SHARE_S: Final = 0.00005
"""How often waiting calls are looked at: each 2 ms while they are few, then so seldom that looking costs a few percent at most."""
FAR_S: Final = 1e11
"""Seconds since 1970 beyond which a deadline means that there is none; comparing with a constant spares reading the clock."""
COHORT: Final = range(47, -1, -1)
"""Events that are taken before calls are answered, when so many are there: 48, each with how many may follow it."""
CROWD: Final = 2
"""Open calls from which on there is something to gather."""
LONG_AGO_S: Final = 0.0
"""A deadline that is over: what is there, without waiting."""
ANSWERED: Final = object()
"""The tag of an answer that is on its way; its event says that it has left."""


class Opened:
    """A call of ours whose message was asked for; also what its handler may know of it."""

    __slots__ = ("_clock", "call", "deadline_s", "handler", "path")

    def __init__(self, event: Event, path: str, handler: UnaryHandler, clock: Clock) -> None:
        self.call: Call = event.call
        self.deadline_s: float = event.call_details.deadline  # in the far future when the caller gave none
        self.path = path
        self.handler = handler
        self._clock = clock

    def time_remaining(self) -> float:
        """Return the seconds until the caller's deadline; very many without one."""
        return max(0.0, self.deadline_s - self._clock.now_ms() / 1000)


class Waiting:
    """A call of ours that is answered when something has happened, or when its time is over."""

    __slots__ = ("gone", "later", "opened", "until")

    def __init__(self, opened: Opened, later: NotYet) -> None:
        self.opened = opened
        self.later = later
        self.until = monotonic() + later.wait_s
        self.gone = False

    def is_over(self, now: float) -> bool:
        """Return whether there is nothing left to wait for; `now` is a monotonic reading in seconds."""
        return self.gone or now >= self.until or self.later.ready()


class InlineTransport:
    """A gRPC server on a unix socket, a TCP port, or both, whose unary methods are answered by the thread that polls."""

    def __init__(self, surface: Surface, limits: Limits, endpoints: Endpoints, clock: Clock | None = None) -> None:
        """Make the server; nothing is bound yet. RuntimeError when the installed grpcio is not fit for it."""
        # Threads are for health and reflection alone; they grow when callers of those are slow.
        self._workers = Workers(1, most=limits.max_concurrent)
        self._server = grpc.server(
            self._workers, options=limits.channel_arguments(), maximum_concurrent_rpcs=limits.max_concurrent
        )
        for attach in surface.attach:
            attach(self._server)
        self._core = Core(self._server)
        self._binding = Binding(self._server, endpoints)
        self._methods = {path.encode(): (path, handler) for path, handler in surface.unary.items()}
        self._failed = surface.failed
        self._most_waiting = limits.max_concurrent
        self._clock = SystemClock() if clock is None else clock
        self._waiting: list[Waiting] = []
        self._look_at = 0.0
        self._opened = 0  # calls that are not answered yet
        self._due = 0  # batches of ours whose events have not come yet
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="inline", daemon=True)

    @property
    def tcp_port(self) -> int | None:
        """Return the port bound."""
        return self._binding.tcp_port

    def bind(self, *, takeover: bool) -> None:
        """Claim the endpoints; see `Transport.bind`."""
        self._binding.bind(takeover=takeover)

    def start(self) -> None:
        """Begin to accept calls."""
        self._core.start()
        self._thread.start()

    def release(self) -> None:
        """Give up the claim on the socket's path; see `Transport.release`."""
        self._binding.release()

    def stop(self, grace_s: float) -> None:
        """End; see `Transport.stop`."""
        self._stopping = True
        self._server.stop(grace_s).wait()
        if self._thread.ident is not None:
            self._thread.join()
        self._binding.withdraw()
        self._workers.shutdown()

    def _serve(self) -> None:
        """Take events until the server has ended: gather what is there, then answer, so that each part of the work finds its code in the cache."""
        waiting = self._waiting
        cohort: deque[tuple[Opened, bytes | None]] = deque()
        while self._gather(cohort):
            try:
                while cohort:  # what is answered is not kept: a call that is kept keeps the server from ending
                    self._opened -= 1
                    self._answer(*cohort.popleft())
                if waiting:
                    self._look()
                if self._stopping and self._core.ending and not self._due and self._core.leave():
                    return
            except Exception as error:  # noqa: BLE001 - one event may cost its call, never the thread that answers everybody
                self._failed("inline transport", error)

    def _gather(self, cohort: deque[tuple[Opened, bytes | None]]) -> bool:
        """Wait for an event, take it and, while several calls are open, those behind it; False after the server's last one."""
        poll, request_tag = self._core.poll, self._core.request_tag
        event = poll(self._clock.now_ms() / 1000 + self._interval_s() if self._waiting else None)
        for left in COHORT:
            tag = event.tag
            try:
                if type(tag) is Opened:
                    self._due -= 1
                    cohort.append((tag, self._core.message_of(event)))
                elif tag is ANSWERED:
                    self._due -= 1
                elif tag is request_tag and self._accept(event):
                    pass
                elif type(tag) is Waiting:
                    self._due -= 1
                    tag.gone = True
                elif not self._core.pass_on(event):
                    return False
            except Exception as error:  # noqa: BLE001 - as above
                self._failed("inline transport", error)
            # A caller who is alone is answered at once: for one call there is nothing to gather.
            if not left or self._opened < CROWD:
                break
            event = poll(LONG_AGO_S)
            if event.tag is None:
                break
        return True

    def _accept(self, event: Event) -> bool:
        """Ask for the message of a new call, if it is one of ours."""
        if not event.success:
            return False
        known = self._methods.get(event.call_details.method)
        if known is None:
            return False
        self._core.next_request()
        self._opened += 1
        opened = Opened(event, *known, self._clock)
        self._core.receive(opened.call, opened)
        self._due += 1
        return True

    def _answer(self, opened: Opened, message: bytes | None) -> None:
        """Compute the answer to a message and send it, unless it is one to wait for."""
        try:
            if message is None or (opened.deadline_s < FAR_S and opened.deadline_s < self._clock.now_ms() / 1000):
                self._refuse(opened, _not_answered(opened, message))
                return
            response = opened.handler(message, opened)
        except NotYet as later:
            self._wait(opened, later)
        except Exception as error:  # noqa: BLE001 - the seam: a broken handler costs one call, never the process
            self._refuse(opened, error)
        else:
            self._core.answer(opened.call, response, ANSWERED)
            self._due += 1

    def _refuse(self, opened: Opened, error: Exception, *, watched: bool = False) -> None:
        if not isinstance(error, Refused):
            self._failed(opened.path, error)
            error = Refused(grpc.StatusCode.INTERNAL, FAILED)
        trailing = error.trailing
        self._core.refuse(opened.call, error.status, error.message, ANSWERED, trailing=trailing, watched=watched)
        self._due += 1

    def _interval_s(self) -> float:
        return max(LOOK_S, len(self._waiting) * LOOK_SHARE_S)

    def _wait(self, opened: Opened, later: NotYet) -> None:
        """Let a call wait, unless too many do already."""
        one = Waiting(opened, later)
        self._core.watch(opened.call, one)
        self._due += 1
        if len(self._waiting) < self._most_waiting:
            self._waiting.append(one)
        else:
            self._answer_late(one)

    def _look(self) -> None:
        """Answer the calls that have waited long enough."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._interval_s()
        over = [one for one in self._waiting if self._stopping or one.is_over(now)]
        if over:
            self._waiting[:] = [one for one in self._waiting if one not in over]
        for one in over:
            self._answer_late(one)

    def _answer_late(self, one: Waiting) -> None:
        try:
            response = one.later.finish()
        except Exception as error:  # noqa: BLE001 - as in _answer
            self._refuse(one.opened, error, watched=True)
        else:
            self._core.answer(one.opened.call, response, ANSWERED, watched=True)
            self._due += 1

    def __repr__(self) -> str:
        """Show where it listens and how many calls wait."""
        return f"<InlineTransport [{self._binding!r} | {len(self._waiting)} waiting]>"


def _not_answered(opened: Opened, message: bytes | None) -> Refused:
    """Return why a call does not come to its handler: no message, or a caller who has given up while it was queued here."""
    if message is None:
        return Refused(grpc.StatusCode.UNIMPLEMENTED, f"{opened.path} requires exactly one request message.")
    return Refused(grpc.StatusCode.DEADLINE_EXCEEDED, TOO_LATE)
