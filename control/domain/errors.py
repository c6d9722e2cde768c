"""The closed tree of what the control plane refuses; each refusal names the field and the remedy.

None of them knows HTTP or gRPC: the edges translate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One mistake: where it is (``products[0].features[2].type``), what is wrong, what would be right."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Return the mistake as one sentence."""
        return f"{self.path or 'document'}: {self.problem}. {self.remedy}"


class ControlError(Exception):
    """Anything that the control plane refuses to do."""


class Invalid(ControlError):  # noqa: N818 - names what the input is, as the other refusals here do
    """The input breaks rules; every mistake that was found is listed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, in the order of the document."""
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class DocumentError(Invalid):
    """A catalogue document that breaks rules."""


class NotFound(ControlError):  # noqa: N818
    """What the command names does not exist."""

    def __init__(self, kind: str, key: str) -> None:
        """Name the kind (``customer``, ``plan version``) and the key."""
        super().__init__(f"there is no {kind} {key!r}")
        self.kind = kind
        self.key = key


class Conflict(ControlError):  # noqa: N818
    """The input is well formed but contradicts what is stored."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        """Name the field, the contradiction and the way out."""
        self.problem = Problem(path, problem, remedy)
        super().__init__(str(self.problem))


class StaleRevision(ControlError):  # noqa: N818
    """The caller decided on a revision that is no longer the current one."""

    def __init__(self, kind: str, key: str, expected: int, actual: int) -> None:
        """Name the resource and both revisions; an actual revision of 0 means that it does not exist."""
        state = f"is at revision {actual}" if actual else "does not exist"
        super().__init__(f"{kind} {key!r} {state}, not at revision {expected}; read it again and repeat the change")
        self.kind = kind
        self.key = key
        self.expected = expected
        self.actual = actual


class Busy(ControlError):  # noqa: N818
    """Another transaction was in the way; nothing was changed, and repeating the command may succeed."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("another change was in the way; nothing was changed, repeat the request")
