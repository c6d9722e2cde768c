"""Writes the reference pages that are made from code, or tells which of them are no longer true.

A generator is a module with `pages() -> dict[str, str]`: path below the repository's root -> the whole text. `GENERATORS`
is the one list of them.
"""

import argparse
import importlib
import sys
from pathlib import Path

GENERATORS: tuple[str, ...] = (
    "control.api.reference",
    "control.metrics",
    "control.settings",
    "entitlements.policy.feed_state_page",
    "entitlements.policy.reasons_page",
    "sidecar.metrics",
    "sidecar.settings",
)

ROOT = Path(__file__).resolve().parent.parent


def pages() -> dict[str, str]:
    """Collect every generator's pages; raise ValueError when two claim one path or a path leaves docs/."""
    collected: dict[str, str] = {}
    for name in GENERATORS:
        made: dict[str, str] = importlib.import_module(name).pages()
        for path, text in made.items():
            if path in collected or not path.startswith("docs/"):
                raise ValueError(f"{name} writes {path}: a page lies below docs/ and has one generator")
            collected[path] = text.rstrip("\n") + "\n"
    return collected


def stale(root: Path) -> list[str]:
    """Name the pages below `root` that differ from what the code gives, in order."""
    return [
        path
        for path, text in sorted(pages().items())
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def main(argv: list[str]) -> int:
    """Rewrite the pages; with --check, change nothing and return 1 when one is stale."""
    parser = argparse.ArgumentParser(prog="entitlements docs", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 when a page is stale")
    wanted = parser.parse_args(argv)
    if not (ROOT / "pyproject.toml").exists():
        print("entitlements docs: reference pages belong to a checkout; this is an installed copy.", file=sys.stderr)
        return 2
    outdated = stale(ROOT)
    for path in outdated:
        if wanted.check:
            print(f"{path} is not what the code gives; run: python3 dev.py docs")
        else:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(pages()[path])
            print(f"wrote {path}")
    return 1 if wanted.check and outdated else 0
