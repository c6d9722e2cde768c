"""The rules of the house as tests: what a reviewer would otherwise have to count, look up or remember."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("entitlements", "sidecar", "control", "demo")
LINE_LIMIT = 300
DRAWER_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "impl", "lib", "core"}
SOLE_IMPORTERS = {
    "pybreaker": ("entitlements/runtime/breaker.py",),
    "tenacity": ("entitlements/runtime/retry.py",),
    "lmdb": ("entitlements/store/",),
}
CLOCK_READERS = ("entitlements/runtime/clock.py", "demo/", "benchmarks/", "tests/", "dev.py")
WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(root|home|work|Users|private)/\w")
PACKAGE_INDEX = re.compile(r"pypi\.(org|python)|pythonhosted\.org|npmjs\.(org|com)|deb\.debian\.org")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def sources() -> list[Path]:
    """Every file of the repository that people write or read, without environments, caches and what runs leave."""
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(hidden(part) for part in path.relative_to(ROOT).parts[:-1])
    )


def hidden(folder: str) -> bool:
    """Tell whether a folder holds no sources."""
    return (folder.startswith(".") and folder != ".ci") or folder in {"__pycache__", "build", "dist"}


def name_of(path: Path) -> str:
    """Return the path as the repository knows it."""
    return path.relative_to(ROOT).as_posix()


def python_files() -> list[Path]:
    """Every hand-written Python file."""
    return [path for path in sources() if path.suffix == ".py" and "entitlements/v1/" not in name_of(path)]


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every hand-written Python file, parsed."""
    for path in python_files():
        yield name_of(path), ast.parse(path.read_text(encoding="utf-8"))


def requirement_names(lines: list[str]) -> set[str]:
    """Return the bare, normalised package names of requirement lines; comments, options and own extras are left out."""
    matches = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    names = {match.group().lower().replace("_", "-").replace(".", "-") for match in matches if match}
    return names - {"entitlements"}


def direct(lock: str) -> set[str]:
    """Return the packages that `requirements/<lock>.in` itself names."""
    return requirement_names((ROOT / "requirements" / f"{lock}.in").read_text(encoding="utf-8").splitlines())


def pins(lock: str) -> dict[str, str]:
    """Return package -> version of one lock."""
    return dict(PIN.findall((ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")))


def test_hand_written_files_stay_short() -> None:
    """A file holds one idea: under 300 lines, tests and dev.py aside."""
    checked = [path for path in python_files() if not name_of(path).startswith("tests/") and path.name != "dev.py"]
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in checked}
    assert {name: length for name, length in lengths.items() if length >= LINE_LIMIT} == {}
    assert len(lengths) > len(PACKAGES)


def test_no_file_or_folder_is_a_drawer() -> None:
    """Names are domain nouns; a file called `utils` says nothing and collects everything."""
    names = {
        name_of(path): {part.partition(".")[0] for part in path.relative_to(ROOT).parts} for path in python_files()
    }
    assert [name for name, parts in names.items() if parts & DRAWER_NAMES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_owns(package: str) -> None:
    """Each `__init__` names what the package owns, who imports it and its invariant."""
    folders = sorted({path.parent for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts})
    silent = []
    for folder in folders:
        init = folder / "__init__.py"
        text = (ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or "") if init.exists() else ""
        silent += [f"{name_of(init)}: {word}" for word in ("Owns:", "Imported by:", "Invariant:") if word not in text]
    assert silent == []
    assert folders


def test_the_contract_folder_is_no_python_package() -> None:
    """An `__init__.py` below proto/ would shadow the distribution of that name."""
    assert list((ROOT / "proto").rglob("__init__.py")) == []


def test_wall_clock_is_read_in_one_place() -> None:
    """Time is injected everywhere else, so a test can move it."""
    readers = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in trees()
        if not name.startswith(CLOCK_READERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ".".join(ast.unparse(node).split(".")[-2:]) in WALL_CLOCK
    ]
    assert readers == []


@pytest.mark.parametrize("library", SOLE_IMPORTERS)
def test_wrapped_libraries_have_one_importer(library: str) -> None:
    """What needs care in use is imported where the care is taken, and nowhere else."""
    importers = [
        name
        for name, tree in trees()
        if not name.startswith(("tests/", "benchmarks/", *SOLE_IMPORTERS[library])) and library in imported(tree)
    ]
    assert importers == []


def imported(tree: ast.Module) -> set[str]:
    """Return the top-level names of all modules that a file imports."""
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    other = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | other}


def test_text_names_no_machine() -> None:
    """The repository works anywhere: it names nobody's home or work folder, and no package index."""
    found = []
    for path in sources():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name_of(path)}:{number}"
            for number, line in enumerate(lines, 1)
            if MACHINE_PATH.search(line) or PACKAGE_INDEX.search(line)
        ]
    assert found == []


@pytest.mark.parametrize("lock", ["sidecar", "control", "demo", "bench", "peers", "dev", "gen", "uv"])
def test_locks_are_hashed_and_name_no_index(lock: str) -> None:
    """A lock installs from whatever index is configured, and only the very files that were locked."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert direct(lock) - {name.replace(".", "-") for name in pins(lock)} == set()


@pytest.mark.parametrize(
    "smaller, larger", [("sidecar", "control"), ("control", "demo"), ("demo", "bench"), ("bench", "dev")]
)
def test_larger_lock_keeps_the_pins_of_the_smaller(smaller: str, larger: str) -> None:
    """What is tested is what runs: one version of everything in all locks."""
    wide = pins(larger)
    assert {name: version for name, version in pins(smaller).items() if wide.get(name) != version} == {}


def test_extras_name_what_the_locks_name() -> None:
    """`pip install entitlements[x]` and `requirements/x.in` ask for the same packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: requirement_names(lines) for name, lines in project["optional-dependencies"].items()}
    base = requirement_names(project["dependencies"])
    editable_only = {"hatchling", "editables"}
    assert extras["sidecar"] | base == direct("sidecar")
    assert extras["control"] == direct("control")
    assert extras["demo"] == direct("demo") - editable_only


def test_every_direct_dependency_is_explained() -> None:
    """docs/dependencies.md says of each package why it is here, under which licence, and what was turned down."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower().replace("_", "-")
    named = set(re.findall(r"^\| `([a-z0-9.-]+)`", text, flags=re.MULTILINE))
    locks = ("sidecar", "control", "demo", "bench", "peers", "dev", "gen", "uv")
    wanted = set[str]().union(*(direct(lock) for lock in locks))
    assert wanted == {name.replace(".", "-") for name in named}
