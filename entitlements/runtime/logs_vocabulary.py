"""The words of log settings, apart from `logs` so that reading settings does not import the logging library."""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("json", "console")
