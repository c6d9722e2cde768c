"""Runs a generator that is a process of its own, kept to its processor, from a question file to its last line."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.generators.generator import GeneratorFailed, Load
from benchmarks.generators.question import Question, write_questions

PATIENCE_S: Final = 30.0
"""What a generator may take beyond the time it was asked for: start, connecting, waiting for late answers."""


def finished(
    command: Sequence[str], load: Load, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Run a generator to its end and return what it printed; GeneratorFailed with its complaint when it failed or hung."""
    limit = load.warm_up_s + load.seconds + PATIENCE_S
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limit, env=environ, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise GeneratorFailed(f"{command[0]} did not end within {limit:g} s") from None
    except OSError as error:
        raise GeneratorFailed(f"{command[0]} could not be started: {error}") from None
    if done.returncode != 0:
        raise GeneratorFailed(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


class QuestionFile:
    """A question file for the length of a `with` block."""

    def __init__(self, questions: Sequence[Question]) -> None:
        """Take the questions; nothing is written yet."""
        self._questions = questions
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> str:
        """Write them and return the path."""
        self._folder = tempfile.TemporaryDirectory(prefix="questions-")
        path = Path(self._folder.name) / "questions"
        write_questions(path, self._questions)
        return str(path)

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        if self._folder is not None:
            self._folder.cleanup()
