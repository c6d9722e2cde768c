"""Structured logs of a process: one JSON object a line for machines, aligned text for a terminal.

Events are named in few words and carry their facts as keys. Nothing is logged for a single check: what happens thousands of times a second
is counted by metrics. Secrets are masked by the name of their key and inside URLs, in our lines and in those of libraries.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol, TextIO, cast

import structlog

from entitlements.runtime.logs_vocabulary import FORMATS, LEVELS

__all__ = ["FORMATS", "LEVELS", "MASK", "configure", "logger", "mask_secrets"]

MASK: Final = "***"

_SECRET_KEY: Final = re.compile(
    r"token|secret|password|passwd|authorization|credential|private_?key|api_?key", re.IGNORECASE
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+(?=@)")
_BEARER: Final = re.compile(r"(?i)\bbearer\s+[^\s\"',]+")


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be read in a log: values of telling keys, passwords inside URLs, bearer tokens (a structlog processor)."""
    event.pop("color_message", None)  # uvicorn says the same again with terminal colours
    for key, value in event.items():
        event[key] = MASK if key != "event" and _SECRET_KEY.search(key) and value is not None else _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _BEARER.sub(f"Bearer {MASK}", _URL_PASSWORD.sub(rf"\1:{MASK}", value))
    if isinstance(value, dict):
        return {
            key: MASK if isinstance(key, str) and _SECRET_KEY.search(key) else _masked(entry)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(entry) for entry in value]
    return value


class Stream(Protocol):
    """What lines are written to: a text file, or an `Outlet`."""

    def write(self, text: str, /) -> int:
        """Take one whole line."""

    def flush(self) -> None:
        """Bring it out."""

    def isatty(self) -> bool:
        """Return whether a person looks at it."""


def configure(level: str, form: str, *, process: str, stream: Stream | None = None) -> None:
    """Set up the logs of this process, once, at start. `level` and `form` are of LEVELS and FORMATS; ValueError otherwise.

    Lines go to standard error unless `stream` is given, and every line carries the name of the process. The standard library's
    loggers (uvicorn, grpc, alembic) take the same way.
    """
    if level not in LEVELS or form not in FORMATS:
        raise ValueError(f"log level is one of {', '.join(LEVELS)} and format one of {', '.join(FORMATS)}")
    output: Stream = sys.stderr if stream is None else stream
    shared: list[Callable[..., Any]] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _stamp("process", process),
    ]
    renderer: Callable[..., Any] = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=output.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    # Stacks become text before the masking, so a secret inside an exception's message is masked as well.
    ending: list[Callable[..., Any]] = [structlog.processors.format_exc_info, mask_secrets, renderer]
    numeric: int = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", output)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(numeric, logging.INFO))


def _stamp(key: str, text: str) -> Callable[..., Any]:
    """Return a processor that adds one fixed fact to every line."""

    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event[key] = text
        return event

    return add


def logger(**facts: Any) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that adds `facts` to each of its lines."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(**facts)
    return bound
