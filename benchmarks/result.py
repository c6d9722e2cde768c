"""What a benchmark leaves behind: its numbers with the machine, the commit and the date, as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share (0 to 1) of the values does not exceed: the nearest rank, never an interpolation."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return count, least, percentiles and most of a series."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = {name: round(percentile(values, share), 4) for name, share in shares.items()}
    return {"count": len(values), "min": round(min(values), 4), **found, "max": round(max(values), 4)}


def commit() -> str:
    """Return the commit of the checkout, marked when files differ from it; `unknown` outside of one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, system, interpreter."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / (1 << 30), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def write(name: str, measures: str, numbers: Mapping[str, Any], on: Mapping[str, Any]) -> Path:
    """Write a result; `measures` says in words what the numbers are, `on` is what `machine` returned before the run."""
    RESULTS.mkdir(exist_ok=True)
    moment = datetime.now(UTC)
    described = {
        "benchmark": name,
        "measures": measures,
        "date": moment.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": dict(on),
        "numbers": dict(numbers),
    }
    path = RESULTS / f"{name}-{moment:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return path
