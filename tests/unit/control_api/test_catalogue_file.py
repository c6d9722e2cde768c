"""Catalogue files: YAML into one document, every mistake with its line."""

from pathlib import Path

import pytest

from control.cli.catalogue_file import MAX_DEPTH, CatalogueFileError, read_catalogue


def write(folder: Path, text: str, name: str = "catalogue.yaml") -> Path:
    """Write one file."""
    path = folder / name
    path.write_text(text)
    return path


def test_instants_stay_text_and_fields_know_their_line(tmp_path: Path) -> None:
    """YAML's own reading of dates would lose offsets; places point into the file."""
    path = write(tmp_path, "version: 1\nproducts:\n  - key: suite\n    retired_at: 2027-01-01T00:00:00+02:00\n")
    document = read_catalogue([path])
    assert document.value == {"version": 1, "products": [{"key": "suite", "retired_at": "2027-01-01T00:00:00+02:00"}]}
    assert str(document.place_of("products[0].retired_at")) == "catalogue.yaml:4"
    assert str(document.place_of("products[0].ladder.fresh_for")) == "catalogue.yaml:3"
    assert document.place_of("nothing") is None


def test_scalars_are_read_as_yaml_1_2(tmp_path: Path) -> None:
    """No, off and 010 are no booleans and no octal numbers."""
    path = write(tmp_path, "version: 1\nproducts: [{a: no, b: off, c: 010, d: 0x10, e: ~, f: true, g: '5', h: 1.5}]\n")
    expected = {"a": "no", "b": "off", "c": 10, "d": 16, "e": None, "f": True, "g": "5", "h": 1.5}
    assert [expected] == read_catalogue([path]).value["products"]


def test_files_and_documents_are_joined_in_order(tmp_path: Path) -> None:
    """Two files, one with two documents, make one list; places name the right file."""
    first = write(tmp_path, "version: 1\nproducts: [{key: a}]\n---\ncustomers:\n- id: x\n")
    second = write(tmp_path, "version: 1\ncustomers:\n- id: y\n", "customers.yaml")
    document = read_catalogue([first, second])
    assert document.value["customers"] == [{"id": "x"}, {"id": "y"}]
    assert str(document.place_of("customers[1].id")) == "customers.yaml:3"


@pytest.mark.parametrize(
    "text, place, field",
    [
        ("version: 1\nproducts:\n- key: a\n  key: b\n", "catalogue.yaml:4", "products[0].key"),
        ("version: 1\nversion: 1\n", "catalogue.yaml:2", "version"),
        ("version: 1\nproducts: {a: 1}\n", "catalogue.yaml:2", "products"),
        ("version: 1\nproducts:\n- !!python/object:os.system {}\n- !x 5\n", "catalogue.yaml:4", "products[1]"),
        ("version: 1\nproducts:\n- <<: {a: 1}\n", "catalogue.yaml:3", "products[0].<<"),
        ("version: 1\nproducts:\n- ? [1]\n  : 2\n", "catalogue.yaml:3", "products[0]"),
        ("version: 1\nproducts: [\n", "catalogue.yaml:3", "the text"),
        ("- 1\n", "catalogue.yaml:1", "the document"),
        ("products: []\n", "catalogue.yaml", "version"),
        ("", "catalogue.yaml", "version"),
        (f"version: 1\nproducts: {'[' * (MAX_DEPTH + 1)}1{']' * (MAX_DEPTH + 1)}\n", "catalogue.yaml:2", "products[0]"),
    ],
)
def test_mistakes_name_line_field_and_remedy(tmp_path: Path, text: str, place: str, field: str) -> None:
    """Whatever is wrong in a file is found where it stands."""
    with pytest.raises(CatalogueFileError) as refused:
        read_catalogue([write(tmp_path, text)])
    mistake = refused.value.mistakes[-1]
    assert place == mistake.place
    assert mistake.field.startswith(field)
    assert mistake.problem
    assert mistake.remedy


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Who mends a file wants the whole list."""
    text = "version: 1\nproducts:\n- {a: 1, a: 2}\n- {b: 1, b: 2}\n"
    with pytest.raises(CatalogueFileError) as refused:
        read_catalogue([write(tmp_path, text), tmp_path / "missing.yaml"])
    assert [mistake.field for mistake in refused.value.mistakes] == ["products[0].a", "products[1].b", "the file"]


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    """A small file cannot become a large document."""
    lines = ["version: 1", "products:", "- &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(CatalogueFileError, match="goes beyond"):
        read_catalogue([write(tmp_path, "\n".join(lines))])


def test_files_must_agree_on_the_version(tmp_path: Path) -> None:
    """One document has one version."""
    with pytest.raises(CatalogueFileError, match="differs between the files"):
        read_catalogue([write(tmp_path, "version: 1\n"), write(tmp_path, "version: 2\n", "b.yaml")])
