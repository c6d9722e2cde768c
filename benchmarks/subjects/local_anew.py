"""Our client's local mode without its memory of answers: every question is decided anew from the mapped store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.peers.questionnaire import Ask, Questionnaire
from benchmarks.subjects import local

DISTRIBUTIONS: Final[tuple[str, ...]] = ()
NOTE: Final = "customer id alone; reason, freshness, decision id and valid_until in every answer; nothing remembered but decoded records; a heartbeat a second"


@contextmanager
def opened(questions: Questionnaire) -> Iterator[Ask]:
    """Remember no answer."""
    with local.opened(questions, answers=0) as ask:
        yield ask
