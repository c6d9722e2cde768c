"""The console script: every sub-command leads somewhere, and a missing library is named with its remedy."""

import ast
import importlib.util
from pathlib import Path

import pytest

from demo import console


@pytest.mark.parametrize("name", console.SUB_COMMANDS)
def test_every_sub_command_has_a_main_that_takes_its_arguments(name: str) -> None:
    """The module of each sub-command defines `main(argv)`; nothing is imported to find out."""
    spec = importlib.util.find_spec(console.SUB_COMMANDS[name].module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    arguments = [len(node.args.args) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert arguments == [1]


def test_a_sub_command_gets_the_rest_of_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options behind the sub-command's name are its own, --help included."""
    (tmp_path / "echoing.py").write_text("seen = []\ndef main(argv):\n    seen.extend(argv)\n    return 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(console.SUB_COMMANDS, "echo", console.SubCommand("echoing", "", ""))
    assert console.main(["echo", "--help", "-v"]) == 7
    assert importlib.import_module("echoing").seen == ["--help", "-v"]


def test_a_missing_library_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image without the control plane's libraries says which extra brings them, and ends with code 2."""
    (tmp_path / "needy.py").write_text("import a_library_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(console.SUB_COMMANDS, "needy", console.SubCommand("needy", "", "control"))
    assert console.main(["needy"]) == 2
    told = capsys.readouterr().err
    assert "a_library_nobody_has" in told
    assert "pip install 'entitlements[control]'" in told


def test_an_unknown_sub_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal lists what exists."""
    with pytest.raises(SystemExit, match="2"):
        console.main(["frobnicate"])
    assert "sidecar" in capsys.readouterr().err
