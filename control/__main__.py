"""`entitlements control`, or `python -m control`: the process of the control plane. The settings are read here."""

from __future__ import annotations

import os
import sys

from control.cli.server import run_command


def main(argv: list[str]) -> int:
    """Run the command; 0, or 1 after one line with what is wrong and what to do."""
    return run_command(argv, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
