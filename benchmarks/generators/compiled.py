"""Compiles the C programs of the benchmarks where they are wanted, once per state of their sources; nothing compiled is ever committed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.result import ROOT

CACHE: Final = ROOT / ".run" / "compiled"
FLAGS: Final = ("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror")
LIBRARIES: Final = ("-lnghttp2", "-lssl", "-lcrypto", "-lm")
HEADERS: Final = ("nghttp2/nghttp2.h", "openssl/ssl.h")
REMEDY: Final = "on Debian: apt-get install gcc libc6-dev libnghttp2-dev libssl-dev"


class NotCompiled(Exception):  # noqa: N818 - names what happened
    """The compiler refused the sources; the message is what it said."""


def compiler() -> str | None:
    """Return the C compiler: the environment's CC, or cc."""
    return shutil.which(os.environ.get("CC", "cc"))


def why_not() -> str | None:
    """Return why nothing can be compiled here and what would change that, or None."""
    if sys.platform != "linux":
        return "the C programs of the benchmarks are written for Linux"
    found = compiler()
    if found is None:
        return f"no C compiler ({REMEDY})"
    source = "".join(f"#include <{header}>\n" for header in HEADERS)
    probe = [found, "-E", "-x", "c", "-", "-o", os.devnull]
    done = subprocess.run(probe, input=source, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"the headers of libnghttp2 or OpenSSL are missing ({REMEDY})"


def program(folder: Path) -> Path:
    """Return the program made of all C files of a folder, compiled now unless it is known; NotCompiled says what is wrong with them."""
    sources = sorted(folder.glob("*.c"))
    state = hashlib.sha256(" ".join(FLAGS + LIBRARIES).encode())
    for path in sorted((*sources, *folder.glob("*.h"))):
        state.update(path.name.encode() + path.read_bytes())
    made = CACHE / state.hexdigest()[:16] / folder.name
    if made.exists():
        return made
    found = compiler()
    if found is None:
        raise NotCompiled(REMEDY)
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
        fresh = Path(scratch) / folder.name
        command = [found, *FLAGS, "-o", str(fresh), *map(str, sources), *LIBRARIES]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotCompiled(done.stderr)
        fresh.replace(made)
    return made
