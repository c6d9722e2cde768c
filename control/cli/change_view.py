"""Shows the difference between a document and what is stored, one line for each thing and each field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_SIGNS: Final[Mapping[str, str]] = {"added": "+", "changed": "~", "removed": "-"}
_STYLES: Final[Mapping[str, str]] = {"added": "green", "changed": "yellow", "removed": "red"}
_WIDTH: Final = 60


def change_lines(changes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield (style, line) for each change as POST /apply reports them; changed fields follow indented."""
    for change in changes:
        action = str(change["action"])
        yield _STYLES[action], f"{_SIGNS[action]} {change['kind']} {change['id']}"
        if action == "changed":
            for path, before, after in differences(change.get("before"), change.get("after")):
                yield "default", f"      {path or 'value'}: {_short(before)} -> {_short(after)}"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, before, after) for each leaf that differs; an absent one is None."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inside = f"{path}.{key}" if path else str(key)
            yield from differences(before.get(key), after.get(key), inside)
    elif before != after:
        yield path, before, after


def summary(changes: Sequence[Mapping[str, Any]], unchanged: int) -> str:
    """Return ``3 to add, 1 to change, 0 to remove, 12 as they are``."""
    counts = {action: sum(change["action"] == action for change in changes) for action in _SIGNS}
    return (
        f"{counts['added']} to add, {counts['changed']} to change, {counts['removed']} to remove, "
        f"{unchanged} as they are"
    )


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
