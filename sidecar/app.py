"""The main process put together: feeds, admin pages, supervision of the process that answers. Answers no checks itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import uvicorn

from entitlements.policy.feed_state_value import Phase
from entitlements.runtime import logs
from entitlements.runtime.boot import read_boot_id
from entitlements.runtime.clock import Clock
from entitlements.runtime.exposition import merge
from entitlements.runtime.garbage import settle
from entitlements.runtime.metrics import Meters
from entitlements.runtime.outlet import STANDARD_ERROR, Outlet
from entitlements.runtime.supervisor import Child, ChildFailed
from entitlements.store.access import Access
from entitlements.store.errors import CorruptStore, NothingStored, StoreUnwritable
from entitlements.store.layout import feed_directory_name
from entitlements.store.setaside import set_aside
from entitlements.store.writer import StoreWriter
from entitlements.wire.envelope import KeyRing, Refused
from sidecar import metrics
from sidecar.admin import Pages, build_admin
from sidecar.answering import AnsweringProcesses
from sidecar.feed.errand_desk import ErrandDesk
from sidecar.feed.loop import FeedLoop
from sidecar.feed.parts import Connections, Identity
from sidecar.feed.procurement import Procurement
from sidecar.feed_figures import FeedFigures
from sidecar.hatch import hatch_path
from sidecar.housekeeping import Housekeeping
from sidecar.intercom import Predecessor
from sidecar.launch import Launch
from sidecar.settings import SidecarSettings

LOOK_S: Final = 0.01
PAUSE_S: Final = 1.0
"""Between two attempts of a feed that ended with an error of ours."""
INSIST_S: Final = 1.0
"""What the process that answers gets beyond its own grace before it is killed."""


class App:
    """One sidecar's main process."""

    def __init__(
        self,
        settings: SidecarSettings,
        launch: Launch,
        clock: Clock,
        started_mono_ms: int,
        predecessors: Mapping[int, Predecessor],
    ) -> None:
        """Take over from the launch; must be made inside the event loop. `predecessors` still answer, and are to be replaced and retired."""
        self._settings = settings
        self._launch = launch
        self._clock = clock
        self._started_mono_ms = started_mono_ms
        self._meters = Meters((*metrics.MAIN, *metrics.EVERY))
        outlet = Outlet(STANDARD_ERROR, self._meters.counter(metrics.LOG_LINES_DROPPED).inc)
        logs.configure(settings.log_level, settings.log_format, process="main", stream=outlet)
        self._log = logs.logger()
        self._figures = FeedFigures(self._meters, settings.products)
        self._boot_id = read_boot_id()
        self._identity = Identity(
            sidecar_id=settings.sidecar_id or socket.gethostname(),
            boot_id=secrets.token_hex(8),
            software=f"entitlements/{version('entitlements')}",
        )
        self._feeds: dict[str, FeedLoop] = {}
        self._answering = AnsweringProcesses(
            settings.serving_processes,
            launch.start_serving,
            settings.products,
            self._on_damage,
            self._meters,
            clock,
            predecessors,
        )
        self._draining = asyncio.Event()
        self._ready_once = False

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._draining.set)
        listener = self._listen()
        try:
            await self._launched()
            if self._draining.is_set():
                self._launch.abandon()
                return 0
            self._tell_verification()
            try:
                KeyRing(self._settings.root_keys)
            except Refused as error:
                remedy = "pin the keys that `entitlements keys show --root` prints in ENTITLEMENTS_ROOT_KEYS"
                return await self._give_up(f"a pinned root key is not fit to trust ({error})", remedy, code=2)
            if self._launch.obstacle is not None:
                problem = f"a damaged store cannot be put out of the way ({self._launch.obstacle})"
                return await self._give_up(problem, "make the store's directory writable, or empty it")
            return await self._serve(listener)
        finally:
            listener.close()

    async def _launched(self) -> None:
        """Wait until the stores are verified, or the sidecar is asked to end."""
        while not self._launch.finished.is_set() and not self._draining.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(LOOK_S)

    async def _give_up(self, problem: str, remedy: str, code: int = 3) -> int:
        self._log.error("cannot start", problem=problem, remedy=remedy)
        await Child("serving", self._launch.serving).stop(INSIST_S)
        return code

    def _listen(self) -> socket.socket:
        address = self._settings.admin
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.create_server((address.host, address.port), family=family)
        self._log.info("admin pages", address=f"http://{address.host}:{listener.getsockname()[1]}")
        return listener

    def _tell_verification(self) -> None:
        for product, one in self._launch.results.items():
            aside = self._meters.counter(metrics.STORES_SET_ASIDE, product)
            if one.result in {"set aside", "stuck"}:
                aside.inc()
                self._log.error("store not accepted", product=product, result=one.result, detail=one.detail)
            else:
                self._log.info("store checked", product=product, result=one.result, detail=one.detail)

    async def _serve(self, listener: socket.socket) -> int:
        pages = Pages(uvicorn.Config(build_admin(self), log_config=None, access_log=False, lifespan="off"))
        async with self._connections() as connections:
            serving = asyncio.create_task(self._answering.keep(Child("serving", self._launch.serving)))
            kept = [asyncio.create_task(self._follow(product, connections)) for product in self._settings.products]
            if self._settings.working_set:
                desk = ErrandDesk(hatch_path(self._settings.store_dir), self._procurement_of)
                kept.append(asyncio.create_task(desk.keep()))
            shown = asyncio.create_task(pages.serve([listener]))
            draining = asyncio.create_task(self._draining.wait())
            try:
                await asyncio.wait((serving, draining), return_when=asyncio.FIRST_COMPLETED)
                code = self._judge(serving)
            finally:
                self._draining.set()
                await self._answering.stop(self._settings.drain_ms / 1000 + INSIST_S)
                pages.should_exit = True
                for task in (*kept, draining, serving):
                    task.cancel()
                await asyncio.gather(*kept, draining, serving, shown, return_exceptions=True)
        return code

    def _judge(self, serving: asyncio.Task[None]) -> int:
        error = serving.exception() if serving.done() else None
        if isinstance(error, ChildFailed):
            self._log.error("cannot start", problem=str(error), remedy="see the lines of the process that answers")
            return error.code or 3
        if error is not None:
            raise error
        return 0

    def _connections(self) -> Connections:
        settings = self._settings
        return Connections(
            settings.redis_url,
            settings.control_target,
            settings.control_token,
            control_authorities=settings.control_ca,
            clock=self._clock,
            draw=random.SystemRandom().random,
            on_breaker=self._figures.breaker,
        )

    async def _follow(self, product: str, connections: Connections) -> None:
        """Follow one feed; what breaks costs this feed a pause, and never the process."""
        directory = self._settings.store_dir / feed_directory_name(product)
        while True:
            try:
                access = Access.named(self._settings.store_access)
                with StoreWriter(directory, self._settings.store_map_bytes, self._boot_id, access) as writer:
                    ring = KeyRing(self._settings.root_keys, writer.floor.key_set_version)
                    room = self._settings.working_set
                    parts = connections.parts(product, writer, ring, self._identity, self._figures, room)
                    await self._run(FeedLoop(parts), product, writer, directory)
            except CorruptStore as error:
                self._meters.counter(metrics.STORES_SET_ASIDE, product).inc()
                self._log.error("store set aside", product=product, problem=str(error))
                with contextlib.suppress(NothingStored, StoreUnwritable):
                    set_aside(directory, self._clock.now_ms())
            except Exception as error:  # noqa: BLE001 - supervision: a feed that breaks is begun again
                self._log.error("feed ended", product=product, exc_info=error)
            self._feeds.pop(product, None)
            await asyncio.sleep(PAUSE_S)

    async def _run(self, feed: FeedLoop, product: str, writer: StoreWriter, directory: Path) -> None:
        """Run a feed, and keep its store in order meanwhile."""
        self._feeds[product] = feed
        housekeeping = Housekeeping(
            product,
            writer.file,
            directory,
            self._meters,
            self._clock,
            lambda: feed.state.phase is Phase.LIVE and feed.state.writing is None,
        )
        keeping = asyncio.create_task(housekeeping.keep())
        try:
            await feed.run()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    def _procurement_of(self, product: str) -> Procurement | None:
        feed = self._feeds.get(product)
        return None if feed is None else feed.procurement

    def _on_damage(self, product: str) -> None:
        feed = self._feeds.get(product)
        self._log.error("a reader found a damaged record", product=product, following=feed is not None)
        if feed is not None:
            feed.report_damage()

    def started(self) -> bool:
        """Return whether checks are answered, by records or by fallbacks."""
        return self._answering.first.upkeep.is_up

    def not_ready(self) -> list[str]:
        """Return why no traffic should come here; the control plane's absence is no reason."""
        upkeep = self._answering.first.upkeep
        if self._draining.is_set():
            return ["draining"]
        if not upkeep.is_up:
            return ["the process that answers is down"]
        if upkeep.last_status is None:
            return ["the process that answers does not say how it is"]
        problems = [f"no policy of {product} is loaded" for product in upkeep.not_loaded()]
        if not problems and not self._ready_once:
            self._ready_once = True
            took_ms = self._clock.monotonic_ms() - self._started_mono_ms
            self._meters.gauge(metrics.START_DURATION).set(took_ms / 1000)
            settle()
        return problems

    async def metrics(self) -> bytes:
        """Return the metrics of all processes."""
        return merge({**await self._answering.exposition(), "main": self._meters.exposition()})

    async def status(self) -> dict[str, Any]:
        """Return what all processes know."""
        answering = await self._answering.status()
        return {
            "sidecar_id": self._identity.sidecar_id,
            "software": self._identity.software,
            "pid": os.getpid(),
            "not_ready": self.not_ready(),
            "serving": answering[0],
            "also_serving": answering[1:],
            "start": {product: one.result for product, one in self._launch.results.items()},
            "feeds": {product: feed.status.facts() for product, feed in self._feeds.items()},
        }

    def __repr__(self) -> str:
        """Show the process that answers and the feeds."""
        return f"<App [{self._answering!r} | {len(self._feeds)} feeds]>"


def run_app(
    settings: SidecarSettings, launch: Launch, clock: Clock, started_mono_ms: int, old: Mapping[int, Predecessor]
) -> int:
    """Run the main process to its end; `old` are the processes of an earlier sidecar that still answer."""

    async def run() -> int:
        return await App(settings, launch, clock, started_mono_ms, old).run()

    try:
        return asyncio.run(run())
    except OSError as error:
        sys.stderr.write(f"sidecar: {settings.admin}: {error}\n")
        launch.serving.kill()
        return 3
