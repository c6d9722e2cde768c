#!/usr/bin/env python3
"""Everything a developer runs: `python3 dev.py {demo,up,test,check,proto,docs,bench,lock} [arguments]`.

Standard library only. Makes `.venv` (and, for generating protobuf code, `.venv-gen`) from the hash-locked files in `requirements/`, then
runs the command in it. Works as root or not; writes nothing outside this folder but the caches of pip and uv.
"""

import sys

if sys.version_info < (3, 11):  # before anything that an older Python could not run
    import shutil
    import subprocess

    _names = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
    _newer = [name for name in _names if subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0]
    sys.exit(
        "dev.py needs Python 3.11 or newer; this is %d.%d.\n" % sys.version_info[:2]
        + (
            "Run: %s dev.py %s" % (_newer[0], " ".join(sys.argv[1:]))
            if _newer
            else "Install one, for example `apt-get install python3.11 python3.11-venv` or `pyenv install 3.12`."
        )
    )

import argparse
import ast
import contextlib
import filecmp
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements"
GENERATED = ROOT / "entitlements" / "v1"
BASELINE = ROOT / "proto" / "baseline.binpb"
COOLDOWN = "7 days"  # `lock` takes no release younger than this: most malicious uploads are found within days
LOCKS = ("sidecar", "control", "demo", "bench", "peers", "dev", "gen", "uv")
# A lock named on the right is part of the one on the left, with the same pins (tests/unit/test_house.py holds this).
INCLUDES = {
    "dev": ("dev", "bench", "demo"),
    "bench": ("bench", "demo"),
    "demo": ("demo",),
    "peers": ("peers",),
    "gen": ("gen",),
}

# A file of a Debian package -> the package. Some tests use them; nothing else does.
DEBIAN_EXTRAS = {
    "/usr/include/nghttp2/nghttp2.h": "libnghttp2-dev",
    "/usr/include/openssl/ssl.h": "libssl-dev",
    "/usr/bin/h2load": "nghttp2-client",
    "/usr/bin/valgrind": "valgrind",
}

# pip setting -> the variable that uv reads instead. uv ignores pip.conf and PIP_*, and stops at a private CA it was not told of.
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "trusted-host": "UV_INSECURE_HOST",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


class SetUpFailedError(Exception):
    """The environment cannot be made; the message says what to do about it."""


def say(name: str, text: str, seconds: float | None = None) -> None:
    """Print one aligned line of progress."""
    print(f"  {name:<10} {text}" if seconds is None else f"  {name:<10} {text:<58} {seconds:7.2f} s", flush=True)


