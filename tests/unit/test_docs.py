"""Generated reference pages: a stale one is found, written, and then no longer stale."""

import sys
from pathlib import Path

import pytest

from demo import docs


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout with two generators."""
    (tmp_path / "pyproject.toml").touch()
    for name in ("pages_a", "pages_b", "pages_c"):  # an earlier test's modules of the same names
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, path in [("pages_a", "docs/reference/a.md"), ("pages_b", "docs/reference/b.md")]:
        (tmp_path / f"{name}.py").write_text(f"def pages():\n    return {{{path!r}: '# {name}'}}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "GENERATORS", ("pages_a", "pages_b"))
    return tmp_path


def test_stale_pages_are_named_and_left_alone_by_check(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check changes nothing and returns 1."""
    (checkout / "docs" / "reference").mkdir(parents=True)
    (checkout / "docs" / "reference" / "a.md").write_text("# pages_a\n")
    (checkout / "docs" / "reference" / "b.md").write_text("# edited by hand\n")
    assert docs.main(["--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/reference/b.md is not what the code gives; run: python3 dev.py docs"
    ]
    assert (checkout / "docs" / "reference" / "b.md").read_text() == "# edited by hand\n"


def test_writing_makes_them_true(checkout: Path) -> None:
    """After one run the comparison is content."""
    assert docs.main([]) == 0
    assert (checkout / "docs" / "reference" / "b.md").read_text() == "# pages_b\n"
    assert docs.main(["--check"]) == 0


@pytest.mark.parametrize("path", ["docs/reference/a.md", "README.md"])
def test_a_page_has_one_generator_and_lies_below_docs(checkout: Path, path: str) -> None:
    """Two generators for one page would undo each other; a page elsewhere would overwrite what people write."""
    (checkout / "pages_c.py").write_text(f"def pages():\n    return {{{path!r}: 'x'}}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs, "GENERATORS", ("pages_a", "pages_c"))
        with pytest.raises(ValueError, match=path):
            docs.pages()
