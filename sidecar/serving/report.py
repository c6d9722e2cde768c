"""What breaks inside becomes a log line, but never one for each call: the first of a kind is told at once, the others are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from entitlements.runtime.outlet import STANDARD_ERROR, Outlet

TOLD: Final = 100
"""After the first, one in this many failures of the same kind is told."""


class Log:
    """The log of this process, set up at its first line: the library is large, and the first answer does not wait for it."""

    def __init__(
        self, level: str, form: str, process: str = "serving", on_drop: Callable[[], None] = lambda: None
    ) -> None:
        """Remember how to write, and under which name of this process; `on_drop` hears of each line that found no way out."""
        self._level = level
        self._form = form
        self._process = process
        self._outlet = Outlet(STANDARD_ERROR, on_drop)
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return a method of the logger: `info`, `warning`, `error`."""
        if self._made is None:
            from entitlements.runtime import logs  # noqa: PLC0415 - see the class

            logs.configure(self._level, self._form, process=self._process, stream=self._outlet)
            self._made = logs.logger()
        return getattr(self._made, name)


class Report:
    """Tells a log of failures on the path of answers."""

    def __init__(self, log: Log) -> None:
        """Write to this log."""
        self._log = log
        self._gate = threading.Lock()
        self._seen: dict[tuple[str, type[BaseException]], int] = {}

    def inside(self, product: str, error: Exception) -> None:
        """Tell that a question was answered by a fallback because of this error."""
        self._tell("answered by fallback", product, error)

    def unanswered(self, method: str, error: BaseException) -> None:
        """Tell that a call got INTERNAL because of this error."""
        self._tell("call failed", method, error)

    def _tell(self, event: str, where: str, error: BaseException) -> None:
        with self._gate:
            count = self._seen.get((where, type(error)), 0) + 1
            self._seen[where, type(error)] = count
        if count % TOLD == 1:
            self._log.error(event, where=where, count=count, exc_info=error)
