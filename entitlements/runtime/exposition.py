"""Joins the metrics of several processes into one page: each family once, each series with the label `process`.

Prometheus' text format allows one HELP and one TYPE line for each family, so pages cannot simply follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SERIES: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})?( .*)")


class _Family:
    """One family's comment lines, from the first page that has it, and its series from all pages."""

    __slots__ = ("comments", "series")

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.series: list[str] = []


def merge(pages: Mapping[str, bytes]) -> bytes:
    """Return one page from those of the named processes, in text format 0.0.4. ValueError names a line that is no series."""
    families: dict[str, _Family] = {}
    for process, page in pages.items():
        _add(families, process, page.decode())
    lines = [line for family in families.values() for line in (*family.comments, *family.series)]
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _add(families: dict[str, _Family], process: str, page: str) -> None:
    label = f'process="{_escaped(process)}"'
    family = _Family()
    known = False
    for line in page.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            name = line.split(" ", 3)[2]
            if line.startswith("# HELP "):  # the client library writes HELP first in each family
                known = name in families
                family = families.setdefault(name, _Family())
            if not known:
                family.comments.append(line)
        elif line and not line.startswith("#"):
            family.series.append(_labelled(line, label))


def _labelled(line: str, label: str) -> str:
    match = _SERIES.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} is no series of the text format")
    name, _, labels, rest = match.groups()
    return f"{name}{{{label},{labels}}}{rest}" if labels else f"{name}{{{label}}}{rest}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
