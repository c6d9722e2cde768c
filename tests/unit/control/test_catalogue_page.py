"""The example in docs/catalogue.md is a document that is accepted."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from control.domain.compile import STATE_ACCESS, compile_document
from control.domain.document import parse_document
from tests.support.vendor import NOW_MS

PAGE = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text(encoding="utf-8")


def test_the_example_compiles() -> None:
    """Every form that the page shows is one that the parser takes."""
    match = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    document = parse_document(YAML(typ="safe").load(match[1]), NOW_MS)
    records = compile_document(document, "suite")
    assert set(records) == {"f/reports", "f/exports", "f/projects", "p/pro@3", "p/more-projects@1", "c/acme"}


def test_the_page_tells_the_access_of_every_state() -> None:
    """The table is the one that is compiled in."""
    rows = re.findall(r"^\| ([A-Z_, ]+) \| ([A-Z_]+)", PAGE, re.MULTILINE)
    told = {state.strip(): level for states, level in rows for state in states.split(",")}
    assert told == {state.name: level.name for state, level in STATE_ACCESS.items()}
