"""Forms in which a setting may be written: how its text is read, and the words that describe what is accepted.

A form's reader raises ValueError with the problem alone ("is not a number"); `settings` adds the variable's name and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_DURATION_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = re.compile(r"(\d+)(B|KiB|MiB|GiB)")
_SIZE_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How one setting is written. `read` turns its text into a value; `accepts` completes "write ..." in errors and on the reference page."""

    read: Callable[[str], T]
    accepts: str


class Address(NamedTuple):
    """A TCP address to listen on; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(accepts: str = "text") -> Form[str]:
    """Any text that is not empty."""

    def read(raw: str) -> str:
        if not raw:
            raise ValueError("is empty")
        return raw

    return Form(read, accepts)


def whole_number(least: int, most: int) -> Form[int]:
    """A whole number within bounds, both included."""

    def read(raw: str) -> int:
        try:
            number = int(raw)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not least <= number <= most:
            raise ValueError("is out of range")
        return number

    return Form(read, f"a whole number from {least} to {most}")


def duration_ms(least_ms: int = 0, most_ms: int = 400 * 86_400_000) -> Form[int]:
    """A length of time such as 300ms, 5s, 10m, 24h or 7d; the value is in milliseconds."""

    def read(raw: str) -> int:
        match = _DURATION.fullmatch(raw)
        if match is None:
            raise ValueError("is not a length of time")
        length = int(match[1]) * _DURATION_MS[match[2]]
        if not least_ms <= length <= most_ms:
            raise ValueError("is out of range")
        return length

    return Form(read, f"a number with ms, s, m, h or d, from {_duration_text(least_ms)} to {_duration_text(most_ms)}")


def _duration_text(ms: int) -> str:
    for unit in ("d", "h", "m", "s"):
        if ms and ms % _DURATION_MS[unit] == 0:
            return f"{ms // _DURATION_MS[unit]}{unit}"
    return f"{ms}ms"


def size_bytes(least: int, most: int) -> Form[int]:
    """An amount of memory such as 64MiB; the value is in bytes."""

    def read(raw: str) -> int:
        match = _SIZE.fullmatch(raw)
        if match is None:
            raise ValueError("is not an amount of memory")
        size = int(match[1]) * _SIZE_BYTES[match[2]]
        if not least <= size <= most:
            raise ValueError("is out of range")
        return size

    return Form(read, f"a number with B, KiB, MiB or GiB, from {_size_text(least)} to {_size_text(most)}")


def _size_text(size: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _SIZE_BYTES[unit] == 0:
            return f"{size // _SIZE_BYTES[unit]}{unit}"
    return f"{size}B"


def choice(*options: str) -> Form[str]:
    """One of a closed list of words."""

    def read(raw: str) -> str:
        if raw not in options:
            raise ValueError("is not one of the choices")
        return raw

    return Form(read, "one of " + ", ".join(options))


def flag() -> Form[bool]:
    """A truth value: true or false."""

    def read(raw: str) -> bool:
        if raw not in {"true", "false"}:
            raise ValueError("is neither true nor false")
        return raw == "true"

    return Form(read, "true or false")


def path() -> Form[Path]:
    """A path in the file system, relative to the working directory unless absolute."""

    def read(raw: str) -> Path:
        if not raw or "\0" in raw:
            raise ValueError("is not a path")
        return Path(raw)

    return Form(read, "a path")


def file_mode() -> Form[int]:
    """Access rights of a file in octal digits, such as 0660."""

    def read(raw: str) -> int:
        if not re.fullmatch(r"0?[0-7]{3}", raw):
            raise ValueError("is not a file mode")
        return int(raw, 8)

    return Form(read, "octal digits such as 0660")


def address() -> Form[Address]:
    """HOST:PORT."""

    def read(raw: str) -> Address:
        host, colon, port = raw.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not colon or not bare or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise ValueError("is not HOST:PORT")
        return Address(bare, int(port))

    return Form(read, "HOST:PORT; port 0 lets the system choose")


def listed(item: Form[T]) -> Form[tuple[T, ...]]:
    """Several values separated by commas, without duplicates; empty text is an empty list."""

    def read(raw: str) -> tuple[T, ...]:
        values = tuple(item.read(part.strip()) for part in raw.split(",")) if raw.strip() else ()
        if len(set(values)) != len(values):
            raise ValueError("names one value twice")
        return values

    return Form(read, f"{item.accepts}, several separated by commas")


def optional(item: Form[T]) -> Form[T | None]:
    """A value or nothing; empty text is None."""

    def read(raw: str) -> T | None:
        return item.read(raw) if raw else None

    return Form(read, f"{item.accepts}, or empty for none")
