"""How a story ends when it is not as told: the first step that does not hold is the last."""

from __future__ import annotations

from typing import Any

import pytest

from demo import story
from demo.narration import Narrator, NotAsToldError, Step


def good(_stage: Any, step: Step, _tell: Narrator) -> None:
    """Claim something true."""
    step.claim("water is wet", held=True)


def wrong(_stage: Any, step: Step, _tell: Narrator) -> None:
    """Claim something false."""
    step.claim("the moon is near", held=False, seen="384,400 km")


def test_the_first_wrong_step_ends_it() -> None:
    """Later steps would stand on sand."""
    tell = Narrator(quiet=True)
    acts = (("first", good), ("second", wrong), ("third", good))
    with pytest.raises(NotAsToldError):
        story.perform(None, tell, acts)  # type: ignore[arg-type] # these acts use no stage
    assert [(step.title, step.ok) for step in tell.steps] == [("first", True), ("second", False)]
    assert "the moon is near" in tell.steps[1].error