def captured(*command: str | Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in the root folder to its end, whatever its exit code; keep what it prints, errors in their place."""
    output = subprocess.PIPE
    return subprocess.run(
        command, env=environ, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True, check=False
    )


@contextlib.contextmanager
def set_up_lock() -> Iterator[None]:
    """Let one set-up run at a time: two commands started together must not fill one `.venv` at once."""
    try:
        import fcntl  # noqa: PLC0415  absent on Windows, which is refused below with a reason
    except ImportError as error:
        message = "dev.py runs on Linux and macOS (on Windows: inside WSL), because a sidecar listens on a unix socket."
        raise SetUpFailedError(message) from error
    with Path(__file__).open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Environment:
    """One virtual environment and the lock it is filled from."""

    folder: Path
    lock: str
    editable: bool  # whether this project itself is installed in it

    @property
    def python(self) -> Path:
        """The interpreter inside."""
        return self.folder / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """Exists while packages are being written: found later, it marks a killed installation."""
        return self.folder / "unfinished"

    def stamp(self, lock: str) -> Path:
        """Where the fingerprint of the last complete installation is kept."""
        return self.folder / f"{lock}.stamp"

    def fingerprint(self, lock: str) -> str:
        """Hash of all that the installation depends on: interpreter, place of the checkout, lock, and the project's own metadata."""
        digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
        digest.update((REQUIREMENTS / f"{lock}.lock").read_bytes())
        if self.editable:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())
            parts = (project["build-system"], project["project"], project["tool"]["hatch"])
            digest.update(repr(parts).encode())
        return digest.hexdigest()

    def is_ready(self) -> bool:
        """Tell whether the last installation is complete and still the right one. Reads three small files."""
        stamp = self.stamp(self.lock)
        return (
            self.python.exists()
            and not self.unfinished.exists()
            and stamp.exists()
            and stamp.read_text() == self.fingerprint(self.lock)
        )

    def ensure(self) -> "Environment":
        """Make it ready; silent and fast when it is."""
        if self.is_ready():
            return self
        with set_up_lock():
            if not self.is_ready():
                self._install()
        return self

    def _install(self) -> None:
        started = time.monotonic()
        if not self._is_sound():
            self._create()
        self.unfinished.touch()
        lock = REQUIREMENTS / f"{self.lock}.lock"
        installer = Installer(self)
        installer.run("--require-hashes", "--only-binary", ":all:", "-r", str(lock))
        if self.editable:
            installer.run("--no-deps", "--no-build-isolation", "-e", str(ROOT))
        self.unfinished.unlink()
        for included in INCLUDES[self.lock]:
            self.stamp(included).write_text(self.fingerprint(included))
        count = len(re.findall(r"^\S+==", lock.read_text(), flags=re.MULTILINE))
        say(
            "set-up",
            f"{self.folder.name}: {count} locked packages, hashes verified, by {installer.name}",
            time.monotonic() - started,
        )

    def _is_sound(self) -> bool:
        """Tell whether the folder holds a working interpreter of this version and no half-written packages."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        probe = captured(self.python, "-c", "import sys; print(sys.version)")
        return probe.returncode == 0 and probe.stdout.strip() == sys.version

    def _create(self) -> None:
        if Path(sys.prefix) == self.folder:
            message = (
                f"{self.folder.name} must be made anew, and this Python is inside it. Use the one it was made with."
            )
            raise SetUpFailedError(message)
        shutil.rmtree(self.folder, ignore_errors=True)
        pip = [] if importlib.util.find_spec("ensurepip") else ["--without-pip"]
        if pip and not importlib.util.find_spec("pip"):
            message = "This Python has neither ensurepip nor pip. On Debian: apt-get install python3-venv; then run the command again."
            raise SetUpFailedError(message)
        if subprocess.run([sys.executable, "-m", "venv", *pip, self.folder], check=False).returncode:
            message = f"`{sys.executable} -m venv` failed, see above. On Debian: apt-get install python3-venv; then run the command again."
            raise SetUpFailedError(message)


class Installer:
    """Installs into one environment: with uv where it works, else with pip, which is slower and honours every local setting."""

    def __init__(self, environment: Environment) -> None:
        """Find pip, and uv: the one of the main environment, installed there on first use."""
        self.environment = environment
        python = str(environment.python)
        inside = captured(python, "-c", "import pip").returncode == 0
        self.pip = [python, "-m", "pip"] if inside else [sys.executable, "-m", "pip", "--python", python]
        self.environ = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        self.uv = MAIN.folder / "bin" / "uv"
        wanted = (REQUIREMENTS / "uv.lock").read_text()
        if environment.folder == MAIN.folder and not self._has_uv(wanted):
            self._pip("--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS / "uv.lock"))
        self.name = "uv" if self._has_uv(wanted) else "pip"

    def _has_uv(self, wanted: str) -> bool:
        if not self.uv.exists():
            return False
        version = captured(self.uv, "--version").stdout.split()
        return len(version) > 1 and f"uv=={version[1]} " in wanted

    def run(self, *arguments: str) -> None:
        """Run `install` with these arguments; raise SetUpFailedError when neither tool manages it."""
        if self.name == "uv":
            # Without compiled files each of the many processes that are started here would compile its libraries again.
            target = ("--quiet", "--compile-bytecode", "--python", self.environment.python)
            attempt = captured(self.uv, "pip", "install", *target, *arguments, environ=self.uv_environ())
            if attempt.returncode == 0:
                return
            said = [*attempt.stdout.strip().splitlines(), "no message"][0]
            say("set-up", f"uv could not ({said[:80]}); trying pip")
            self.name = "pip"
        if self._pip(*arguments):
            message = "pip could not install, see above. Is a package index reachable? (pip config list)"
            raise SetUpFailedError(message)

    def _pip(self, *arguments: str) -> int:
        command = [*self.pip, "install", "--quiet", *arguments]
        return subprocess.run(command, env=self.environ, cwd=ROOT, check=False).returncode

    def uv_environ(self) -> dict[str, str]:
        """Return the environment for uv: this process's, and pip's settings under the names that uv reads."""
        environ = {**self.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
        return {**uv_settings(captured(*self.pip, "config", "list", environ=self.environ).stdout), **environ}


def uv_settings(pip_settings: str) -> dict[str, str]:
    """Translate the lines of `pip config list` (`global.cert='/path'`) into uv's variables."""
    settings: dict[str, str] = {}
    for line in pip_settings.splitlines():  # `:env:` comes first, and pip's variables win over its files
        key, _, value = line.partition("=")
        section, _, setting = key.rpartition(".")
        name = UV_SETTINGS.get(setting)
        if name and section in {":env:", "global", "install"}:
            # uv separates the places to find wheels by commas, and everything else by blanks
            blank = "," if name == "UV_FIND_LINKS" else " "
            settings.setdefault(name, blank.join(str(ast.literal_eval(value)).split()))
    if "UV_INDEX" in settings:  # pip looks at every index for the best version; hashes decide what is acceptable
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings


