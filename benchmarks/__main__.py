"""`python3 dev.py bench NAME [arguments]`: run one benchmark; without a name, list them.

Every benchmark prints what it measured and writes it to benchmarks/results/ together with the machine, the commit and the date.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Final

BENCHMARKS: Final = {
    "revoke": "from a revoke over REST until both sidecars deny, over real processes",
    "load": "open-loop load on one sidecar: latency at a stated rate",
    "micro": "decision cache, decoding and encoding, bytes to bytes",
    "micro_decide": "one decision on decoded records",
    "store": "size and speed of the policy store with 100,000 customers",
    "restart": "restart to first answer from a last known good of 100,000 customers",
}


def available() -> dict[str, str]:
    """Return the benchmarks that are in this checkout, with what each measures."""
    return {name: text for name, text in BENCHMARKS.items() if importlib.util.find_spec(f"benchmarks.{name}")}


def main(argv: list[str]) -> int:
    """Run the named benchmark with the rest of the line; return its exit code."""
    names = available()
    if not argv or argv[0] not in names:
        print("usage: python3 dev.py bench NAME [arguments]\n")
        for name, text in names.items():
            print(f"  {name:<14} {text}")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    module = importlib.import_module(f"benchmarks.{argv[0]}")
    code: int = module.main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
