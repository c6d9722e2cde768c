"""Two paths change places in one step: nobody ever finds neither, or half of each. Linux, `renameat2(2)` with RENAME_EXCHANGE."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Final

_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2
_SYSCALLS: Final = {"x86_64": 316, "aarch64": 276}
"""For C libraries without the function."""


def exchange(one: Path, other: Path) -> None:
    """Let two paths of one file system change places; OSError when it cannot do that, and then nothing has changed."""
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    number = _SYSCALLS.get(platform.machine())
    if hasattr(library, "renameat2"):
        failed = library.renameat2(*arguments)
    elif number is not None:
        failed = library.syscall(number, *arguments)
    else:
        raise OSError(f"this system cannot exchange {one} and {other} in one step")
    if failed:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem), str(one), None, str(other))
