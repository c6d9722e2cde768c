"""The story, told for machines: every step's claims hold, and the README shows the very lines that it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo import story
from demo.narration import Narrator, Step, masked
from demo.processes import NotRunningError
from demo.site import without_settings

ROOT = Path(__file__).resolve().parents[2]
STORY_LIMIT_S = 110
TITLES = (
    "ask, and ask why",
    "revoke, and time it",
    "a trial ends by the clock",
    "Valkey is killed",
    "the control plane is killed as well",
    "sidecars are killed while there is nothing to learn from",
    "forged policy on the bus",
    "everything comes back",
    "the product service, gated",
)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Tell the story once, in processes of its own, and return its document."""
    command = [sys.executable, "-m", "demo.console", "demo", "--once", "--json"]
    environ = without_settings(os.environ)
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=STORY_LIMIT_S
    )
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.fail(f"the story printed no document (exit code {done.returncode}):\n{done.stdout}\n{done.stderr}")
    assert (done.returncode, document["error"]) == (0, ""), json.dumps(document, indent=2)
    return document


def numbers(told: dict[str, Any], step: int) -> dict[str, float]:
    """Return the numbers of a step, counted from 1."""
    found: dict[str, float] = told["steps"][step - 1]["numbers"]
    return found


def test_every_step_is_as_told(told: dict[str, Any]) -> None:
    """All steps are there, in order, each with claims, and each claim held."""
    assert tuple(step["title"] for step in told["steps"]) == TITLES
    for step in told["steps"]:
        assert step["claims"], step["title"]
        assert [claim for claim in step["claims"] if not claim["held"]] == []
        assert step["ok"]
    assert told["ok"]


@pytest.mark.parametrize(
    "step, claim",
    [
        (1, "the explanation names the plan"),
        (2, "revoked is what both say"),
        (3, "no message was needed: the version is the same"),
        (4, "a revoke arrives all the same"),
        (4, "nobody noticed"),
        (5, "stale is marked, and the records still answer"),
        (5, "data-export: allow"),
        (5, "report-exports: deny"),
        (5, "automation-editor: read_only"),
        (5, "reports: last_value"),
        (6, "it answers from its last known good"),
        (6, "a restart does not make a policy younger"),
        (7, "signed with a key of their own: refused, the verdict unchanged"),
        (7, "under the name of the real key: refused, the verdict unchanged"),
        (7, "a genuine one of another product: refused, the verdict unchanged"),
        (8, "the epoch is the same: what the forger wrote was no history"),
        (8, "the gap is closed and the sidecar live"),
        (9, "GET /reports for meridian"),
    ],
)
def test_the_story_makes_the_claims_that_matter(told: dict[str, Any], step: int, claim: str) -> None:
    """A step that lost its point would still be `ok`; this names the points."""
    assert claim in [each["text"] for each in told["steps"][step - 1]["claims"]]


def test_numbers_were_measured(told: dict[str, Any]) -> None:
    """Each number of the story is there and possible; how fast is the benchmarks' business."""
    assert numbers(told, 1)["check_p50_ms"] > 0
    revokes = numbers(told, 2)
    assert 0 < revokes["revoke_from_request_p50_ms"] <= revokes["revoke_from_request_max_ms"]
    assert revokes["revoke_from_reply_p50_ms"] < revokes["revoke_from_request_p50_ms"]
    assert numbers(told, 3)["trial_end_noticed_after_ms"] >= 0
    assert numbers(told, 4)["questions_meanwhile"] > 10
    assert numbers(told, 5)["stale_after_s"] > 0
    assert numbers(told, 6)["restart_to_first_answer_ms"] > 0
    assert numbers(told, 7)["refused_messages"] >= 3
    assert numbers(told, 8)["changes_missed"] == 3


def test_readme_shows_what_is_printed(told: dict[str, Any]) -> None:
    """Every line of the README's transcript is printed, in that order, numbers aside; it is an excerpt, nothing is made up."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- demo -->\n(.*?)<!-- /demo -->", readme, flags=re.DOTALL)
    assert shown is not None, "README.md has no transcript between <!-- demo --> and <!-- /demo -->"
    lines = [masked(line) for line in shown.group(1).splitlines() if line and not line.startswith(("```", "$"))]
    assert len(lines) > len(TITLES), "the excerpt has become too short to tell the story"
    printed = iter([masked(line) for line in told["transcript"]])
    missing = [line for line in lines if line not in printed]
    assert missing == []


def good(_stage: Any, step: Step, _tell: Narrator) -> None:
    """Claim something true."""
    step.claim("water is wet", held=True)


def wrong(_stage: Any, step: Step, _tell: Narrator) -> None:
    """Claim something false."""
    step.claim("the moon is near", held=False, seen="384,400 km")


@pytest.mark.parametrize("acts, code", [((("first", good),), 0), ((("first", good), ("second", wrong)), 1)])
def test_exit_code_and_document(
    acts: Any, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code, `ok` and `error` say the same."""
    monkeypatch.setattr(story, "set_up", lambda _stage, _tell: None)
    monkeypatch.setattr(story, "eavesdrop", lambda _stage: b"")
    monkeypatch.setattr(story, "acts_of", lambda _genuine: acts)
    assert story.main(["--once", "--json", "--data", str(tmp_path / "data")]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == (code == 0)
    assert ("the moon is near" in document["error"]) == (code == 1)


def test_a_part_that_does_not_start_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The reason comes with the place of the logs."""

    def refuse(_stage: Any, _tell: Narrator) -> None:
        raise NotRunningError("control plane ended by itself.")

    monkeypatch.setattr(story, "set_up", refuse)
    assert story.main(["--data", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "control plane ended by itself" in printed
    assert str(tmp_path / "logs") in printed
