"""`entitlements sidecar`: reads the settings, starts what takes time, then imports and runs the main process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Final

from entitlements.runtime.clock import SystemClock
from entitlements.runtime.courtesy import step_back
from entitlements.runtime.locks import FileLock, LockTaken
from entitlements.runtime.settings import SettingsError, load
from entitlements.store.access import Access
from sidecar.intercom import predecessors
from sidecar.launch import Launch
from sidecar.settings import SidecarSettings

USAGE: Final = (
    "usage: entitlements sidecar\n\nAll settings are environment variables: docs/reference/config-sidecar.md\n"
)
YIELD_S: Final = 1.0
MAIN_LOCK: Final = "main.lock"


def main(argv: Sequence[str]) -> int:
    """Run a sidecar; return 0 after a drain, 2 for wrong settings, 3 when a place to listen or the store is in use."""
    clock = SystemClock()
    started_mono_ms = clock.monotonic_ms()
    if argv:
        sys.stderr.write(USAGE)
        return 0 if argv[0] in {"-h", "--help"} else 2
    try:
        settings = load(SidecarSettings, os.environ)
        Access.named(settings.store_access).over_root(settings.store_dir)
        lock = FileLock(settings.store_dir / MAIN_LOCK)
        lock.acquire({"pid": os.getpid()})
    except SettingsError as error:
        sys.stderr.write(f"sidecar: {error}\n")
        return 2
    except (LockTaken, OSError) as error:
        sys.stderr.write(f"sidecar: {error}\n")
        return 3
    # This store has no other main process (we hold its lock). Whoever still answers from it has outlived his own.
    old = predecessors(settings.store_dir)
    launch = Launch(settings, os.environ, "go takeover" if 0 in old else "go", clock)

    step_back()  # from here on what answers goes first; it has been started, and its successors come from the launch too
    ended_early = partial(_end_early, launch)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended_early)  # until the event loop has handlers of its own
    # On a small machine the three interpreters share two cores, and this one is not what the first answer waits for.
    launch.finished.wait(YIELD_S)
    from sidecar.app import run_app  # noqa: PLC0415 - large imports come after the launch, and run beside it

    return run_app(settings, launch, clock, started_mono_ms, old)


def _end_early(launch: Launch, _number: int, _frame: FrameType | None) -> None:
    launch.abandon()
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
