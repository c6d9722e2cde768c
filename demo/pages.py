"""Reads pages and metrics over HTTP, as a probe, a scraper or a customer's browser would."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

TIMEOUT_S: Final = 2.0
_SERIES: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Page:
    """A reply: its status, 0 when nothing answered, and its text."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """Return the text as JSON."""
        return json.loads(self.text)


def page(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Page:
    """Fetch a page; an error status is a page as well, and a server that is away has status 0."""
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)  # noqa: S310  our own addresses
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310  as above
            return Page(reply.status, reply.read().decode())
    except urllib.error.HTTPError as error:
        return Page(error.code, error.read().decode())
    except (urllib.error.URLError, OSError) as error:
        return Page(0, str(error))


def metric(exposition: str, name: str, **labels: str) -> float:
    """Return the sum of the series of a metric that carry these labels; 0 when there is none."""
    return sum(value for found, value in series(exposition, name) if labels.items() <= found.items())


def series(exposition: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the labels and the value of each series of one metric."""
    for line in exposition.splitlines():
        match = _SERIES.match(line)
        if match and match.group(1) == name:
            yield dict(_LABEL.findall(match.group(2) or "")), float(match.group(3))
