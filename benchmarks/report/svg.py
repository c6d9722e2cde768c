"""Draws SVG by hand: a dozen elements are all that charts need, and a page that carries them asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

GLYPH: float = 0.56
"""Mean width of a character over the size of its font, for room to leave; drawn text is never cut by it."""


def width_of(text: str, size: float = 12) -> float:
    """Return about how wide a text will be, in user units."""
    return len(text) * size * GLYPH


def attributes(values: dict[str, str | float]) -> str:
    """Return attributes as they stand in a tag; `_` in names is written `-`, numbers with two digits at most."""
    written = []
    for name, value in values.items():
        text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        written.append(f'{name.rstrip("_").replace("_", "-")}="{escape(text)}"')
    return " ".join(written)


class Drawing:
    """A picture of fixed size in user units. Colours come from the classes that the page's style names."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self.title = title
        self._parts: list[str] = []

    def add(self, tag: str, tip: str = "", **values: str | float) -> None:
        """Add an element; a `tip` is shown when the pointer rests on it."""
        inner = f"<title>{escape(tip)}</title></{tag}>" if tip else ""
        self._parts.append(f"<{tag} {attributes(values)}" + (f">{inner}" if tip else "/>"))

    def text(self, x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> None:
        """Write a line of text with its baseline at y."""
        values = attributes({"x": x, "y": y, "class_": f"t {class_}".strip(), "text_anchor": anchor})
        self._parts.append(f"<text {values}>{escape(words)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """Draw a straight line."""
        self.add("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)

    def curve(self, points: Iterable[tuple[float, float]], class_: str, tip: str = "") -> None:
        """Draw straight lines from point to point."""
        path = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(points))
        self.add("path", tip, d=path, class_=class_)

    def inside(self, x: float, y: float, other: Drawing) -> None:
        """Put another picture into this one."""
        self._parts.append(f'<g transform="translate({x:.1f} {y:.1f})">{"".join(other._parts)}</g>')

    def markup(self, style: str = "") -> str:
        """Return the `svg` element; with a style of its own when it must stand alone."""
        inner = f"<style>{style}</style>" if style else ""
        box = f"0 0 {self.width:g} {self.height:g}"
        size = f' width="{self.width:g}" height="{self.height:g}"' if style else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"{size} role="img" aria-label="{escape(self.title)}">'
            f"{inner}{''.join(self._parts)}</svg>"
        )
