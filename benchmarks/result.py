"""What a benchmark leaves behind: its numbers with the machine, the commit and the date, as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks.row import Row

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run that measured rows: what `report` and `compare` read."""

    benchmark: str
    date: str
    commit: str
    machine: Mapping[str, Any]
    rows: Sequence[Row]
    versions: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    """What could not be measured on that machine, one sentence each."""
    took_s: float = 0.0

    @classmethod
    def read(cls, path: Path) -> Result:
        """Return the result in a file; ValueError with the remedy when it holds none with rows."""
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            rows = [Row.from_json(row) for row in plain.pop("rows")]
            return cls(rows=rows, **plain)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{path} is not a result with rows ({error!r}); `python3 dev.py bench` writes one"
            raise ValueError(message) from error

    def write(self, folder: Path = RESULTS) -> Path:
        """Write it as DATE-COMMIT.json and return the path; a row on each line, so that two files can be compared by eye."""
        folder.mkdir(exist_ok=True)
        moment = datetime.fromisoformat(self.date)
        head = {
            "benchmark": self.benchmark,
            "date": self.date,
            "commit": self.commit,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "left_out": list(self.left_out),
            "took_s": round(self.took_s, 1),
        }
        lines = ",\n".join(json.dumps(row.as_json()) for row in self.rows)
        # A complaint may name a file of this checkout; where the checkout lies is nobody's business.
        text = json.dumps(head, indent=1).removesuffix("\n}") + f',\n "rows": [\n{lines}\n]}}\n'
        path = folder / f"{moment:%Y%m%dT%H%M%SZ}-{self.commit}.json"
        path.write_text(text.replace(str(ROOT), "."), encoding="utf-8")
        return path


def library_versions() -> dict[str, str]:
    """Return the versions of what answers are made with."""
    names = ("grpcio", "protobuf", "lmdb", "redis", "prometheus-client", "hdrhistogram")
    return {name: metadata.version(name) for name in names}
