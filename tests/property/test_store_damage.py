"""Bit flips and cuts anywhere in a store: refused at the start-up check, or harmless; never a wrong answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TRIALS = 500


def test_a_damaged_store_is_refused_or_identical() -> None:
    """Of 500 damaged copies none passes the check and then reads differently, or crashes a reader."""
    script = Path(__file__).with_name("store_damage.py")
    finished = subprocess.run(
        [sys.executable, str(script), str(TRIALS), "20261124"], check=True, capture_output=True, text=True
    )
    outcomes = json.loads(finished.stdout)
    assert "wrong" not in outcomes, outcomes
    assert "crashed_reading" not in outcomes, outcomes
    assert outcomes["refused"] + outcomes["identical"] == TRIALS
    assert outcomes["refused"] >= TRIALS // 4, f"most of the file holds something that counts: {outcomes}"
