"""The threads that run handlers: few, so that they do not fight for the interpreter, joined by others while they are held up.

Many threads do not make one interpreter faster: in our trials four of these carried up to three
quarters more calls than sixty-four. Few threads have a price: whoever waits in one of them holds up everybody. So a handler that is going
to wait says so (`waiting`), and a warden watches for those that cannot: gRPC parks a thread for every caller who opened a call and sends
no message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

WATCH_S: Final = 0.05
"""How long no thread may finish anything while calls are queued before one more is started."""


class _Worker:
    """One thread's own figures, written by it alone."""

    __slots__ = ("busy", "done")

    def __init__(self) -> None:
        self.busy = False
        self.done = 0


class Workers(ThreadPoolExecutor):
    """A pool of `threads` threads that grows up to `most` while threads are held up, and shrinks again.

    It is a ThreadPoolExecutor because that is what `grpc.server` asks for; queue and threads are its own.
    """

    def __init__(self, threads: int, most: int) -> None:
        """Start the threads and their warden; ValueError unless 1 <= threads <= most."""
        if not 1 <= threads <= most:
            raise ValueError(f"a pool has at least one thread and at most {most}, got {threads}")
        super().__init__(threads)
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._size = threads
        self._most = most
        self._waiting = 0
        self._crew: set[_Worker] = set()
        self._closing = threading.Event()
        for _ in range(threads):
            self._start_worker()
        threading.Thread(target=self._watch, name="warden", daemon=True).start()

    def _start_worker(self) -> bool:
        with self._gate:
            if len(self._crew) >= self._most or self._closing.is_set():
                return False
            worker = _Worker()
            self._crew.add(worker)
        threading.Thread(target=self._work, args=(worker,), name="worker", daemon=True).start()
        return True

    def _work(self, worker: _Worker) -> None:
        while (job := self._jobs.get()) is not None:
            future, function = job
            worker.busy = True
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:  # noqa: BLE001 - handed to whoever holds the future, as any executor does
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del job, future, function
            worker.busy = False
            worker.done += 1
        with self._gate:
            self._crew.discard(worker)

    def _watch(self) -> None:
        before = -1
        while not self._closing.wait(WATCH_S):
            with self._gate:
                crew = tuple(self._crew)
            idle = sum(not worker.busy for worker in crew)
            done = sum(worker.done for worker in crew)
            if self._jobs.qsize() and not idle and done == before:
                self._start_worker()
            elif idle > self._size and not self._jobs.qsize():
                self._jobs.put(None)  # one thread, whichever comes first, goes home
            before = done

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Queue a call; RuntimeError after shutdown."""
        if self._closing.is_set():
            raise RuntimeError("cannot schedule new work after shutdown")
        future: Future[R] = Future()
        self._jobs.put((future, lambda: fn(*args, **kwargs)))
        return future

    @contextmanager
    def waiting(self) -> Iterator[bool]:
        """Let another thread stand in while this one waits; yields False when none can, and waiting would hold up others."""
        with self._gate:
            self._waiting += 1
        try:
            yield self._start_worker()
        finally:
            with self._gate:
                self._waiting -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the executor's own signature
        """Accept no more work; threads end after what is queued. A server has answered everything before it comes here: nothing is waited for."""
        del wait, cancel_futures
        with self._gate:
            if self._closing.is_set():
                return
            self._closing.set()
            crew = len(self._crew)
        for _ in range(crew):
            self._jobs.put(None)

    def __repr__(self) -> str:
        """Show how many threads there are, how many of them wait, and what is queued."""
        return f"<Workers [{len(self._crew)} threads | {self._waiting} waiting | {self._jobs.qsize()} queued]>"
