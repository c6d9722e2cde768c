"""The set-up, as far as it needs no network: what pip is told, uv is told; a stamp stands for exactly one installation."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEV = Path(__file__).resolve().parents[2] / "dev.py"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`dev.py` as a module, with its folders pointed at an empty checkout."""
    spec = importlib.util.spec_from_file_location("dev_under_test", DEV)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "dev_under_test", module)
    spec.loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.lock").write_text("thing==1\n")
    (tmp_path / "pyproject.toml").write_text("[build-system]\n[project]\nname='x'\n[tool.hatch]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "REQUIREMENTS", tmp_path / "requirements")
    return module


@pytest.mark.parametrize(
    "listing, expected",
    [
        ("global.index-url='https://index.test/simple'", {"UV_DEFAULT_INDEX": "https://index.test/simple"}),
        (":env:.cert='/ca.pem'\nglobal.cert='/other.pem'", {"SSL_CERT_FILE": "/ca.pem"}),
        ("global.find-links='/wheels /more'", {"UV_FIND_LINKS": "/wheels,/more"}),
        (
            "install.extra-index-url='https://a.test https://b.test'",
            {"UV_INDEX": "https://a.test https://b.test", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ("download.index-url='https://elsewhere.test'\nglobal.quiet='1'\n", {}),
    ],
    ids=["index", "environment wins", "find-links", "extra index", "other sections"],
)
def test_uv_is_told_what_pip_is_told(dev: ModuleType, listing: str, expected: dict[str, str]) -> None:
    """A package index, a certificate or a proxy that is configured for pip holds for uv as well."""
    assert dev.uv_settings(listing) == expected


def installed(dev: ModuleType, folder: Path) -> Any:
    """Lay out an environment whose installation of `dev.lock` is complete."""
    environment = dev.Environment(folder, "dev", editable=True)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    environment.stamp("dev").write_text(environment.fingerprint("dev"))
    return environment


def test_a_complete_installation_is_ready(dev: ModuleType, tmp_path: Path) -> None:
    """Nothing is installed twice: the second start reads a stamp."""
    environment = installed(dev, tmp_path / ".venv")
    assert environment.is_ready()


@pytest.mark.parametrize("damage", ["requirements/dev.lock", "pyproject.toml", ".venv/unfinished"])
def test_what_an_installation_rests_on_makes_it_void(dev: ModuleType, tmp_path: Path, damage: str) -> None:
    """Another lock, other project metadata or a killed installation: install again."""
    environment = installed(dev, tmp_path / ".venv")
    path = tmp_path / damage
    path.write_text((path.read_text() if path.exists() else "") + "\nother='1'\n")
    assert not environment.is_ready()


def test_tool_settings_do_not_void_an_installation(dev: ModuleType, tmp_path: Path) -> None:
    """Changing a linter's rule in pyproject.toml installs nothing."""
    environment = installed(dev, tmp_path / ".venv")
    path = tmp_path / "pyproject.toml"
    path.write_text(path.read_text() + "\n[tool.ruff]\nline-length = 1\n")
    assert environment.is_ready()


@pytest.mark.parametrize(
    "output, passed, word",
    [
        ("", True, "ok"),
        ("skipped: no valgrind\n", True, "skipped"),
        ("skipped: x", False, "FAILED"),
        ("", False, "FAILED"),
    ],
    ids=["content", "cannot run here", "failed while skipping", "failed"],
)
def test_a_check_that_cannot_run_is_not_called_ok(dev: ModuleType, output: str, *, passed: bool, word: str) -> None:
    """Its reason is printed beside the word; only what ran and was content is `ok`."""
    assert dev.outcome(output, passed=passed) == word


def commands_of_extras(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, *, user: int, code: int) -> list[str]:
    """Return the programs that would be run for the extras, every one of them missing, by a user, ending with a code."""
    ran: list[str] = []

    def captured(*command: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert environ["DEBIAN_FRONTEND"] == "noninteractive"
        ran.append(" ".join(command[1:]))
        return subprocess.CompletedProcess(command, code, stdout="E: no network\n")

    monkeypatch.setattr(dev, "captured", captured)
    monkeypatch.setattr(dev, "DEBIAN_EXTRAS", {"/nowhere/a.h": "liba-dev", "/nowhere/b": "b"})
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dev.os, "geteuid", lambda: user)
    dev.debian_extras()
    return ran


def test_missing_extras_are_installed_by_root(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a look at what Debian has now; nothing beyond what is named."""
    assert commands_of_extras(dev, monkeypatch, user=0, code=0) == [
        "update -qq",
        "install -y -qq --no-install-recommends liba-dev b",
    ]


def test_extras_are_never_in_the_way(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another user is not asked for rights, a failure is told with apt's own word, and with all of them there nothing is run."""
    assert commands_of_extras(dev, monkeypatch, user=1000, code=0) == []
    assert commands_of_extras(dev, monkeypatch, user=0, code=100) == ["update -qq"]
    assert "tests that need them are skipped: liba-dev b (E: no network)" in capsys.readouterr().out
    monkeypatch.setattr(dev, "DEBIAN_EXTRAS", {})
    dev.debian_extras()
