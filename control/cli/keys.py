"""`entitlements keys`: make, show and rotate the keys that sign the feed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from control.publishing.key_files import KeyBundle, KeyFileError, KeyFiles
from entitlements.policy.ids import Millis
from entitlements.runtime.clock import Clock, SystemClock
from entitlements.runtime.forms import duration_ms
from entitlements.wire.envelope import KeyGrant, KeyRole

DEFAULT_DIRECTORY = Path(".run/control/keys")
DEFAULT_DELAY = "24h"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this command line."""
    parser = argparse.ArgumentParser(prog="entitlements keys", description="Keys that sign the feed.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    init = commands.add_parser("init", help="make a root key, a policy key, a heartbeat key and the first key set")
    show = commands.add_parser("show", help="print the key set and the root key to pin in sidecars")
    rotate = commands.add_parser("rotate", help="add a key to a role and sign the next key set with the root")
    for command in (init, show, rotate):
        command.add_argument("--dir", type=Path, default=DEFAULT_DIRECTORY, help="key directory (%(default)s)")
    init.add_argument(
        "--offline-root", type=Path, metavar="DIR", help="put the root's private key here, on another medium"
    )
    show.add_argument("--root", action="store_true", help="print only the root public keys, separated by commas")
    rotate.add_argument("--role", choices=["policy", "heartbeat"], required=True)
    rotate.add_argument(
        "--activate-in",
        type=_duration,
        metavar="TIME",
        help=f"when the key counts, such as 24h ({DEFAULT_DELAY}; 0s with --revoke-old)",
    )
    rotate.add_argument(
        "--revoke-old", action="store_true", help="refuse the role's older keys at once: the answer to a stolen key"
    )
    rotate.add_argument(
        "--root-key", type=Path, metavar="FILE", help="the root's private key, when it is not in the directory"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns 0, or 1 after printing what is wrong and what to do."""
    return run(argv, SystemClock())


def run(argv: list[str], clock: Clock) -> int:
    """Run the command at a clock's time; as `main`."""
    options = build_parser().parse_args(argv)
    files = KeyFiles(options.dir)
    now_ms = Millis(clock.now_ms())
    try:
        if options.command == "init":
            bundle = files.initialise(options.offline_root)
            kept = options.offline_root or options.dir / "root"
            print(f"Keys made in {options.dir}. Move {kept} to another medium: it is needed only to rotate keys.")
        elif options.command == "rotate":
            delay_ms = options.activate_in
            if delay_ms is None:
                delay_ms = _duration("0s" if options.revoke_old else DEFAULT_DELAY)
            bundle = files.rotate(
                KeyRole[options.role.upper()],
                now_ms,
                Millis(delay_ms),
                revoke_old=options.revoke_old,
                root_file=options.root_key,
            )
            if options.revoke_old:
                print("Older keys are revoked. If one was stolen, run `entitlements feed re-epoch` next.")
        else:
            bundle = files.load()
    except KeyFileError as error:
        print(f"entitlements keys: {error}", file=sys.stderr)
        return 1
    if options.command == "show" and options.root:
        print(",".join(key.hex() for key in bundle.roots))
    else:
        print(describe(bundle, now_ms))
    return 0


def describe(bundle: KeyBundle, now_ms: Millis) -> str:
    """Return what an operator reads: the version, the roots to pin, one line for each key. No private byte is in it."""
    lines = [f"key set {bundle.version}", *(f"root      {key.hex()}" for key in bundle.roots)]
    for grant in bundle.grants:
        here = "" if grant.kid in bundle.pairs or grant.revoked else ", private key not here"
        lines.append(f"{grant.role.name.lower():9} {grant.kid}  {_standing(grant, now_ms)}{here}")
    return "\n".join(lines)


def _standing(grant: KeyGrant, now_ms: Millis) -> str:
    if grant.revoked:
        return "revoked"
    start = grant.window.from_ms
    if start is not None and now_ms < start:
        return f"counts in {(start - now_ms) // 60_000} min"
    return "in use" if grant.window.contains(now_ms) else "expired"


def _duration(raw: str) -> int:
    try:
        return duration_ms().read(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{raw!r} {error}; write a number with ms, s, m, h or d") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
