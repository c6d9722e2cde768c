"""Processes of a run are waited for, told apart when they fail, and never left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from demo.processes import NotRunningError, Part, run_tool, wait_until


def part(folder: Path, script: str, marker: Path | None = None) -> Part:
    """Return a part that runs a Python script and is ready when a file exists."""
    ready = (lambda: True) if marker is None else marker.exists
    return Part("sample", [sys.executable, "-c", script], os.environ, folder / "logs" / "sample.log", ready)


def test_started_and_stopped(tmp_path: Path) -> None:
    """`stop` lets a process end in its own way and returns when it is gone."""
    marker, ended = tmp_path / "up", tmp_path / "ended"
    script = (
        "import pathlib, signal, sys\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit()))\n"
        f"pathlib.Path({str(marker)!r}).touch()\nsignal.pause()\n"
    )
    sample = part(tmp_path, script, marker)
    sample.start()
    pid = sample.pid
    assert alive(pid)
    sample.stop()
    assert not alive(pid)
    assert ended.exists()


def test_killing_takes_children_along(tmp_path: Path) -> None:
    """A crash leaves nobody of the group behind."""
    pid_file = tmp_path / "child"
    script = (
        "import pathlib, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"draft = pathlib.Path({str(pid_file)!r} + '.draft'); draft.write_text(str(child.pid))\n"
        f"draft.rename({str(pid_file)!r})\nsignal.pause()\n"
    )
    sample = part(tmp_path, script, pid_file)
    sample.start()
    child = int(pid_file.read_text())
    sample.kill()
    wait_until(lambda: not alive(child), "the child's end")


def alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_that_ends_early_shows_its_last_words(tmp_path: Path) -> None:
    """Nobody has to look for the log."""
    sample = part(tmp_path, "raise SystemExit('no such setting')", tmp_path / "never")
    with pytest.raises(NotRunningError, match="no such setting"):
        sample.start()


def test_one_that_is_never_ready_is_named(tmp_path: Path) -> None:
    """The limit is told."""
    sample = part(tmp_path, "import signal; signal.pause()", tmp_path / "never")
    try:
        with pytest.raises(NotRunningError, match="sample is not ready"):
            sample.start(limit_s=0.1)
    finally:
        sample.kill()


def test_tools_that_fail_repeat_what_they_said() -> None:
    """A command line's own message is the best one."""
    assert run_tool("echo", [sys.executable, "-c", "print('made')"], os.environ) == "made\n"
    with pytest.raises(NotRunningError, match="wrong option"):
        run_tool("fails", [sys.executable, "-c", "raise SystemExit('wrong option')"], os.environ)


def test_waiting_names_what_did_not_happen() -> None:
    """A timeout says what was waited for."""
    with pytest.raises(TimeoutError, match="the moon"):
        wait_until(lambda: False, "the moon", limit_s=0.01)