MAIN = Environment(ROOT / ".venv", "dev", editable=True)
RUNTIME = Environment(ROOT / ".venv", "demo", editable=True)
BENCH = Environment(ROOT / ".venv", "bench", editable=True)
GENERATOR = Environment(ROOT / ".venv-gen", "gen", editable=False)
PEERS = Environment(
    ROOT / ".venv-peers", "peers", editable=False
)  # what the benchmarks compare with; made by them alone


def become(environment: Environment, *arguments: str) -> int:
    """Replace this process by a Python of the environment, so that signals and the last line of output are its own."""
    environment.ensure()
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(environment.python, [str(environment.python), *arguments])  # noqa: S606  fixed program, no shell wanted


def generate(target: Path) -> None:
    """Write the Python package of `proto/entitlements/v1` into `target`, byte for byte reproducible."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto" / "entitlements" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [f"--{kind}_out={scratch}" for kind in ("python", "pyi", "grpc_python")]
        command: list[str | Path] = [GENERATOR.python, "-m", "grpc_tools.protoc", "-I", "proto", *outputs, *sources]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            message = "protoc refused the sources in proto/entitlements/v1, see above."
            raise SetUpFailedError(message)
        made = Path(scratch) / "entitlements" / "v1"
        for stub in made.glob("*_pb2_grpc.py"):
            if "Servicer" not in stub.read_text():
                stub.unlink()
        (made / "__init__.py").write_text(GENERATED_DOCSTRING)
        target.mkdir(parents=True, exist_ok=True)
        for old in target.iterdir():
            if old.is_file() and not (made / old.name).exists():
                old.unlink()
        for new in made.iterdir():
            if not (target / new.name).exists() or not filecmp.cmp(new, target / new.name, shallow=False):
                shutil.copyfile(new, target / new.name)


GENERATED_DOCSTRING = '''"""The contract `entitlements.v1` as Python. Generated by `python3 dev.py proto` from proto/entitlements/v1; do not edit.

