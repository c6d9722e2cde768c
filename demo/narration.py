"""Tells the story: each line is printed when it has become true, and kept with its claims and numbers for machines."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

WIDTH: Final = 34
SEEN_LIMIT: Final = 400
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")


class NotAsToldError(Exception):
    """A claim of the story did not hold."""


@dataclass(slots=True)
class Claim:
    """One thing that must be true for the story to be true, and what was seen."""

    text: str
    held: bool
    seen: str


@dataclass(slots=True)
class Step:
    """One step of the story: what was claimed, what was measured (milliseconds unless the name says otherwise)."""

    number: int
    title: str
    claims: list[Claim] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether all was as told."""
        return not self.error and bool(self.claims) and all(claim.held for claim in self.claims)

    def claim(self, text: str, held: object, seen: object = "") -> None:
        """Record a claim; NotAsToldError when it does not hold."""
        shown = " ".join(str(seen).split())[:SEEN_LIMIT]
        self.claims.append(Claim(text, bool(held), shown))
        if not held:
            raise NotAsToldError(f"{text}; seen: {shown}")

    def measured(self, name: str, value: float) -> float:
        """Keep a number under a name and return it."""
        self.numbers[name] = round(value, 3)
        return value

    def as_json(self) -> dict[str, Any]:
        """Return the step for machines."""
        return {
            "number": self.number,
            "title": self.title,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "claims": [{"text": each.text, "held": each.held, "seen": each.seen} for each in self.claims],
            "numbers": self.numbers,
            "error": self.error,
        }


class Narrator:
    """Prints the transcript, unless told to be quiet, and remembers all of it."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self.transcript: list[str] = []
        self.steps: list[Step] = []

    def line(self, text: str = "") -> None:
        """Print one line."""
        self.transcript.append(text.rstrip())
        if not self._quiet:
            print(self.transcript[-1], flush=True)

    def fact(self, name: str, text: str, seconds: float | None = None) -> None:
        """Print a line of the set-up: a name, what it is, and how long it took."""
        taken = "" if seconds is None else f"{seconds:6.2f} s"
        self.line(f"  {name:<10} {text:<70}{taken}")

    def row(self, name: str, text: str) -> None:
        """Print a line of a step: what was done or asked, and what came of it."""
        self.line(f"     {name:<{WIDTH}} {text}")

    def begin(self, title: str) -> Step:
        """Open the next step."""
        step = Step(len(self.steps) + 1, title)
        self.steps.append(step)
        self.line()
        self.line(f"  {step.number}  {title}")
        return step

    @property
    def seconds(self) -> float:
        """Return the time since the beginning."""
        return time.monotonic() - self._started

    def as_json(self, error: str = "") -> dict[str, Any]:
        """Return the whole story as one document."""
        return {
            "ok": not error and bool(self.steps) and all(step.ok for step in self.steps),
            "seconds": round(self.seconds, 3),
            "error": error,
            "steps": [step.as_json() for step in self.steps],
            "transcript": self.transcript,
        }

    def print_json(self, error: str = "") -> None:
        """Print the document, the only output of a quiet story."""
        print(json.dumps(self.as_json(error), indent=2), flush=True)


def masked(line: str) -> str:
    """Return a line without what differs from run to run: numbers become #, and blanks between columns one blank."""
    return re.sub(r"\s+", " ", _NUMBER.sub("#", line)).strip()
