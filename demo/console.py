"""The console script `entitlements`: finds a sub-command's module, imports it, and hands the rest of the line over.

Imports are lazy, so `entitlements check` never pays for the control plane's libraries, and a sidecar image that lacks
them still has a working command.
"""

import argparse
import importlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubCommand:
    """Where a sub-command lives: `module` defines `main(argv: list[str]) -> int`."""

    module: str
    summary: str
    extra: str  # the distribution's extra that brings its libraries; empty when none does


SUB_COMMANDS = {
    "check": SubCommand("entitlements.client.__main__", "ask a sidecar: may this customer use this feature?", ""),
    "demo": SubCommand("demo.story", "tell the whole story on real processes", "demo"),
    "up": SubCommand("demo.up", "run Valkey, the control plane and a sidecar until interrupted", "demo"),
    "control": SubCommand("control.__main__", "run the control plane", "control"),
    "sidecar": SubCommand("sidecar.__main__", "run a sidecar", "sidecar"),
    "apply": SubCommand(
        "control.cli.apply", "bring a catalogue file into the control plane, after showing what changes", "control"
    ),
    "audit": SubCommand("control.cli.audit", "list and verify the audit chain", "control"),
    "keys": SubCommand("control.cli.keys", "make, show and rotate the keys that sign the feed", "control"),
    "feed": SubCommand("control.cli.feed", "show the feeds, begin a new epoch after a restore", "control"),
    "bench": SubCommand("benchmarks.__main__", "run the benchmarks (in a checkout)", "demo"),
    "docs": SubCommand("demo.docs", "write the reference pages from the code (in a checkout)", "demo"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one sub-command and return its exit code.

    `arguments` defaults to the process's own. A sub-command that cannot be imported because a library is missing ends
    with code 2 and the command that installs it.
    """
    parser = argparse.ArgumentParser(prog="entitlements", description="Entitlements, answered beside your service.")
    choices = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for name, command in SUB_COMMANDS.items():
        choices.add_parser(name, help=command.summary, add_help=False)
    given = sys.argv[1:] if arguments is None else arguments
    name = parser.parse_args(given[:1]).name
    command = SUB_COMMANDS[name]
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "benchmarks":
            print(
                "entitlements bench: the benchmarks are not part of the distribution; run it in a checkout.",
                file=sys.stderr,
            )
            return 2
        remedy = f"pip install 'entitlements[{command.extra}]'" if command.extra else "reinstall entitlements"
        print(f"entitlements {name}: the module {error.name} is missing; {remedy}", file=sys.stderr)
        return 2
    code: int = module.main(given[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
