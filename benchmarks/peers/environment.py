"""Gets what peers need from public packages, into folders that git ignores, and says in one sentence when that is impossible.

Python libraries come from `requirements/peers.lock` into `.venv-peers`, programs in npm packages from `package-lock.json` beside this file into
`.peers/npm`, both by hash. Debian packages are installed by apt when the run is root's. The product's own environment is never touched.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import dev

P = ParamSpec("P")
T = TypeVar("T")

SCRATCH: Final = dev.ROOT / ".peers"
SOURCES: Final = Path(__file__).parent
PACKAGE_FILES: Final = ("package.json", "package-lock.json")
OPA_ENGINE: Final = "opa-golib-python-bindings"
OPA_ENGINE_PYTHON: Final = (3, 14)
LONGEST_INSTALL_S: Final = 540


class UnobtainableError(Exception):
    """A peer cannot be had on this machine; the message is one sentence for the reader: why, and what would change it."""


def once(get: Callable[P, T]) -> Callable[P, T]:
    """Let a run try each installation once: what was refused is refused again without another attempt."""
    found: dict[object, T | UnobtainableError] = {}

    @functools.wraps(get)
    def remembered(*arguments: P.args, **named: P.kwargs) -> T:
        key = (arguments, tuple(sorted(named.items())))
        if key not in found:
            try:
                found[key] = get(*arguments, **named)
            except UnobtainableError as reason:
                found[key] = reason
        outcome = found[key]
        if isinstance(outcome, UnobtainableError):
            raise UnobtainableError(str(outcome)) from outcome
        return outcome

    return remembered


@once
def python() -> Path:
    """Return the interpreter of `.venv-peers`, made when needed; UnobtainableError when it cannot be."""
    try:
        return dev.PEERS.ensure().python
    except dev.SetUpFailedError as failure:
        raise UnobtainableError(f"the peers' Python environment could not be made: {failure}") from failure


@once
def npm_folder(package: str) -> Path:
    """Return the folder of one npm package of `package-lock.json`; UnobtainableError when it cannot be installed here."""
    folder = SCRATCH / "npm"
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in PACKAGE_FILES)).hexdigest()
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        if not shutil.which("npm"):
            raise UnobtainableError(
                f"{package} is an npm package and npm is not installed (Debian: apt-get install npm)"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name in PACKAGE_FILES:
            shutil.copyfile(SOURCES / name, folder / name)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", inside=folder, what="npm packages")
        stamp.write_text(digest, encoding="utf-8")
    found = folder / "node_modules" / package
    if not found.exists():
        raise UnobtainableError(f"{package} has no build for this processor or system")
    return found


@once
def debian_program(package: str, *names: str) -> str:
    """Return the first of these programs, after installing the Debian package when none is there and this run may."""
    for attempt in (False, True):
        if attempt:
            install_debian(package)
        for name in names:
            if found := shutil.which(name):
                return found
    raise UnobtainableError(f"the Debian package {package} brought none of {', '.join(names)}")


def install_debian(package: str) -> None:
    """Install one package by apt, without what it merely recommends."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise UnobtainableError(
            f"it comes as the Debian package {package}, and this run is not root's on Debian: install it first"
        )
    run("apt-get", "update", "--quiet=2", inside=dev.ROOT, what="the list of Debian packages")
    run("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", package, inside=dev.ROOT, what=package)


@once
def opa_engine() -> Path | None:
    """Return the folder to import OPA's engine from, or None when `.venv-peers` holds it.

    The package says that it needs Python 3.14. Its code is a plain ctypes wrapper that also runs on 3.11, which the check of every verdict
    shows; so on an older Python its wheel is installed, by the locked hash, into a folder of its own.
    """
    if sys.version_info >= OPA_ENGINE_PYTHON:
        return None
    folder = SCRATCH / "opa-engine"
    entry = locked_entry(OPA_ENGINE)
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == entry:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(entry, encoding="utf-8")
        options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
        target = ("--ignore-requires-python", "--target", str(folder))
        pip = (*dev.Installer(dev.PEERS).pip, "install", "--disable-pip-version-check")
        run(*pip, *options, *target, "-r", str(wanted), inside=dev.ROOT, what=OPA_ENGINE)
    stamp.write_text(entry, encoding="utf-8")
    return folder


def locked_entry(package: str) -> str:
    """Return the lines that pin a package by hash in `requirements/peers.lock`, without their condition."""
    lock = (dev.REQUIREMENTS / "peers.lock").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(package)}==.*?(?=^\S|\Z)", lock, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        raise UnobtainableError(f"{package} is not in requirements/peers.lock")
    lines = [line.partition(" ; ")[0] + " \\" if " ; " in line else line for line in found.group().splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith("#")) + "\n"


def run(*command: str, inside: Path, what: str) -> None:
    """Run an installer to its end; UnobtainableError with its last line when it fails."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=inside,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_INSTALL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise UnobtainableError(f"{what} could not be installed: {failure}") from failure
    if done.returncode:
        said = done.stdout.strip().splitlines() or ["no message"]
        raise UnobtainableError(f"{what} could not be installed: {said[-1][:200]}")
