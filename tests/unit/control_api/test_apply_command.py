"""`entitlements apply`: shows first, asks, applies what was shown, and maps refusals to lines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from control.cli.apply import (
    APPLIED,
    NOT_APPLIED,
    REFUSED,
    UNREACHABLE,
    WRONG_INPUT,
    main,
    run_apply,
)
from control.cli.catalogue_file import CatalogueDocument, read_catalogue
from control.cli.change_view import change_lines, differences, summary
from control.cli.rest_client import Answer, RestClient, UnreachableError
from control.cli.server_options import KEY, SERVER

CHANGES: list[dict[str, Any]] = [
    {"action": "added", "kind": "feature", "id": "suite/exports", "before": None, "after": {"kind": "switch"}},
    {"action": "changed", "kind": "product", "id": "suite", "before": {"name": "A"}, "after": {"name": "B"}},
]


class ScriptedClient(RestClient):
    """Answers from a list and keeps what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__("http://127.0.0.1:1", None)
        self.answers = list(answers)
        self.calls: list[tuple[str, str, Any, Mapping[str, str]]] = []

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the next answer."""
        self.calls.append((method, path, body, headers or {}))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def plan(changes: list[dict[str, Any]]) -> Answer:
    """Return what a dry run answers."""
    return Answer(200, {"dry_run": True, "changes": changes, "unchanged": 3, "versions": {}, "plan": "p1"})


def applied() -> Answer:
    """Return what an apply answers."""
    versions = {"suite": "1764028800-4"}
    return Answer(200, {"dry_run": False, "changes": CHANGES, "unchanged": 3, "versions": versions, "plan": "p1"})


@pytest.fixture(name="document")
def small_document(tmp_path: Path) -> CatalogueDocument:
    """Return a document read from a file."""
    path = tmp_path / "catalogue.yaml"
    path.write_text("version: 1\nproducts:\n  - key: suite\n    features:\n      - {key: exports, kind: swich}\n")
    return read_catalogue([path])


def test_what_was_shown_is_what_is_applied(document: CatalogueDocument, capsys: pytest.CaptureFixture[str]) -> None:
    """The second call carries the plan of the first and an idempotency key."""
    client = ScriptedClient(plan(CHANGES), applied())
    assert run_apply(client, document, lambda: True, dry_run=False) == APPLIED
    shown = capsys.readouterr().out
    assert "+ feature suite/exports" in shown
    assert '"A" -> "B"' in shown
    assert "1 to add, 1 to change, 0 to remove, 3 as they are" in shown
    assert "suite is at version 1764028800-4" in shown
    _, path, body, headers = client.calls[1]
    assert (path, body["plan"]) == ("/apply", "p1")
    assert "dry_run" not in body
    assert headers["Idempotency-Key"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_declined_or_dry_changes_nothing(document: CatalogueDocument, *, dry_run: bool) -> None:
    """One call, exit code 1."""
    client = ScriptedClient(plan(CHANGES))
    assert run_apply(client, document, lambda: False, dry_run=dry_run) == NOT_APPLIED
    assert len(client.calls) == 1


def test_a_second_run_has_nothing_to_change(document: CatalogueDocument, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 without asking."""
    assert run_apply(ScriptedClient(plan([])), document, _unasked, dry_run=False) == APPLIED
    assert "Nothing to change (3 as they are)." in capsys.readouterr().out


def _unasked() -> bool:
    raise AssertionError("nobody is to be asked")


def test_a_refused_document_shows_the_line(document: CatalogueDocument, capsys: pytest.CaptureFixture[str]) -> None:
    """The server names the path, the command adds file and line."""
    error = {
        "field": "document.products[0].features[0].kind",
        "problem": "is not one of switch, config",
        "remedy": "Write switch.",
    }
    refusal = Answer(422, {"title": "t", "detail": "d", "errors": [error]})
    assert run_apply(ScriptedClient(refusal), document, _unasked, dry_run=False) == WRONG_INPUT
    told = capsys.readouterr().err
    assert "catalogue.yaml:5: products[0].features[0].kind is not one of switch, config" in told
    assert "Write switch." in told


def test_other_refusals_are_told_as_they_are(document: CatalogueDocument, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing scope is no mistake of the file."""
    body = {"title": "No", "detail": "Needs publish.", "errors": [], "request_id": "r1"}
    assert run_apply(ScriptedClient(Answer(403, body)), document, _unasked, dry_run=False) == REFUSED
    told = capsys.readouterr().err
    assert "No (403): Needs publish." in told
    assert "request id: r1" in told


def test_exit_codes_of_wrong_files_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and options that cannot be used end with 2, a server that is away with 4."""
    path = tmp_path / "c.yaml"
    path.write_text("version: 1\n")
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv(SERVER, "ftp://x")
    assert main(["-f", str(tmp_path / "none.yaml")]) == WRONG_INPUT
    assert main(["-f", str(path)]) == WRONG_INPUT
    monkeypatch.setenv(SERVER, "http://127.0.0.1:1")
    assert main(["-f", str(path), "--key", "nonsense"]) == WRONG_INPUT
    monkeypatch.setattr(RestClient, "call", _away)
    assert main(["-f", str(path)]) == UNREACHABLE


def _away(*_arguments: object, **_options: object) -> Answer:
    raise UnreachableError("http://127.0.0.1:1 does not answer: refused")


def test_unattended_without_yes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script must say that it means it."""
    path = tmp_path / "c.yaml"
    path.write_text("version: 1\n")
    monkeypatch.setattr(RestClient, "call", lambda *_a, **_k: plan(CHANGES))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["-f", str(path), "--server", "http://127.0.0.1:1"]) == WRONG_INPUT


def test_differences_name_each_leaf() -> None:
    """Only what differs, with its path; lists are compared whole."""
    before = {"a": 1, "b": {"c": [1], "d": 2}, "gone": True}
    after = {"a": 1, "b": {"c": [1, 2], "d": 2}, "new": "x"}
    assert list(differences(before, after)) == [("b.c", [1], [1, 2]), ("gone", True, None), ("new", None, "x")]


def test_change_lines_are_styled_and_cut() -> None:
    """Long values do not fill the terminal."""
    change = {"action": "changed", "kind": "feature", "id": "f", "before": {"d": "x" * 500}, "after": {"d": 1}}
    lines = [*change_lines([change, {"action": "removed", "kind": "override", "id": "o"}])]
    assert [style for style, _ in lines] == ["yellow", "default", "red"]
    assert len(lines[1][1]) < 100
    assert summary([change], 0) == "0 to add, 1 to change, 0 to remove, 0 as they are"
