"""The wheel, built and run away from the checkout: what an installed user gets."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_it_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """No tests, no benchmarks, no tooling; the type marker, the generated contract and the examples are in."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"entitlements", "sidecar", "control", "demo"}
    assert "entitlements/py.typed" in names
    assert "entitlements/v1/check_service_pb2.pyi" in names
    examples = {f"demo/examples/{path.name}" for path in (ROOT / "examples").glob("*") if path.is_file()}
    assert examples <= set(names)


def test_the_command_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    """The installed copy does not reach back into the checkout."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import demo.console as c, entitlements; print(c.__file__, entitlements.__file__); c.main(['--help'])"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[0].split() == [
        str(tmp_path / "demo" / "console.py"),
        str(tmp_path / "entitlements" / "__init__.py"),
    ]
    assert "sidecar" in ran.stdout