Owns: message and service classes.
Imported by: `entitlements.wire`, `entitlements.client` and the API edges of both services.
Invariant: equal, byte for byte, to what the generator makes of the sources; `dev.py check` compares.
"""
'''


def generated_drift() -> tuple[bool, str]:
    """Compare `entitlements/v1` with what the sources give; name every file that differs."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        folders = [folder for folder in (fresh, GENERATED) if folder.exists()]
        names = sorted({path.name for folder in folders for path in folder.iterdir() if path.is_file()})
        _, differing, missing = filecmp.cmpfiles(fresh, GENERATED, names, shallow=False)
    stale = sorted(differing + missing)
    lines = [f"entitlements/v1/{name} is not what proto/ gives; run: python3 dev.py proto" for name in stale]
    return not stale, "\n".join(lines)


def command_demo(arguments: list[str]) -> int:
    """Tell the whole story on real processes; ends by itself."""
    return become(RUNTIME, "-m", "demo.console", "demo", *arguments)


def command_up(arguments: list[str]) -> int:
    """Run Valkey, the control plane and a sidecar until interrupted."""
    return become(RUNTIME, "-m", "demo.console", "up", *arguments)


def command_bench(arguments: list[str]) -> int:
    """Run the benchmarks: the standard suite, `full`, one by NAME, `report A.json`, `compare A.json B.json`."""
    return become(BENCH, "-m", "demo.console", "bench", *arguments)


def debian_extras() -> None:
    """Install what some tests use of Debian, where root runs on Debian and it is missing; they are skipped with their reason without it.

    Nothing is looked up when all of it is there, so a second start loses no time.
    """
    absent = [package for file, package in DEBIAN_EXTRAS.items() if not Path(file).exists()]
    apt = shutil.which("apt-get")
    if not absent or apt is None or os.geteuid() != 0:
        return
    started = time.monotonic()
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "update", "-qq"], [apt, "install", "-y", "-qq", "--no-install-recommends", *absent]):
        done = captured(*command, environ=environ)
        if done.returncode != 0:
            last = done.stdout.strip().splitlines()[-1:] or ["no reason given"]
            say("set-up", f"not installed, tests that need them are skipped: {' '.join(absent)} ({last[0]})")
            return
    say("set-up", f"from Debian: {' '.join(absent)}", time.monotonic() - started)


def command_test(arguments: list[str]) -> int:
    """Run the tests; arguments go to pytest."""
    debian_extras()
    return become(MAIN, "-m", "pytest", *arguments)


def command_docs(arguments: list[str]) -> int:
    """Rewrite the generated pages under docs/reference."""
    return become(MAIN, "-m", "demo.console", "docs", *arguments)


def command_proto(arguments: list[str]) -> int:
    """Regenerate entitlements/v1; with --baseline, also record the contract that later changes must stay compatible with."""
    parser = argparse.ArgumentParser(prog="dev.py proto", description=command_proto.__doc__)
    parser.add_argument(
        "--baseline", action="store_true", help="rewrite proto/baseline.binpb: for a release, or with an ADR"
    )
    wanted = parser.parse_args(arguments)
    GENERATOR.ensure()
    generate(GENERATED)
    say("proto", f"{len(list(GENERATED.glob('*.py*')))} files in entitlements/v1 are up to date")
    if wanted.baseline:
        MAIN.ensure()
        buf: list[str | Path] = [MAIN.folder / "bin" / "buf", "build", "--exclude-source-info", "-o", BASELINE]
        return subprocess.run(buf, cwd=ROOT, check=False).returncode
    return 0


