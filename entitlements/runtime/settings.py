"""Settings of a process: declared once as a frozen dataclass, read once from the environment, documented from the same declaration.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        drain_ms: int = setting("DRAIN", "How long calls in flight may take to end.", duration_ms(), default="10s")

    settings = load(Settings, os.environ)      # reads ENTITLEMENTS_DRAIN

A variable's name is the prefix plus the declared name. Defaults are written as text and read by the same form, so the reference page
shows exactly what a deployment would write. Secrets, and settings declared so, may also come from a file: NAME_FILE holds its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from entitlements.runtime.forms import Form

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX: Final = "ENTITLEMENTS_"
_KEY: Final = "setting"

S = TypeVar("S", bound="DataclassInstance")


class SettingsError(Exception):
    """A setting is missing or wrong: the variable's name, what is the matter, and what to write instead."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{name} {problem}; {remedy}")
        self.name = name
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared about one setting. `default` is text as it would be written in the environment, or None when required."""

    name: str
    sentence: str
    form: Form[Any]
    default: str | None
    secret: bool
    from_file: bool

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return PREFIX + self.name


def setting(
    name: str,
    sentence: str,
    form: Form[Any],
    *,
    default: str | None = None,
    secret: bool = False,
    from_file: bool = False,
) -> Any:
    """Declare a dataclass field as a setting; without `default` it is required.

    With `from_file` the variable NAME_FILE may name a file that holds the text. A secret has that too, and is never shown.
    """
    declared = Declaration(name, sentence, form, default, secret, from_file or secret)
    return field(metadata={_KEY: declared}, repr=not secret)


def declarations(cls: type[DataclassInstance]) -> tuple[Declaration, ...]:
    """Return the declarations of a settings class in their order; TypeError when a field is not a setting or a name occurs twice."""
    found = tuple(_declaration(entry) for entry in fields(cls))
    if len({one.name for one in found}) != len(found):
        raise TypeError(f"{cls.__name__} declares one variable twice")
    return found


def _declaration(entry: Field[Any]) -> Declaration:
    declared = entry.metadata.get(_KEY)
    if not isinstance(declared, Declaration):
        raise TypeError(f"{entry.name} is not declared with setting()")
    return declared


def load(cls: type[S], environ: Mapping[str, str]) -> S:
    """Read the settings of a class from an environment; SettingsError names the first variable that is missing or wrong."""
    values = {
        entry.name: _value(declared, environ) for entry, declared in zip(fields(cls), declarations(cls), strict=True)
    }
    return cls(**values)


def _value(declared: Declaration, environ: Mapping[str, str]) -> Any:
    name = declared.variable
    raw = environ.get(name)
    if declared.from_file and environ.get(name + "_FILE"):
        if raw:
            raise SettingsError(name, f"and {name}_FILE are both set", "set only one of them")
        name += "_FILE"
        raw = _content(name, Path(environ[name]))
    if raw is None:
        raw = declared.default
    if raw is None:
        raise SettingsError(name, "is not set", f"set it to {declared.form.accepts}")
    try:
        return declared.form.read(raw)
    except ValueError as error:
        shown = "" if declared.secret else f" (got {raw!r})"
        raise SettingsError(name, f"{error}{shown}", f"write {declared.form.accepts}") from None


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(name, f"names a file that cannot be read ({reason})", "name a readable text file") from None


def environment(cls: type[DataclassInstance], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return `chosen` (declared name to text) with variable names, for a child process; KeyError on an unknown name."""
    known = {declared.name: declared.variable for declared in declarations(cls)}
    return {known[name]: text for name, text in chosen.items()}


def reference_page(cls: type[DataclassInstance], title: str, opening: str) -> str:
    """Return a Markdown page with every setting of a class: variable, default, what is accepted, its sentence."""
    rows = []
    for declared in declarations(cls):
        default = (
            "**required**" if declared.default is None else f"`{declared.default}`" if declared.default else "none"
        )
        sentence = declared.sentence
        if declared.from_file:
            secret = "A secret: " if declared.secret else ""
            sentence += f" {secret}`{declared.variable}_FILE` may name a file that holds it."
        cells = (f"`{declared.variable}`", default, declared.form.accepts, sentence)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = f"# {title}\n\n{opening}\n\n| variable | default | write | what it does |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
