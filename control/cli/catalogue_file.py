"""Reads catalogue files: YAML into the one document that is applied, remembering the line of every field.

The YAML is composed, not constructed: plain values are made here, so instants stay text, a duplicate key is an error
with both lines, no tag can make an object, and aliases cannot blow a small file up into a large one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

FILE_LIMIT: Final = 16 << 20
MAX_NODES: Final = 1_000_000
MAX_DEPTH: Final = 64
_TAG: Final = "tag:yaml.org,2002:"
_LISTS: Final = ("products", "customers")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return FILE:LINE."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a file, where, and what to write instead."""

    place: str
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Return two lines for a terminal."""
        return f"{self.place}: {self.field} {self.problem}\n    {self.remedy}"


class CatalogueFileError(Exception):
    """The files cannot be read as one document."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Take every mistake that was found."""
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


@dataclass(slots=True)
class CatalogueDocument:
    """A document as plain values, and where each of its fields stands."""

    value: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def place_of(self, path: str) -> Place | None:
        """Return the place of a field, or of what encloses it; None for an empty document."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


def read_catalogue(paths: Sequence[Path]) -> CatalogueDocument:
    """Return the files as one document: lists of products and customers follow each other in the order of the files.

    CatalogueFileError names every duplicate key, unknown top-level field and piece of YAML that is not plain data.
    """
    whole = CatalogueDocument()
    mistakes: list[Mistake] = []
    for path in paths:
        try:
            for root in _compose(path):
                _Reader(path.name, whole, mistakes).join(root)
        except CatalogueFileError as error:
            mistakes += error.mistakes
    if mistakes:
        raise CatalogueFileError(mistakes)
    if "version" not in whole.value:
        names = ", ".join(path.name for path in paths)
        raise CatalogueFileError([Mistake(names, "version", "is missing", "Write `version: 1` at the top.")])
    return whole


def _compose(path: Path) -> list[Node]:
    try:
        if path.stat().st_size > FILE_LIMIT:
            remedy = f"Split it; a file may have {FILE_LIMIT >> 20} MiB."
            raise CatalogueFileError([Mistake(path.name, "the file", "is too large", remedy)])
        with path.open("rb") as stream:
            return [root for root in YAML(typ="safe", pure=True).compose_all(stream) if root is not None]
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise CatalogueFileError([Mistake(str(path), "the file", reason, "Name a readable YAML file.")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path.name}:{mark.line + 1}" if mark else path.name
        problem = f"is not YAML: {error.problem or error.context}"
        raise CatalogueFileError([Mistake(place, "the text", problem, "Correct the syntax.")]) from None
    except (YAMLError, UnicodeError, RecursionError) as error:
        problem = f"is not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise CatalogueFileError([Mistake(path.name, "the text", problem, "Correct the syntax.")]) from None


class _Reader:
    """Turns the nodes of one YAML document into plain values inside the whole document."""

    def __init__(self, file: str, whole: CatalogueDocument, mistakes: list[Mistake]) -> None:
        self._file = file
        self._whole = whole
        self._mistakes = mistakes
        self._nodes = 0

    def join(self, root: Node) -> None:
        """Add a document's lists to the whole."""
        if not isinstance(root, MappingNode):
            self._report(root, "the document", "is not a mapping", "Begin with `version: 1` and `products:`.")
            return
        for key, node in self._members(root, ""):
            if key in _LISTS and isinstance(node, SequenceNode):
                entries: list[Any] = self._whole.value.setdefault(key, [])
                self._whole.places.setdefault(key, self._place(node))
                for child in node.value:
                    entries.append(self._value(child, f"{key}[{len(entries)}]", 1))
            elif key in _LISTS:
                self._report(node, key, "is not a list", "Write one entry a line, each with a dash.")
            else:
                value = self._value(node, key, 1)
                if self._whole.value.setdefault(key, value) != value:
                    self._report(node, key, "differs between the files", "Write the same in each file.")

    def _place(self, node: Node) -> Place:
        return Place(self._file, node.start_mark.line + 1)

    def _report(self, node: Node, path: str, problem: str, remedy: str) -> None:
        self._mistakes.append(Mistake(str(self._place(node)), path or "the document", problem, remedy))

    def _members(self, node: MappingNode, path: str) -> list[tuple[str, Node]]:
        lines: dict[str, int] = {}
        members = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._report(key_node, path, "has a field whose name is no text", "Use plain names.")
                continue
            key = str(key_node.value)
            inside = f"{path}.{key}" if path else key
            if key in lines:
                remedy = f"Write it once; the first is in line {lines[key]}."
                self._report(key_node, inside, "stands twice", remedy)
                continue
            if key == "<<":
                self._report(key_node, inside, "is a merge key, which is not read", "Write the fields out.")
                continue
            lines[key] = key_node.start_mark.line + 1
            self._whole.places.setdefault(inside, self._place(key_node))
            members.append((key, value_node))
        return members

    def _value(self, node: Node, path: str, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            limit = f"{MAX_NODES} values" if self._nodes > MAX_NODES else f"{MAX_DEPTH} levels"
            mistake = Mistake(str(self._place(node)), path, f"goes beyond {limit}", "Split or flatten the document.")
            raise CatalogueFileError([mistake])
        self._whole.places.setdefault(path, self._place(node))
        if isinstance(node, MappingNode):
            return {key: self._value(child, f"{path}.{key}", depth + 1) for key, child in self._members(node, path)}
        if isinstance(node, SequenceNode):
            return [self._value(child, f"{path}[{index}]", depth + 1) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: Node, path: str) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if kind in {"str", "timestamp", "value"}:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        reader = _NUMBERS.get(kind)
        if reader is None:
            self._report(node, path, f"has the tag {node.tag}", "Write plain data without tags.")
            return None
        try:
            return reader(text)
        except ValueError:
            self._report(node, path, f"is not a number: {text[:40]}", "Write a whole number, or a text in quotes.")
            return None


def _whole_number(text: str) -> int:
    if len(text) > 24:
        raise ValueError("too long")
    return int(text, 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)


_NUMBERS: Final[Mapping[str, Any]] = {"int": _whole_number, "float": float}