def command_lock(arguments: list[str]) -> int:
    """Resolve requirements/*.in into *.lock; --upgrade takes newer releases, --upgrade-package NAME one of them."""
    MAIN.ensure()
    installer = Installer(MAIN)
    if installer.name != "uv":
        message = "Locking needs uv, which could not be installed; pip cannot write a lock for all platforms."
        raise SetUpFailedError(message)
    options = [
        "--universal",
        "--generate-hashes",
        "--python-version",
        "3.11",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    options += ["--exclude-newer", COOLDOWN, "--custom-compile-command", "python3 dev.py lock"]
    # Locks name public releases with their dates; places that only this machine knows have no say.
    environ = {**installer.uv_environ(), "UV_INDEX": "", "UV_FIND_LINKS": ""}
    for name in LOCKS:
        files = [f"requirements/{name}.in", "-o", f"requirements/{name}.lock"]
        command: list[str | Path] = [installer.uv, "pip", "compile", "--quiet", *options, *files, *arguments]
        if subprocess.run(command, env=environ, cwd=ROOT, check=False).returncode:
            return 1
        say("lock", f"requirements/{name}.lock")
    return 0


def command_check(arguments: list[str]) -> int:
    """Format, lint, types, import law, contract, drift of generated files, instructions per call. Changes nothing."""
    argparse.ArgumentParser(prog="dev.py check", description=command_check.__doc__).parse_args(arguments)
    started = time.monotonic()
    MAIN.ensure()
    GENERATOR.ensure()
    tools = MAIN.folder / "bin"
    checks: list[tuple[str, str, Callable[[], tuple[bool, str]]]] = [
        (
            "budget",
            "instructions per call, against benchmarks/budget.json",
            lambda: run_check(MAIN.python, "-m", "benchmarks.guard"),
        ),
        ("types", "mypy, strict", lambda: run_check(tools / "mypy")),
        (
            "format",
            "ruff format (mend with: .venv/bin/ruff format)",
            lambda: run_check(tools / "ruff", "format", "--check", "--quiet", "."),
        ),
        ("lint", "ruff check", lambda: run_check(tools / "ruff", "check", "--quiet", ".")),
        (
            "imports",
            "the import law, import-linter",
            lambda: run_check(tools / "lint-imports", "--no-cache", "--no-logo"),
        ),
        ("contract", "buf lint", lambda: run_check(tools / "buf", "lint")),
        (
            "contract",
            "buf breaking, against proto/baseline.binpb",
            lambda: run_check(tools / "buf", "breaking", "--against", BASELINE),
        ),
        (
            "generated",
            "entitlements/v1 is what proto/ gives",
            generated_drift,
        ),
        (
            "generated",
            "docs/reference is what the code gives",
            lambda: run_check(MAIN.python, "-m", "demo.console", "docs", "--check"),
        ),
    ]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        results = [(name, text, pool.submit(timed, check)) for name, text, check in checks]
        words = []
        for name, text, future in results:
            passed, output, seconds = future.result()
            word = outcome(output, passed=passed)
            words.append(word)
            say(name, f"{word:<7} {text}", seconds)
            if word != "ok":
                print(output.rstrip(), flush=True)
    skipped = f", {words.count('skipped')} skipped" if "skipped" in words else ""
    say("check", f"{words.count('ok')} of {len(checks)} passed{skipped}", time.monotonic() - started)
    return 1 if "FAILED" in words else 0


def outcome(output: str, *, passed: bool) -> str:
    """Return `ok`, `skipped` for a check that cannot run here and says why, or `FAILED`."""
    if not passed:
        return "FAILED"
    return "skipped" if output.startswith("skipped: ") else "ok"


def timed(check: Callable[[], tuple[bool, str]]) -> tuple[bool, str, float]:
    """Run a check and add its duration in seconds."""
    started = time.monotonic()
    passed, output = check()
    return passed, output, time.monotonic() - started


def run_check(*command: str | Path) -> tuple[bool, str]:
    """Run a tool; return whether it was content, and what it said."""
    done = captured(*command)
    return done.returncode == 0, done.stdout


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": command_demo,
    "up": command_up,
    "test": command_test,
    "check": command_check,
    "proto": command_proto,
    "docs": command_docs,
    "bench": command_bench,
    "lock": command_lock,
}


def main(arguments: list[str]) -> int:
    """Run the named command; the rest of the line is its own."""
    if not arguments or arguments[0] not in COMMANDS:
        print("usage: python3 dev.py COMMAND [arguments]\n")
        for name, command in COMMANDS.items():
            say(name, (command.__doc__ or "").splitlines()[0])
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except SetUpFailedError as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
