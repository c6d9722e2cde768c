"""`python3 dev.py bench report [RESULT.json] [--publish]`: write the page of a result beside it, and what the documents show of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.report.page import page
from benchmarks.report.picture import NoFontError, write
from benchmarks.report.published import DOCUMENTS, refreshed
from benchmarks.report.terminal import summary
from benchmarks.result import RESULTS, ROOT, Result
from benchmarks.suite import title_of

IMAGES: Final = ROOT / "docs" / "images"


def write_page(result: Result, path: Path) -> Path:
    """Write the page of a result beside its file and return the path."""
    titles = {scenario: title_of(scenario) for scenario in {row.scenario for row in result.rows}}
    target = path.with_suffix(".html")
    target.write_text(page(result, titles), encoding="utf-8")
    return target


def newest() -> Path | None:
    """Return the newest result with rows."""
    found = sorted(path for path in RESULTS.glob("2*.json"))
    return found[-1] if found else None


def main(argv: Sequence[str]) -> int:
    """Write; return 2 when there is no such result."""
    parser = argparse.ArgumentParser(prog="bench report", description="The page of a result, with plots and targets.")
    parser.add_argument("result", type=Path, nargs="?", help="default: the newest in benchmarks/results")
    parser.add_argument(
        "--publish", action="store_true", help="also write docs/images/benchmark.* and the documents' tables"
    )
    asked = parser.parse_args(argv)
    path: Path | None = asked.result or newest()
    if path is None:
        print("bench report: there is no result yet; `python3 dev.py bench` makes one", file=sys.stderr)
        return 2
    try:
        result = Result.read(path)
    except ValueError as error:
        print(f"bench report: {error}", file=sys.stderr)
        return 2
    print(summary(result))
    print(f"written {write_page(result, path)}")
    return publish(result, path) if asked.publish else 0


def publish(result: Result, path: Path) -> int:
    """Write the picture and the tables; return 1 when this result cannot be published."""
    if path.resolve().parent != RESULTS:
        print(
            f"bench report: only a result in {RESULTS.relative_to(ROOT)} can be published; copy it there",
            file=sys.stderr,
        )
        return 1
    try:
        written = list(write(result, IMAGES))
    except NoFontError as error:
        print(f"bench report: {error}", file=sys.stderr)
        return 1
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(refreshed(text, result, path.name), encoding="utf-8")
        written.append(document)
    for each in written:
        print(f"written {each}")
    print(f"commit them together with {path.name}, which their test reads")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
